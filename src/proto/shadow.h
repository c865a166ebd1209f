/*
 * Lines of shadow(5): name:hash:changed:min:max:warn:inactive:expire:reserved. Of the
 * numbers only expire counts here; the others are kept as they are written.
 */
#ifndef AMPEL_PROTO_SHADOW_H
#define AMPEL_PROTO_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct shadow_entry {
	struct bytes name;
	struct bytes hash;    /* as crypt(5) writes it; empty, "!..." or "*": no password fits */
	struct bytes rest;    /* the seven fields behind it, colons between */
	bool         expires;
	uint64_t     expire_day; /* since 1970; from that day on no password fits */
};

/*
 * A line without its LF. False: not nine fields, a bad name, a control byte, or an expire
 * that is no number. Empty and "-1" are never.
 */
bool shadow_parse_line(struct bytes line, struct shadow_entry *out);
/* The same as a line, LF included; the expire day is the one in rest. */
void shadow_add_line(struct buf *b, const struct shadow_entry *entry);

/* As passwd_next and passwd_find. */
bool shadow_next(struct bytes *rest, struct shadow_entry *out, unsigned *line);
bool shadow_find(struct bytes text, struct bytes name, struct shadow_entry *out);

/*
 * Add the text with the entry in the place of that name's line, or behind all; NULL: without
 * the name. Other lines stay as they are, and further ones of that name go.
 */
void shadow_add_changed(struct buf *b, struct bytes text, struct bytes name,
    const struct shadow_entry *entry);

/* Whether a password can fit on that day at all: there is a hash, not locked, not expired. */
bool shadow_is_open(const struct shadow_entry *entry, uint64_t day);

/* The parts of that; a hash that crypt(5) does not know is neither. */
bool shadow_is_locked(const struct shadow_entry *entry); /* or has no hash */
bool shadow_has_hash(const struct shadow_entry *entry);  /* behind a lock, too */
bool shadow_is_expired(const struct shadow_entry *entry, uint64_t day);

#endif
