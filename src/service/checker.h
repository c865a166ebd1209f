/*
 * A checkpassword program (cr.yp.to/checkpwd) asked by a session on standard input and output:
 * blocking. Before it is believed once, it must refuse a name and password that nobody has:
 * a program that says yes to everybody ("checkpassword" with its arguments shifted, "true")
 * would be an open relay.
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
	char *const *argv;      /* ends with NULL; argv[0] is searched in PATH when it has no '/' */
	bool         is_proved; /* it has refused the random one */
};

/*
 * Whether that is his password. Only exit code 0 is yes, 1 is no; the rest, a program that
 * cannot be run, that has not refused the random one, or that is late: try later, and why says so
 * (size bytes). The program's descriptors 0, 1 and 2 are /dev/null, nothing else is open but 3.
 */
enum password_answer checker_ask(struct checker *c, struct bytes user,
    struct bytes password, char *why, size_t size);

/*
 * The same of a program that goes on as that user once he has logged in: socket is its descriptor 0
 * and 1, 2 is ours. *pidfd is its process; -1 with TRY_LATER or NO at once. Whether the password was right is
 * seen from what comes over the socket: an end of the program before that is an answer,
 * checker_end.
 */
int                  checker_start(struct checker *c, struct bytes user,
    struct bytes password, int socket, char *why, size_t size);
enum password_answer checker_end(int pidfd, char *why, size_t size);

#endif
