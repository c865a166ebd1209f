/*
 * A store in a folder of its own, and short words for what tests do with it. Only
 * queue/store.h is used, so that every implementation can be put here.
 */
#ifndef AMPEL_TESTS_QUEUE_FIXTURE_H
#define AMPEL_TESTS_QUEUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/memfile.h"
#include "queue/store.h"

/* The time at which most messages are due. */
#define NOW UINT64_C(1700000000000)

struct fixture {
	char          folder[256];
	struct store *s;
	struct arena  arena;
};

static inline void
fixture_reopen(struct fixture *f)
{
	char error[256] = "";

	store_close(f->s);
	f->s = store_open(f->folder, error, sizeof error);
	if (f->s == NULL)
		fail_msg("store_open: %s", error);
}

/* In memory where that is possible: here nobody pulls the plug. */
static inline const char *
fixture_base(void)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp)
		return tmp;
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	snprintf(f->folder, sizeof f->folder, "%s/ampel-store-XXXXXX",
	    fixture_base());
	assert_non_null(mkdtemp(f->folder));
	arena_init(&f->arena, 64 * 1024 * 1024);
	fixture_reopen(f);
	*state = f;
	return 0;
}

static inline int
fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	arena_finish(&f->arena);
	nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline struct id
id_number(unsigned n)
{
	uint8_t random[ID_RANDOM] = { 0 };

	random[ID_RANDOM - 1] = (uint8_t)n;
	random[ID_RANDOM - 2] = (uint8_t)(n >> 8);
	return id_make(NOW, random);
}

/* A body of that many bytes, different for each seed. */
static inline int
body_new(size_t size, unsigned seed)
{
	char *p = malloc(size + 1);
	int   fd;

	assert_non_null(p);
	for (size_t i = 0; i < size; i++)
		p[i] = (char)('a' + (i / 7 + i + seed) % 26);
	fd = memfile_of("body", (struct bytes){ p, size });
	assert_int_not_equal(fd, -1);
	free(p);
	return fd;
}

static inline void
assert_body(struct store *s, const struct id *id, size_t size, unsigned seed)
{
	int        stored = store_body(s, id), made = body_new(size, seed);
	struct buf a, b;

	assert_int_not_equal(stored, -1);
	buf_init(&a, size + 4096);
	buf_init(&b, size + 4096);
	assert_int_equal(memfile_read(stored, 0, &a), 0);
	assert_int_equal(memfile_read(made, 0, &b), 0);
	assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	buf_finish(&a);
	buf_finish(&b);
	close(stored);
	close(made);
}

