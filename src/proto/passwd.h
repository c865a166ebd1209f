/*
 * Lines of passwd(5): name:password:uid:gid:gecos:home:shell.
 */
#ifndef AMPEL_PROTO_PASSWD_H
#define AMPEL_PROTO_PASSWD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct passwd_entry {
	struct bytes name;
	uint32_t     uid;
	uint32_t     gid;
	struct bytes gecos;
	struct bytes home;  /* absolute */
	struct bytes shell;
};

/* A line without its LF. False: not seven fields, bad numbers, a relative home. */
bool passwd_parse_line(struct bytes line, struct passwd_entry *out);
/* The same as a line, LF included; the password field is "x". */
void passwd_add_line(struct buf *b, const struct passwd_entry *entry);

/*
 * Find name in a whole file. True when found; a broken line before it is passed
 * over.
 */
bool passwd_find(struct bytes text, struct bytes name, struct passwd_entry *out);

/* What may be a user name: a-z 0-9 - _ . , first a letter or _, 1 to 31 bytes. */
bool passwd_name_is_valid(struct bytes name);

#endif
