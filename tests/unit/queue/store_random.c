/*
 * Ten thousand random ops on a store and on a model of it that is as simple as it
 * can be, an array of recipients; the store is closed and opened at random. After
 * each transaction both must say the same.
 */
#include "fixture.h"

enum {
	OPS = 10000,
	MESSAGES = 400, /* ids that are used, again and again */
	RECIPIENTS = 16, /* of one message, expanded ones included */
	ADDRESSES = 24,
	DOMAINS = 4, /* 0 and 1 have limits of their own */
	BATCH = 6,
};

enum state { GONE, QUEUED, LEASED, HELD };

struct recipient {
	enum state state;
	unsigned   address;
	uint64_t   due_ms;
	uint32_t   attempts;
	bool       repeated;
	bool       is_expanded;
	uint64_t   token;
};

struct message {
	bool             is_there;
	bool             had[ADDRESSES]; /* addresses, ever */
	struct recipient recipients[RECIPIENTS];
	size_t           n;
	size_t           size;
	unsigned         seed; /* of the body */
	bool             is_reused; /* its body is another's */
	unsigned         batch;     /* the last one with an op on it */
	struct mail      mail;
};

struct model {
	struct fixture *f;
	struct message  messages[MESSAGES];
	char            addresses[ADDRESSES][40];
	uint64_t        now_ms;
	uint32_t        random;
	unsigned        seeds;
	unsigned        batch;
	/* A full window of blocked recipients lets younger ones pass. */
	bool            is_loose;
};

/* The same sequence on every machine. */
static uint32_t
below(struct model *m, uint32_t n)
{
	m->random = m->random * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)m->random * n >> 32);
}

static struct id
id_of(const struct model *m, const struct message *message)
{
	return id_number((unsigned)(message - m->messages));
}

static uint64_t
random_due(struct model *m)
{
	return m->now_ms - 5000 + below(m, 10000);
}

/* ---- a transaction: ops, and what each must answer and does to the model ---- */

struct batch {
	struct store_op          ops[BATCH];
	struct store_op         *list[BATCH];
	enum store_result        wanted[BATCH];
	struct recipient        *extended[BATCH];
	struct envelope_recipient expanded[BATCH][RECIPIENTS];
	struct store_put         caused[BATCH];
	size_t                   n;
};

static struct store_op *
add(struct batch *b, enum store_op_kind kind, enum store_result wanted)
{
	struct store_op *op = &b->ops[b->n];

	*op = (struct store_op){ .kind = kind };
	b->list[b->n] = op;
	b->extended[b->n] = NULL;
	b->wanted[b->n++] = wanted;
	return op;
}

static void
end_if_done(struct message *message)
{
	for (size_t i = 0; i < message->n; i++)
		if (message->recipients[i].state != GONE)
			return;
	message->is_there = false;
}

static void
add_recipient(struct message *message, unsigned address, uint64_t due_ms,
    bool is_expanded)
{
	struct recipient *r = &message->recipients[message->n++];
	const bool        twice = message->had[address];

	*r = (struct recipient){ .state = twice ? GONE : QUEUED,
		.address = address,
		.due_ms = due_ms,
		.is_expanded = is_expanded };
	message->had[address] = true;
}

/* A new message in a free place; NULL: there is none. */
static struct message *
new_message(struct model *m)
{
	struct message *message = &m->messages[below(m, MESSAGES)];
	const char     *to[4] = { NULL };
	unsigned        numbers[3];
	size_t          n = 1 + below(m, 3);

	/* an op that waits may still point at what was there */
	if (message->is_there || message->batch == m->batch)
		return NULL;
	mail_finish(&message->mail);
	*message = (struct message){ .is_there = true,
		.batch = m->batch,
		.seed = ++m->seeds };
	message->size = below(m, 40) == 0 ? STORE_INLINE_BODY + below(m, 999) :
	                                    below(m, 6000);
	for (size_t i = 0; i < n; i++) {
		numbers[i] = below(m, ADDRESSES);
		to[i] = m->addresses[numbers[i]];
	}
	mail_init(&message->mail, message->seed, message->size, to);
	message->mail.envelope.id = id_of(m, message);
	message->mail.put.due_ms = random_due(m);
	for (size_t i = 0; i < n; i++)
		add_recipient(
		    message, numbers[i], message->mail.put.due_ms, false);
	return message;
}

