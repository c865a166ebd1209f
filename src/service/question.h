/*
 * What a client has asked of a neighbour and has not been told: a ring in the order of
 * asking, which is nearly always the order of the answers, so that a search from the front
 * ends at once. A client's own struct begins with a struct question.
 */
#ifndef AMPEL_SERVICE_QUESTION_H
#define AMPEL_SERVICE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct question {
	struct question *next, *before;
	uint64_t         q;
	uint64_t         asked_ms;
	bool             is_sent; /* the client's to set */
	struct bytes     frame;   /* where it is kept until it is sent: service/asking.h */
};

/*
 * Tell the asker "try later" and free; the question is out of the ring already. It may ask,
 * send and forget others.
 */
typedef void question_fail(struct question *question);

struct question_ring {
	struct question head;
	uint64_t        last_q;
	question_fail  *fail;
};

void     question_ring_init(struct question_ring *ring, question_fail *fail);
/* A new number, for the frame. */
uint64_t question_number(struct question_ring *ring);
/* Append; q and asked_ms are set, it is not sent yet. */
void     question_append(struct question_ring *ring, struct question *question);
/* Calm when it is out. */
void     question_take_out(struct question *question);

/* NULL: there is none. */
struct question *question_first(struct question_ring *ring);
struct question *question_next(struct question_ring *ring, struct question *question);
struct question *question_find(struct question_ring *ring, uint64_t q);

/* Fail those that were sent, or were not. What is asked meanwhile stays. */
void question_fail_all(struct question_ring *ring, bool is_sent);
/* Fail those that were asked longer ago. */
void question_fail_overdue(
    struct question_ring *ring, uint64_t timeout_ms, uint64_t now_ms);

#endif
