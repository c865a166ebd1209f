#include "service/lookup_client.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "io/memfile.h"
#include "service/asking.h"

enum { TARGETS_MAX = 16 * 1024 * 1024 };

struct lookup_question {
	struct question         question; /* first: a question is one of these */
	uint16_t                answer_type; /* MSG_CONNECT, ... */
	union {
		lookup_connect_answer   *connect;
		lookup_recipient_answer *recipient;
		lookup_sender_answer    *sender;
		lookup_account_answer   *account;
		lookup_route_answer     *route;
	} answer;
	void                   *context;
};

struct lookup_client {
	struct asking asking; /* first */
};

/* Answer "try later" and free. The callback may ask or forget others. */
static void
fail(struct question *question)
{
	struct lookup_question *q = (struct lookup_question *)question;

	if (q->answer_type == MSG_CONNECT)
		q->answer.connect(
		    &(struct lookup_client_rights){ .try_later = true }, q->context);
	else if (q->answer_type == MSG_RECIPIENT)
		q->answer.recipient(RECIPIENT_TRY_LATER, q->context);
	else if (q->answer_type == MSG_SENDER)
		q->answer.sender(true, false, q->context);
	else if (q->answer_type == MSG_ACCOUNT)
		q->answer.account(true, BYTES(""), q->context);
	else
		q->answer.route(NULL, q->context);
	free(q);
}

/* The question of an answer, out of the ring; NULL: forgotten or never asked. */
static struct lookup_question *
answered(struct lookup_client *c, uint64_t number, uint16_t type)
{
	struct lookup_question *q =
	    (struct lookup_question *)question_find(&c->asking.ring, number);

	if (q == NULL || q->answer_type != type)
		return NULL;
	question_take_out(&q->question);
	return q;
}

static bool
on_connect(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_connect      m;
	struct lookup_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_connect_read(frame, &m))
		return false;
	q = answered(context, m.q, MSG_CONNECT);
	if (q)
		q->answer.connect(&(struct lookup_client_rights){
		    .allowed = m.allowed == 1,
		    .inside = m.inside == 1,
		    .suffix = m.suffix,
		    .has_size_max = m.has_size_max == 1,
		    .size_max = m.size_max,
		    .peer_name = m.peer_name,
		}, q->context);
	free(q);
	return true;
}

static bool
on_recipient(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_recipient    m;
	struct lookup_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_recipient_read(frame, &m) || m.answer > RECIPIENT_LIMIT)
		return false;
	q = answered(context, m.q, MSG_RECIPIENT);
	if (q)
		q->answer.recipient((enum recipient_answer)m.answer, q->context);
	free(q);
	return true;
}

static bool
on_sender(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_sender       m;
	struct lookup_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_sender_read(frame, &m))
		return false;
	q = answered(context, m.q, MSG_SENDER);
	if (q)
		q->answer.sender(false, m.is_own == 1, q->context);
	free(q);
	return true;
}

static bool
on_account(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_account      m;
	struct lookup_question *q;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_account_read(frame, &m))
		return false;
	q = answered(context, m.q, MSG_ACCOUNT);
	if (q)
		q->answer.account(false, m.name, q->context);
	free(q);
	return true;
}

/* How many targets a list holds; false: it is no list. */
static bool
count_targets(struct bytes list, size_t *n)
{
	struct frame_reader r = frame_reader_of(list);

	for (*n = 0; r.rest.n > 0 && !r.failed; ++*n)
		frame_bytes(&r);
	return !r.failed;
}

/* False: no memory. */
static bool
read_targets(
    struct bytes list, size_t n, struct arena *arena, struct route *route)
{
	struct frame_reader r = frame_reader_of(list);
	struct bytes       *targets;