static void
do_put(struct model *m, struct batch *b)
{
	struct message *message = new_message(m);

	if (message)
		add(b, STORE_PUT, STORE_DONE)->put = message->mail.put;
}

static struct message *
any_message(struct model *m)
{
	struct message *message = &m->messages[below(m, MESSAGES)];

	for (size_t i = 0; i < MESSAGES; i++, message++) {
		if (message == &m->messages[MESSAGES])
			message = m->messages;
		if (message->is_there) {
			message->batch = m->batch;
			return message;
		}
	}
	return NULL;
}

static void
do_put_again(struct model *m, struct batch *b)
{
	struct message  *message = any_message(m);
	struct store_op *op;

	if (message == NULL || message->is_reused)
		return;
	op = add(b, STORE_PUT, below(m, 2) ? STORE_DONE : STORE_REFUSED);
	op->put = message->mail.put;
	if (b->wanted[b->n - 1] == STORE_REFUSED) {
		static struct envelope other[BATCH];

		other[b->n - 1] = message->mail.envelope;
		other[b->n - 1].arrival_ms++;
		op->put.envelope = &other[b->n - 1];
	}
}

static struct recipient *
any_recipient(struct model *m, enum state state, struct message **message)
{
	for (int tries = 0; tries < 20; tries++) {
		*message = any_message(m);
		if (*message == NULL)
			return NULL;
		for (size_t i = 0; i < (*message)->n; i++)
			if ((*message)->recipients[i].state == state &&
			    (state != LEASED || (*message)->recipients[i].token))
				return &(*message)->recipients[i];
	}
	return NULL;
}

static void
expand(struct model *m, struct batch *b, struct store_op *op,
    struct message *message, struct recipient *r)
{
	struct envelope_recipient *to = b->expanded[b->n - 1];
	size_t                     n = below(m, 4);
	size_t                     left = RECIPIENTS - message->n;

	op->finish.expanded = to;
	op->finish.n_expanded = n < left ? n : left;
	for (size_t i = 0; i < op->finish.n_expanded; i++) {
		unsigned address = below(m, ADDRESSES);

		to[i] = (struct envelope_recipient){
			.address = bytes_of(m->addresses[address]),
			.original = BYTES("list@example.org"),
		};
		/* only what is new gets a number */
		if (!message->had[address])
			add_recipient(message, address, r->due_ms, true);
	}
	r->state = GONE;
}

/* FINISH failed, with a message that may use the same body. */
static void
cause(struct model *m, struct batch *b, struct store_op *op,
    struct message *message)
{
	struct message *bounce;

	bounce = new_message(m);
	if (bounce == NULL)
		return;
	if (below(m, 2)) {
		bounce->is_reused = true;
		bounce->size = message->size;
		bounce->seed = message->seed;
		bounce->mail.envelope.size_bytes = message->size;
		bounce->mail.put.reuse_body = &message->mail.envelope.id;
	}
	b->caused[b->n - 1] = bounce->mail.put;
	op->finish.caused = &b->caused[b->n - 1];
	op->finish.n_caused = 1;
}

