/*
 * Who is to be told of what became of a recipient, and the envelope of the message that
 * says so. Nothing ever bounces to a null reverse-path: what cannot be given back goes to
 * double_bounce_to, and what fails there is discarded. Pure.
 */
#ifndef AMPEL_QUEUE_BOUNCE_H
#define AMPEL_QUEUE_BOUNCE_H

#include <stdbool.h>

#include "base/buf.h"
#include "mail/config.h"
#include "proto/dsn.h"
#include "queue/store.h"

enum bounce_kind {
	BOUNCE_NONE,      /* nobody wants to know */
	BOUNCE_SENDER,    /* the reverse-path is told */
	BOUNCE_DOUBLE,    /* there is none: the postmaster is */
	BOUNCE_DISCARDED, /* nobody can be told: the log says it */
};

struct bounce {
	enum bounce_kind kind;
	enum dsn_action  action;
	struct bytes     to; /* as bounce_add_path takes it */
};

/* What end causes; is_remote: it went to another host. Views are those of config and l. */
struct bounce bounce_for(const struct config *config, const struct store_lease *l,
    const struct store_finish *end, bool is_remote);

/*
 * The address where a notification goes: the local part untouched, since lists tell their
 * members apart by it, the domain in lower case; ours when there is none.
 */
void bounce_add_path(struct buf *b, const struct config *config, struct bytes to);

/* Of a notification; content: all of it. recipient is filled and becomes its only one. */
struct envelope bounce_envelope(const struct id *id, uint64_t now_ms, struct bytes to,
    struct bytes content, struct envelope_recipient *recipient);

/* For the log: "bounce", "warning", "success", "double-bounce", "discarded". */
const char *bounce_name(const struct bounce *b);

#endif
