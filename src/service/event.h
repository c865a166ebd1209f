/*
 * One log line per event, DESIGN section 11: key=value, printable ASCII, bounded.
 *
 *     struct event e = event_begin("accept", &id);
 *     event_text(&e, "from", reverse_path);
 *     event_number(&e, "ms", ms);
 *     event_end(&e);
 */
#ifndef AMPEL_SERVICE_EVENT_H
#define AMPEL_SERVICE_EVENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/id.h"
#include "mail/status.h"

/* A field that finds no room is left out, and all behind it. */
struct event {
	struct buf line;
	size_t     whole; /* bytes of line that are whole fields */
};

/* id may be NULL. name is a literal. */
struct event event_begin(const char *name, const struct id *id);
void event_text(struct event *e, const char *key, struct bytes value);
/* "<value>", as paths are written. Long values are cut. */
void event_path(struct event *e, const char *key, struct bytes value);
void event_number(struct event *e, const char *key, uint64_t value);
void event_milli(struct event *e, const char *key, int64_t milli);
void event_status(struct event *e, const char *key, struct status status);
void event_end(struct event *e); /* writes the line and frees */

#endif