static void
do_finish(struct model *m, struct batch *b)
{
	struct message   *message;
	struct recipient *r = any_recipient(m, LEASED, &message);
	struct store_op  *op;

	if (r == NULL)
		return;
	op = add(b, STORE_FINISH, STORE_DONE);
	op->finish.token = r->token;
	op->finish.outcome.kind = (enum outcome_kind)below(m, 4);
	switch (op->finish.outcome.kind) {
	case OUTCOME_DEFERRED:
		op->finish.due_ms = r->due_ms = random_due(m);
		r->attempts++;
		r->repeated = false;
		r->state = QUEUED;
		break;
	case OUTCOME_FAILED:
		op->finish.hold = below(m, 2);
		r->state = op->finish.hold ? HELD : GONE;
		r->repeated = false;
		if (!op->finish.hold)
			cause(m, b, op, message);
		break;
	case OUTCOME_EXPANDED:
		expand(m, b, op, message, r);
		break;
	case OUTCOME_DELIVERED:
		r->state = GONE;
		break;
	}
	r->token = 0;
	end_if_done(message);
}

static void
do_stale(struct model *m, struct batch *b)
{
	if (below(m, 2))
		add(b, STORE_FINISH, STORE_STALE)->finish.token =
		    below(m, 1000000);
	else
		add(b, STORE_RELEASE, STORE_STALE)->token = below(m, 1000000);
}

static void
do_release(struct model *m, struct batch *b)
{
	struct message   *message;
	struct recipient *r = any_recipient(m, LEASED, &message);
	struct store_op  *op;

	if (r == NULL)
		return;
	op = add(b, STORE_RELEASE, STORE_DONE);
	op->token = r->token;
	op->attempted = below(m, 2);
	r->repeated |= op->attempted;
	r->state = QUEUED;
	r->token = 0;
}

static void
do_extend(struct model *m, struct batch *b)
{
	struct message   *message;
	struct recipient *r = any_recipient(
	    m, below(m, 3) ? QUEUED : LEASED, &message);
	struct store_op  *op;

	if (r == NULL)
		return;
	op = add(b, STORE_EXTEND,
	    r->state == QUEUED ? STORE_DONE : STORE_STALE);
	op->id = id_of(m, message);
	op->recipient = (uint32_t)(r - message->recipients);
	if (r->state == QUEUED)
		b->extended[b->n - 1] = r;
	r->state = LEASED;
}

static void
do_admin(struct model *m, struct batch *b)
{
	static const enum store_op_kind kinds[] = { STORE_HOLD, STORE_KICK,
		STORE_REMOVE };
	struct message    *message = any_message(m);
	const enum store_op_kind kind = kinds[below(m, 3)];
	struct store_op   *op;
	size_t             first = 0, last = RECIPIENTS;

	if (message == NULL)
		return;
	op = add(b, kind, STORE_STALE);
	op->id = id_of(m, message);
	op->now_ms = m->now_ms;
	op->recipient = STORE_ALL;
	if (below(m, 2)) {
		first = below(m, (uint32_t)message->n);
		last = first + 1;
		op->recipient = (uint32_t)first;
	}
	for (size_t i = first; i < last && i < message->n; i++) {
		struct recipient *r = &message->recipients[i];

		if (r->state != QUEUED && r->state != HELD)
			continue;
		b->wanted[b->n - 1] = STORE_DONE;
		r->state = kind == STORE_HOLD ? HELD :
		    kind == STORE_KICK        ? QUEUED :
		                                GONE;
		if (kind == STORE_KICK)
			r->due_ms = m->now_ms;
	}
	end_if_done(message);
}

/* Rarely, for all that are queued move. */
static void
do_kick_all(struct model *m, struct batch *b)
{
	struct store_op *op;

	if (below(m, 8) > 0)
		return;
	op = add(b, STORE_KICK_ALL, STORE_STALE);
	op->now_ms = m->now_ms;
	for (size_t i = 0; i < MESSAGES; i++)
		for (size_t k = 0; k < m->messages[i].n; k++) {
			struct recipient *r = &m->messages[i].recipients[k];

			if (!m->messages[i].is_there || r->state != QUEUED)
				continue;
			b->wanted[b->n - 1] = STORE_DONE;
			r->due_ms = m->now_ms;
		}
}

