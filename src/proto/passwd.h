/*
 * Lines of passwd(5): name:password:uid:gid:gecos:home:shell.
 */
#ifndef AMPEL_PROTO_PASSWD_H
#define AMPEL_PROTO_PASSWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { PASSWD_FILE_MAX = 64 * 1024 * 1024 }; /* bytes of a whole file */

struct passwd_entry {
	struct bytes name;
	uint32_t     uid;
	uint32_t     gid;
	struct bytes gecos;
	struct bytes home;  /* absolute */
	struct bytes shell;
};

/*
 * A line without its LF. False: not seven fields, a bad name, bad numbers, a
 * relative home, or a control byte anywhere.
 */
bool passwd_parse_line(struct bytes line, struct passwd_entry *out);
/* The same as a line, LF included; the password field is "x". */
void passwd_add_line(struct buf *b, const struct passwd_entry *entry);

/*
 * Take the next entry off the front of *rest. False at the end. An empty line or
 * comment is passed over; a broken line is an entry with an empty name. *line, if
 * not NULL, grows by the lines taken.
 */
bool passwd_next(struct bytes *rest, struct passwd_entry *out, unsigned *line);

/*
 * Find name in a whole file. True when found; a broken line before it is passed
 * over.
 */
bool passwd_find(struct bytes text, struct bytes name, struct passwd_entry *out);

/* What may be a user name: a-z 0-9 - _ . , first a letter or _, 1 to 31 bytes. */
bool passwd_name_is_valid(struct bytes name);

#endif
