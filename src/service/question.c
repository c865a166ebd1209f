#include "service/question.h"

#include <stddef.h>

static void
link_last(struct question *head, struct question *question)
{
	question->next = head;
	question->before = head->before;
	question->before->next = question;
	head->before = question;
}

void
question_ring_init(struct question_ring *ring, question_fail *fail)
{
	ring->head.next = ring->head.before = &ring->head;
	ring->last_q = 0;
	ring->fail = fail;
}

uint64_t
question_number(struct question_ring *ring)
{
	return ++ring->last_q;
}

void
question_append(struct question_ring *ring, struct question *question)
{
	question->is_sent = false;
	link_last(&ring->head, question);
}

void
question_take_out(struct question *question)
{
	question->before->next = question->next;
	question->next->before = question->before;
	question->next = question->before = question;
}

struct question *
question_next(struct question_ring *ring, struct question *question)
{
	return question->next == &ring->head ? NULL : question->next;
}

struct question *
question_first(struct question_ring *ring)
{
	return question_next(ring, &ring->head);
}

struct question *
question_find(struct question_ring *ring, uint64_t q)
{
	struct question *at = question_first(ring);

	while (at && at->q != q)
		at = question_next(ring, at);
	return at;
}

/*
 * They are moved to a ring of their own first: what a callback asks, or sends over a new
 * connection, is not among them, and what it forgets leaves either ring.
 */
void
question_fail_all(struct question_ring *ring, bool is_sent)
{
	struct question  failed;
	struct question *next;

	failed.next = failed.before = &failed;
	for (struct question *at = question_first(ring); at; at = next) {
		next = question_next(ring, at);
		if (at->is_sent != is_sent)
			continue;
		question_take_out(at);
		link_last(&failed, at);
	}
	while (failed.next != &failed) {
		struct question *at = failed.next;

		question_take_out(at);
		ring->fail(at);
	}
}

void
question_fail_overdue(
    struct question_ring *ring, uint64_t timeout_ms, uint64_t now_ms)
{
	struct question *at;

	while ((at = question_first(ring)) != NULL &&
	    at->asked_ms + timeout_ms < now_ms) {
		question_take_out(at);
		ring->fail(at);
	}
}