static void
do_batch(struct model *m)
{
	typedef void action(struct model *, struct batch *);
	static action *const actions[] = { do_put, do_put, do_put, do_put, do_put,
		do_put_again, do_finish, do_finish, do_finish, do_finish,
		do_stale, do_release, do_extend, do_admin, do_kick_all };
	struct batch b = { .n = 0 };
	uint32_t     n = 1 + below(m, BATCH);

	m->batch++;
	while (b.n < n)
		actions[below(m, sizeof actions / sizeof *actions)](m, &b);
	store_commit(m->f->s, b.list, b.n);
	for (size_t i = 0; i < b.n; i++) {
		if (b.ops[i].result != b.wanted[i])
			fail_msg("op %zu of kind %d: %d, not %d", i,
			    b.ops[i].kind, b.ops[i].result, b.wanted[i]);
		if (b.extended[i])
			b.extended[i]->token = b.ops[i].extended;
	}
}

/* ---- leases ---- */

static const char *const domains[DOMAINS] = { "slow.example", "slower.example",
	"fast.example", "faster.example" };

static size_t
domain_of(const struct recipient *r)
{
	return r->address % DOMAINS;
}

static struct recipient *
find(struct model *m, const struct store_lease *l, struct message **message)
{
	struct id id = l->id;

	for (*message = m->messages; *message < &m->messages[MESSAGES];
	     ++*message) {
		struct id here = id_of(m, *message);

		if (id_equal(&here, &id)) {
			assert_true(l->recipient < (*message)->n);
			return &(*message)->recipients[l->recipient];
		}
	}
	fail_msg("a lease of no message");
	return NULL;
}

/* How many are due, by domain; and none that could go was due before that. */
static size_t
count_due(struct model *m, size_t counts[DOMAINS])
{
	size_t all = 0;

	for (size_t i = 0; i < DOMAINS; i++)
		counts[i] = 0;
	for (size_t i = 0; i < MESSAGES; i++)
		for (size_t k = 0; k < m->messages[i].n; k++) {
			struct recipient *r = &m->messages[i].recipients[k];

			if (m->messages[i].is_there && r->state == QUEUED &&
			    r->due_ms <= m->now_ms) {
				counts[domain_of(r)]++;
				all++;
			}
		}
	return all;
}

static uint64_t
oldest_due(struct model *m, const size_t left[DOMAINS])
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < MESSAGES; i++)
		for (size_t k = 0; k < m->messages[i].n; k++) {
			struct recipient *r = &m->messages[i].recipients[k];

			if (m->messages[i].is_there && r->state == QUEUED &&
			    left[domain_of(r)] > 0 && r->due_ms < oldest)
				oldest = r->due_ms;
		}
	return oldest;
}

static void
check_lease(
    struct model *m, const struct store_lease *l, size_t left[DOMAINS])
{
	struct message   *message;
	struct recipient *r = find(m, l, &message);
	struct id         id = l->id;

