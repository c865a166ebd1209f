/*
 * The side of a neighbour that asks, as the clients of lookup, auth, dns and fetch have
 * it in common: the connection, the questions that are open and how long. What is asked
 * and answered is each client's own. Its struct begins with a struct asking, is made by
 * malloc, and each of its questions begins with a struct question, made by malloc.
 */
#ifndef AMPEL_SERVICE_ASKING_H
#define AMPEL_SERVICE_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "io/peer.h"
#include "service/question.h"

struct asking_kind {
	const struct peer_permit *permits; /* their context is the client */
	size_t                    n_permits;
	uint64_t                  timeout_ms;
	question_fail            *fail;
	/*
	 * Questions asked while nobody is there wait for somebody, and their frames are
	 * kept. Else they fail, from the loop.
	 */
	bool                      waits;
};

struct asking {
	uv_loop_t                *loop;
	const struct asking_kind *kind;
	struct peer              *peer; /* NULL: nobody is there */
	struct question_ring      ring;
	uv_timer_t                timer;
};

/* kind lives as long. */
void asking_init(struct asking *a, uv_loop_t *loop, const struct asking_kind *kind);
/* Nobody is told any more. Its client is freed, later. NULL is allowed. */
void asking_free(struct asking *a);
/* Takes the socket; replaces an older one, what was asked there fails. */
void asking_connect(struct asking *a, int socket);

/*
 * Ask: a question of size bytes, zeroed but for its first member, and its frame, which is
 * finished; q is the number in it. The kind waits. NULL: no memory, or the frame is too
 * large.
 */
void *asking_ask(struct asking *a, size_t size, uint64_t q, struct buf *frame);
/* One that its client has made, and sent if is_sent. The kind does not wait. */
void  asking_append(
     struct asking *a, struct question *question, uint64_t q, bool is_sent);

/* The question of an answer, out of the ring; NULL: forgotten or never asked. */
struct question *asking_answered(struct asking *a, uint64_t q);
/* Take it out and free it. NULL is allowed. */
void             asking_forget(struct question *question);

#endif
