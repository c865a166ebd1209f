/*
 * What a checkpassword program reads on descriptor 3 (cr.yp.to/checkpwd): name, password
 * and a timestamp, each ended by NUL, 512 bytes in all; and what its exit code says.
 */
#ifndef AMPEL_PROTO_CHECKPASSWORD_H
#define AMPEL_PROTO_CHECKPASSWORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	CHECKPASSWORD_MAX = 512,
	CHECKPASSWORD_PROBE = 32, /* letters of a name that nobody has */
	CHECKPASSWORD_OK = 0,
	CHECKPASSWORD_REFUSED = 1,
	CHECKPASSWORD_MISUSED = 2,
	CHECKPASSWORD_TROUBLE = 111,
};

struct checkpassword {
	struct bytes name;
	struct bytes password;
};

/* False: it has no such form, or is longer. What stands behind the timestamp is allowed. Borrows. */
bool checkpassword_parse(struct bytes text, struct checkpassword *out);
/* False: a NUL in it, or too long. The timestamp is "". */
bool checkpassword_add(struct buf *b, struct bytes name, struct bytes password);
/* Whether a program can be asked at all: not without a name, nor what cannot be added. */
bool checkpassword_is_possible(const struct checkpassword *login);

/* Random octets become letters: a name, or a password, that nobody has. */
void checkpassword_probe(char text[CHECKPASSWORD_PROBE]);

#endif
