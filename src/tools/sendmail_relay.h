/*
 * What sendmail(8) does with the server's listener "local" besides handing in a message.
 */
#ifndef AMPEL_TOOLS_SENDMAIL_RELAY_H
#define AMPEL_TOOLS_SENDMAIL_RELAY_H

/* -bs: what comes on stdin is said to the server, and what it replies on stdout. An exit code. */
int sendmail_relay_smtp(void);

/* -bv: would the server take mail for these? A line for each; 0 when for all. */
int sendmail_relay_verify(char **addresses, int n);

#endif