	assert_true(message->is_there);
	assert_int_equal(r->state, QUEUED);
	if (!m->is_loose)
		assert_int_equal(r->due_ms, oldest_due(m, left));
	assert_bytes(l->address, m->addresses[r->address]);
	assert_int_equal(l->attempts, r->attempts);
	assert_int_equal(l->repeated, r->repeated);
	assert_int_equal(l->is_expanded, r->is_expanded);
	assert_int_equal(l->size_bytes, message->size);
	if (below(m, 4) == 0)
		assert_body(m->f->s, &id, message->size, message->seed);
	assert_true(left[domain_of(r)] > 0);
	left[domain_of(r)]--;
	r->state = LEASED;
	r->token = l->token;
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
do_lease(struct model *m)
{
	struct store_lease l[40];
	size_t             counts[DOMAINS], left[DOMAINS], n, expected = 0;
	struct store_limit limits[2] = { { bytes_of(domains[0]), below(m, 8) },
		{ bytes_of(domains[1]), below(m, 4) } };
	struct store_want  want = { .now_ms = m->now_ms,
		 .limits = limits,
		 .n_limits = 2,
		 .others = below(m, 30) };
	const size_t       max = below(m, 40);

	m->is_loose = false;
	count_due(m, counts);
	for (size_t i = 0; i < DOMAINS; i++) {
		left[i] = i < 2 ? limits[i].left : want.others;
		expected += smaller(counts[i], left[i]);
#ifdef WINDOW_MAX
		m->is_loose |= left[i] < counts[i];
#endif
	}
	expected = smaller(max, expected);
	arena_reset(&m->f->arena);
	n = store_lease(m->f->s, &want, &m->f->arena, l, max);
	assert_int_equal(n, expected);
	for (size_t i = 0; i < n; i++)
		check_lease(m, &l[i], left);
}

/* ---- the whole ---- */

static void
do_reopen(struct model *m)
{
	fixture_reopen(m->f);
	for (size_t i = 0; i < MESSAGES; i++)
		for (size_t k = 0; k < m->messages[i].n; k++) {
			struct recipient *r = &m->messages[i].recipients[k];

			if (r->state == LEASED)
				r->state = QUEUED;
			r->repeated = true;
			r->token = 0;
		}
}

static void
check_row(const struct store_row *row, const struct recipient *r)
{
	static const enum store_state states[] = { [QUEUED] = STORE_QUEUED,
		[LEASED] = STORE_LEASED,
		[HELD] = STORE_HELD };

	assert_int_equal(row->state, states[r->state]);
	assert_int_equal(row->due_ms, r->due_ms);
	assert_int_equal(row->attempts, r->attempts);
}

/* Every row, every figure, a few bodies. */
static void
check_all(struct model *m)
{
	enum { MAX = MESSAGES * RECIPIENTS };
	static struct store_row rows[MAX];
	uint64_t counts[4] = { 0 }, messages = 0, next = UINT64_MAX;
	size_t   n, at = 0;

	arena_reset(&m->f->arena);
	n = store_list(m->f->s, NULL, &m->f->arena, rows, MAX);
	for (size_t i = 0; i < MESSAGES; i++) {
		struct message *message = &m->messages[i];
		struct id       id = id_of(m, message);

		if (!message->is_there) {
			assert_false(has_body(m->f->s, &id));
			continue;
		}
		messages++;
		if (below(m, 50) == 0)
			assert_body(
			    m->f->s, &id, message->size, message->seed);
		for (size_t k = 0; k < message->n; k++) {
			struct recipient *r = &message->recipients[k];

			if (r->state == GONE)
				continue;
			assert_true(at < n && id_equal(&rows[at].id, &id));
			assert_int_equal(rows[at].recipient, k);
			check_row(&rows[at++], r);
			counts[r->state]++;
			if (r->state == QUEUED && r->due_ms < next)
				next = r->due_ms;
		}
	}
	assert_int_equal(at, n);
	assert_stats(m->f->s, messages, counts[QUEUED], counts[LEASED],
	    counts[HELD]);
	assert_int_equal(store_next_due(m->f->s), next);
}

static void
store_and_model_agree(void **state)
{
	struct fixture *f = *state;
	struct model   *m = calloc(1, sizeof *m);

	assert_non_null(m);
	*m = (struct model){ .f = f, .now_ms = NOW, .random = 12345 };
	for (size_t i = 0; i < MESSAGES; i++)
		m->messages[i].mail.put.body = -1;
	for (unsigned i = 0; i < ADDRESSES; i++)
		snprintf(m->addresses[i], sizeof m->addresses[i],
		    "user%u@%s", i, domains[i % DOMAINS]);
	for (unsigned i = 0; i < OPS; i++) {
		m->now_ms += below(m, 300);
		if (below(m, 3) == 0)
			do_lease(m);
		else
			do_batch(m);
		if (below(m, 150) == 0)
			do_reopen(m);
		if (below(m, 20) == 0)
			check_all(m);
	}
	for (size_t i = 0; i < MESSAGES; i++)
		mail_finish(&m->messages[i].mail);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    store_and_model_agree, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
