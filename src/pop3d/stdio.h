/*
 * ampel-pop3d --stdio [--policy pop3s] [--control DIR] CHECKER [ARGUMENT ...]: below
 * tcpserver and stunnel, as qmail-popup is.
 */
#ifndef AMPEL_POP3D_STDIO_H
#define AMPEL_POP3D_STDIO_H

/* The words behind --stdio; they end with NULL. The exit code. */
int stdio_main(int argc, char **argv);

#endif
