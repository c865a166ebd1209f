/*
 * One notification: the flights that it tells of, and the message.
 */
#ifndef AMPEL_QUEUE_NOTICE_H
#define AMPEL_QUEUE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "mail/config.h"
#include "queue/bounce.h"
#include "queue/flight.h"

struct notice {
	struct notice   *next; /* while it gathers */
	uint64_t         begun_ms;
	struct bounce    bounce;
	struct flight   *flights[DSN_RECIPIENTS_MAX];
	size_t           n;
	size_t           users; /* flights that have not landed */
	bool             is_stored;
	struct store_put put;   /* once it is made; the rest is what it points to */
	struct envelope  envelope;
	struct envelope_recipient recipient;
	struct arena     arena;
	int              body;  /* -1: none yet */
};

/* NULL: no memory. */
struct notice *notice_new(const struct bounce *bounce);
/* One more flight, at most DSN_RECIPIENTS_MAX: what became of it is in f->end. */
void notice_add(struct notice *n, struct flight *f);
/* Make the message; users are its flights. False: no memory. */
bool notice_make(struct notice *n, const struct config *config);
/* One of its flights has landed; with the last one it is freed. */
void notice_release(struct notice *n);

/* Whether the header section of that message says that no person waits for a warning. */
bool notice_is_for_a_program(const struct flight *f);

#endif
