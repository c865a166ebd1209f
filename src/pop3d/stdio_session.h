/*
 * One POP3 session on standard input and output: the blocking driver of the POP3 engine. TLS is
 * outside. Passwords are checked by a checkpassword program, which goes on as the user's
 * ampel-mailbox: nothing here ever runs as him.
 */
#ifndef AMPEL_POP3D_STDIO_SESSION_H
#define AMPEL_POP3D_STDIO_SESSION_H

#include "base/bytes.h"

struct stdio_setting {
	struct bytes hostname;
	struct bytes peer;    /* the client, for the log */
	char *const *checker; /* its argv: the program, its arguments, and what it becomes */
};

/* To its end. */
void stdio_session(const struct stdio_setting *setting);

#endif
