/*
 * A checkpassword program (cr.yp.to/checkpwd) asked by a session on standard input and output:
 * blocking. Before it is believed once, it must refuse a name and password that nobody has:
 * a program that says yes to everybody ("checkpassword" with its arguments shifted, "true")
 * would be an open relay.
 *
 * 0, 1 and 2 of the caller are open. Children are waited for: SIGCHLD becomes the default.
 */
#ifndef AMPEL_SERVICE_CHECKER_H
#define AMPEL_SERVICE_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "proto/message.h"

enum { CHECKER_TIMEOUT_MS = 30 * 1000 };

struct checker {
	char *const *argv;       /* ends with NULL; argv[0] is searched in PATH when it has no '/' */
	bool         is_proved;  /* it has refused the random one */
	int          timeout_ms; /* 0: CHECKER_TIMEOUT_MS */
};

/*
 * Whether that is his password. Only exit code 0 is yes, 1 is no; the rest, a program that
 * cannot be run, that has not refused the random one, or that is late: try later, and why says so
 * (size bytes). What no program could be asked (a NUL in it, too long, no name) is no at once.
 * The program's descriptors 0, 1 and 2 are /dev/null, nothing else is open but 3; its
 * environment is ours.
 */
enum password_answer checker_ask(struct checker *c, struct bytes user,
    struct bytes password, char *why, size_t size);

/* A program under way. */
struct checker_run {
	const char *name;
	pid_t       pid;   /* and its process group */
	int         pidfd; /* readable when it has ended; -1: it was not started */
};

/*
 * The same of a program that goes on as that user once he has logged in: socket, of which it
 * gets a copy, is its descriptor 0 and 1, 2 is ours. PASSWORD_YES says no more than that it runs:
 * whether the password is right is seen from what comes over the socket, or is not: an end
 * of the program before that is an answer, checker_end.
 */
enum password_answer checker_start(struct checker *c, struct bytes user,
    struct bytes password, int socket, struct checker_run *run, char *why, size_t size);
/*
 * Wait at most timeout_ms for its end, then kill its group; what its end says. Who became another
 * user cannot be killed, and is left alone. Closes pidfd; calm when that is -1.
 */
enum password_answer checker_end(
    struct checker_run *run, int timeout_ms, char *why, size_t size);

#endif
