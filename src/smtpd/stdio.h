/*
 * ampel-smtpd --stdio: one session on descriptors 0 and 1, as tcpserver and stunnel start one.
 * Blocking, without the supervisor, for the machine that it finds: qmail's control/ or our own
 * server, qmail's queue or ours.
 */
#ifndef AMPEL_SMTPD_STDIO_H
#define AMPEL_SMTPD_STDIO_H

/* The exit code. */
int stdio_main(int argc, char **argv);

#endif