	targets = arena_alloc(arena, (n + 1) * sizeof *targets);
	if (targets == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		targets[i] = frame_bytes(&r);
	route->targets = targets;
	route->n_targets = n;
	return true;
}

/* Pass the answer on, its targets being n in m->targets; without them, "try later". */
static void
answer_route(struct lookup_client *c, const struct msg_route *m,
    bool has_targets, size_t n)
{
	struct lookup_question *q = answered(c, m->q, MSG_ROUTE);
	struct route            route = {
		.kind = (enum route_kind)m->kind,
		.user = m->user,
		.extension = m->extension,
		.is_qmail = m->is_qmail == 1,
		.local = m->local,
		.dash = m->dash,
		.owner = m->owner,
	};
	struct arena            arena;
	bool                    good;

	if (q == NULL)
		return;
	arena_init(&arena, TARGETS_MAX);
	good = has_targets && read_targets(m->targets, n, &arena, &route);
	q->answer.route(good ? &route : NULL, q->context);
	free(q);
	arena_finish(&arena);
}

/* The targets of an expansion are a list in the frame, or in a memory file. */
static bool
on_route(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_route m;
	struct buf       large;
	bool             is_read = true, is_garbled;
	size_t           n = 0;

	(void)peer;
	if (!msg_route_read(frame, &m) || m.kind > ROUTE_EXPANDED ||
	    n_fds != (m.is_large ? 1 : 0))
		return false;
	buf_init(&large, TARGETS_MAX);
	if (m.is_large) {
		is_read = memfile_read(fds[0], 0, &large) == 0;
		m.targets = buf_bytes(&large);
	}
	is_garbled = is_read && !count_targets(m.targets, &n);
	if (!is_garbled)
		answer_route(context, &m, is_read, n);
	buf_finish(&large);
	return !is_garbled;
}

static const struct peer_permit permits[] = {
	{ MSG_CONNECT, NULL, on_connect, 0 },
	{ MSG_RECIPIENT, NULL, on_recipient, 0 },
	{ MSG_SENDER, NULL, on_sender, 0 },
	{ MSG_ACCOUNT, NULL, on_account, 0 },
	{ MSG_ROUTE, NULL, on_route, 1 },
};

static const struct asking_kind lookup_kind = {
	.permits = permits,
	.n_permits = sizeof permits / sizeof permits[0],
	.timeout_ms = LOOKUP_TIMEOUT_MS,
	.fail = fail,
	.waits = true,
};

struct lookup_client *
lookup_client_new(uv_loop_t *loop)
{
	struct lookup_client *c = malloc(sizeof *c);

	if (c)
		asking_init(&c->asking, loop, &lookup_kind);
	return c;
}

void
lookup_client_free(struct lookup_client *c)
{
	asking_free(c ? &c->asking : NULL);
}

void
lookup_client_connect(struct lookup_client *c, int socket)
{
	asking_connect(&c->asking, socket);
}

/* Ask, the frame made; number is q of that frame. */
static struct lookup_question *
ask(struct lookup_client *c, uint64_t number, struct buf *frame,
    uint16_t answer_type, void *context)
{
	struct lookup_question *q =
	    asking_ask(&c->asking, sizeof *q, number, frame);

	if (q) {
		q->answer_type = answer_type;
		q->context = context;
	}
	return q;
}

struct lookup_question *
lookup_connect(struct lookup_client *c, struct bytes listener,
    struct bytes address, lookup_connect_answer *answer, void *context)
{
	struct msg_ask_connect  m = { question_number(&c->asking.ring), listener, address };
	struct lookup_question *q;
	struct buf              frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_connect_add(&frame, &m);
	q = ask(c, m.q, &frame, MSG_CONNECT, context);
	if (q)
		q->answer.connect = answer;
	return q;
}

struct lookup_question *
lookup_recipient(struct lookup_client *c, struct bytes address,
    struct bytes user, lookup_recipient_answer *answer, void *context)
{
	struct msg_ask_recipient m = { question_number(&c->asking.ring), address, user };
	struct lookup_question  *q;
	struct buf               frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_recipient_add(&frame, &m);
	q = ask(c, m.q, &frame, MSG_RECIPIENT, context);
	if (q)
		q->answer.recipient = answer;
	return q;
}

struct lookup_question *
lookup_sender(struct lookup_client *c, struct bytes user, struct bytes address,
    lookup_sender_answer *answer, void *context)
{
	struct msg_ask_sender   m = { question_number(&c->asking.ring), user, address };
	struct lookup_question *q;
	struct buf              frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_sender_add(&frame, &m);
	q = ask(c, m.q, &frame, MSG_SENDER, context);
	if (q)
		q->answer.sender = answer;
	return q;
}

struct lookup_question *
lookup_account(struct lookup_client *c, uint32_t uid,
    lookup_account_answer *answer, void *context)
{
	struct msg_ask_account  m = { question_number(&c->asking.ring), uid };
	struct lookup_question *q;
	struct buf              frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_account_add(&frame, &m);
	q = ask(c, m.q, &frame, MSG_ACCOUNT, context);
	if (q)
		q->answer.account = answer;
	return q;
}

struct lookup_question *
lookup_route(struct lookup_client *c, struct bytes address,
    lookup_route_answer *answer, void *context)
{
	struct msg_ask_route    m = { question_number(&c->asking.ring), address };
	struct lookup_question *q;
	struct buf              frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_route_add(&frame, &m);
	q = ask(c, m.q, &frame, MSG_ROUTE, context);
	if (q)
		q->answer.route = answer;
	return q;
}

void
lookup_forget(struct lookup_question *q)
{
	asking_forget(q ? &q->question : NULL);
}
