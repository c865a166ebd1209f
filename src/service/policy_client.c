#include "service/policy_client.h"

#include <stdlib.h>

#include "base/buf.h"
#include "proto/mta_sts.h"
#include "service/asking.h"

struct policy_question {
	struct question  question; /* first */
	policy_answered *answered;
	void            *context;
};

struct policy_client {
	struct asking asking; /* first */
};

static void
fail(struct question *question)
{
	static const struct policy_answer nobody = {
		.mode = STS_NONE,
		.text = BYTES_INIT("nobody answered what the policy is"),
	};
	struct policy_question *q = (struct policy_question *)question;

	q->answered(&nobody, q->context);
	free(q);
}

/* All of them are there and nothing else. */
static bool
are_patterns(struct bytes list, uint32_t n)
{
	struct frame_reader r = frame_reader_of(list);

	if (n > STS_PATTERNS_MAX)
		return false;
	while (n-- > 0)
		frame_bytes(&r);
	return frame_end(&r);
}

/* A policy that counts names hosts, and only that. */
static bool
is_answer(const struct msg_policy *m)
{
	return m->mode <= STS_ENFORCE && (m->mode != STS_NONE) == (m->n > 0) &&
	    are_patterns(m->patterns, m->n);
}

static bool
on_policy(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct policy_client   *c = context;
	struct policy_question *q;
	struct policy_answer    answer;
	struct msg_policy       m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_policy_read(frame, &m) || !is_answer(&m))
		return false;
	q = (struct policy_question *)asking_answered(&c->asking, m.q);
	if (q == NULL) /* forgotten */
		return true;
	answer = (struct policy_answer){
		.mode = (enum sts_mode)m.mode,
		.n = m.n,
		.patterns = frame_reader_of(m.patterns),
		.text = m.text,
	};
	q->answered(&answer, q->context);
	free(q);
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_POLICY, NULL, on_policy, 0 },
};

static const struct asking_kind policy_kind = {
	.permits = permits,
	.n_permits = sizeof permits / sizeof permits[0],
	.timeout_ms = POLICY_TIMEOUT_MS,
	.fail = fail,
	.waits = true,
};

struct policy_client *
policy_client_new(uv_loop_t *loop)
{
	struct policy_client *c = malloc(sizeof *c);

	if (c)
		asking_init(&c->asking, loop, &policy_kind);
	return c;
}

void
policy_client_free(struct policy_client *c)
{
	asking_free(c ? &c->asking : NULL);
}

void
policy_client_connect(struct policy_client *c, int socket)
{
	asking_connect(&c->asking, socket);
}

struct policy_question *
policy_ask(struct policy_client *c, struct bytes domain,
    policy_answered *answered, void *context)
{
	const struct msg_ask_policy m = { question_number(&c->asking.ring), domain };
	struct policy_question     *q;
	struct buf                  frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_policy_add(&frame, &m);
	q = asking_ask(&c->asking, sizeof *q, m.q, &frame);
	if (q) {
		q->answered = answered;
		q->context = context;
	}
	return q;
}

void
policy_forget(struct policy_question *q)
{
	asking_forget(q ? &q->question : NULL);
}
