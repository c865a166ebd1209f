/*
 * A line of our log as its fields, DESIGN section 11: what service/event writes is read
 * back. What journald, syslog or a file puts in front of it is skipped, but for the time.
 */
#ifndef AMPEL_PROTO_LOG_LINE_H
#define AMPEL_PROTO_LOG_LINE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { LOG_FIELDS_MAX = 64 };

struct log_field {
	struct bytes key;
	struct bytes value; /* as written, without its quotes; escapes still in it */
};

struct log_line {
	struct bytes     time; /* what stood in front, up to the seconds; empty: nothing */
	struct log_field fields[LOG_FIELDS_MAX];
	size_t           n;
};

/* Views borrow. False: not a line about an event. Fields behind the last that fits are left out. */
bool log_line_read(struct bytes text, struct log_line *out);

/* Empty when there is no such field. */
struct bytes log_line_get(const struct log_line *line, const char *key);

/* A value without its escapes. */
void log_value_add(struct buf *b, struct bytes value);

#endif
