/*
 * What a message is judged by: a copy of that part of a configuration, shared by the
 * messages that came while it was in use. It ends with the last of them, so a
 * reload changes nothing for a message that is being judged.
 */
#ifndef AMPEL_HIQ_FILTERS_H
#define AMPEL_HIQ_FILTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "mail/config.h"

/* Beside the limit for mail data: trace fields, marks, what a filter adds. */
enum { MESSAGE_ROOM = 256 * 1024 };

struct filters {
	struct arena         arena;
	size_t               holders;
	struct config_filter *list; /* in pipeline order */
	size_t               n;
	struct bytes         hostname;
	struct bytes         contact;
	uint64_t             deadline_ms;
	uint64_t             concurrency;
	uint64_t             message_max; /* bytes, room included */
	const char          *scratch;     /* folder for large copies; NULL: none */
	/*
	 * What the caller's environment says of the client, "NAME=VALUE", ending with NULL, for
	 * programs; borrowed. NULL: nothing.
	 */
	const char *const   *caller;
};

/* Held once. NULL: no memory. */
struct filters *filters_of(const struct config *config, const char *scratch);
struct filters *filters_hold(struct filters *f);
/* NULL is allowed. */
void            filters_release(struct filters *f);

#endif