static inline bool
has_body(struct store *s, const struct id *id)
{
	int fd = store_body(s, id);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

static inline void
assert_bytes(struct bytes is, const char *wanted)
{
	assert_int_equal(is.n, strlen(wanted));
	assert_memory_equal(is.p, wanted, is.n);
}

/* One op in a transaction of its own. */
static inline enum store_result
commit_one(struct store *s, struct store_op op)
{
	struct store_op *list[] = { &op };

	store_commit(s, list, 1);
	return op.result;
}

enum { MAIL_RECIPIENTS_MAX = 8, MAIL_BODY = 300 };

/* A message to be PUT, with all that its op points at. */
struct mail {
	struct envelope           envelope;
	struct envelope_recipient recipients[MAIL_RECIPIENTS_MAX];
	struct store_put          put;
	unsigned                  seed;
};

/* Addresses until NULL. The body's seed is n. */
static inline void
mail_init(struct mail *m, unsigned n, size_t size, const char *const *addresses)
{
	*m = (struct mail){ .seed = n };
	m->envelope = (struct envelope){ .id = id_number(n),
		.arrival_ms = NOW,
		.reverse_path = BYTES("sender@client.example"),
		.helo = BYTES("client.example"),
		.verdict = { .colour = COLOUR_GREEN },
		.size_bytes = size,
		.recipients = m->recipients };
	for (size_t i = 0; addresses[i]; i++) {
		m->recipients[i].address = bytes_of(addresses[i]);
		m->recipients[i].original = bytes_of(addresses[i]);
		m->envelope.n_recipients++;
	}
	m->put = (struct store_put){ .envelope = &m->envelope,
		.body = body_new(size, n),
		.due_ms = NOW };
}

static inline void
mail_finish(struct mail *m)
{
	if (m->put.body != -1)
		close(m->put.body);
	m->put.body = -1;
}

static inline enum store_result
mail_put(struct store *s, struct mail *m)
{
	return commit_one(
	    s, (struct store_op){ .kind = STORE_PUT, .put = m->put });
}

/* Message n with a small body is there, to those addresses (until NULL). */
static inline struct id
given(struct store *s, unsigned n, ...)
{
	const char *addresses[MAIL_RECIPIENTS_MAX + 1] = { NULL };
	struct mail m;
	va_list     list;
	size_t      i = 0;

	va_start(list, n);
	while ((addresses[i] = va_arg(list, const char *)) != NULL)
		assert_true(++i <= MAIL_RECIPIENTS_MAX);
	va_end(list);
	mail_init(&m, n, MAIL_BODY, addresses);
	assert_int_equal(mail_put(s, &m), STORE_DONE);
	mail_finish(&m);
	return m.envelope.id;
}

static inline size_t
lease_at(struct fixture *f, uint64_t now_ms, struct store_lease *out, size_t max)
{
	const struct store_want want = { .now_ms = now_ms, .others = SIZE_MAX };

	return store_lease(f->s, &want, &f->arena, out, max);
}

/* The one lease that must be there now. */
static inline struct store_lease
lease_one(struct fixture *f)
{
	struct store_lease lease = { .token = 0 };

	assert_int_equal(lease_at(f, NOW, &lease, 1), 1);
	assert_true(lease.token != 0);
	return lease;
}

static inline void
assert_nothing_due(struct fixture *f)
{
	struct store_lease lease;

	assert_int_equal(lease_at(f, NOW, &lease, 1), 0);
}

static inline enum store_result
finish_with(struct store *s, struct store_finish finish)
{
	return commit_one(
	    s, (struct store_op){ .kind = STORE_FINISH, .finish = finish });
}

static inline enum store_result
finish_as(struct store *s, uint64_t token, enum outcome_kind kind)
{
	return finish_with(s,
	    (struct store_finish){ .token = token, .outcome = { .kind = kind } });
}

static inline enum store_result
defer_until(struct store *s, uint64_t token, uint64_t due_ms)
{
	return finish_with(s,
	    (struct store_finish){ .token = token,
	        .outcome = { .kind = OUTCOME_DEFERRED,
	            .status = STATUS(4, 2, 2),
	            .text = BYTES("mailbox full") },
	        .due_ms = due_ms });
}

static inline enum store_result
release(struct store *s, uint64_t token, bool attempted)
{
	return commit_one(s,
	    (struct store_op){ .kind = STORE_RELEASE,
	        .token = token,
	        .attempted = attempted });
}

/* HOLD, KICK (due NOW), REMOVE. */
static inline enum store_result
act(struct store *s, enum store_op_kind kind, struct id id, uint32_t recipient)
{
	return commit_one(s,
	    (struct store_op){ .kind = kind,
	        .id = id,
	        .recipient = recipient,
	        .now_ms = NOW });
}

static inline enum store_result
extend(struct store *s, struct id id, uint32_t recipient, uint64_t *token)
{
	struct store_op  op = { .kind = STORE_EXTEND,
		 .id = id,
		 .recipient = recipient };
	struct store_op *list[] = { &op };

	store_commit(s, list, 1);
	*token = op.extended;
	return op.result;
}

static inline void
assert_stats(struct store *s, uint64_t messages, uint64_t queued,
    uint64_t leased, uint64_t held)
{
	struct store_stats stats;

	store_stats(s, &stats);
	assert_int_equal(stats.messages, messages);
	assert_int_equal(stats.queued, queued);
	assert_int_equal(stats.leased, leased);
	assert_int_equal(stats.held, held);
}

#endif
