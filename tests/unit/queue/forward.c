#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/memfile.h"
#include "proto/frame.h"
#include "queue/forward.h"

enum { MAX_BYTES = 100 * 1000, NOW_MS = 1785369104 };

static const char message[] = "Subject: x\n\nbody\n";

/* What an outcome brings; each row changes one thing of a good one. */
struct brought {
	struct msg_outcome m;
	struct buf         targets;
	int                fds[4];
	size_t             n_fds;
};

static const uint8_t random_bits[ID_RANDOM] = { 1, 2, 3 };

static struct brought
good(const struct id *id, const char *const *addresses)
{
	struct brought b = {
		.m = {
			.kind = OUTCOME_DELIVERED,
			.forward_id = id_bytes(id),
			.forward_path = BYTES("joe@here.example"),
			.forward_size = sizeof message - 1,
		},
		.fds = { memfile_of("message", bytes_of(message)), -1, -1, -1 },
		.n_fds = 1,
	};

	buf_init(&b.targets, 32 * 1024 * 1024);
	for (; *addresses; addresses++) {
		frame_add_bytes(&b.targets, bytes_of(*addresses));
		b.m.n++;
	}
	b.m.targets = buf_bytes(&b.targets);
	return b;
}

static void
be_large(struct brought *b)
{
	b->m.is_large = 1;
	b->m.targets = BYTES("");
	b->fds[1] = memfile_of("targets", buf_bytes(&b->targets));
	b->n_fds = 2;
}

/* What nobody took is closed, as the peer does behind the handler. */
static enum forward_result
read_and_finish(struct brought *b, struct forward **f)
{
	enum forward_result result =
	    forward_read(&b->m, b->fds, b->n_fds, MAX_BYTES, f);

	for (size_t i = 0; i < 4; i++)
		if (b->fds[i] != -1)
			close(b->fds[i]);
	return result;
}

static const char *const two[] = { "ann@far.example", "bob@[192.0.2.1]", NULL };

static void
a_good_one(void **state)
{
	struct id          id = id_make(NOW_MS, random_bits);
	struct store_lease from = {
		.body = BODY_8BITMIME, .colour = COLOUR_YELLOW,
	};

	(void)state;
	for (int is_large = 0; is_large < 2; is_large++) {
		struct brought         b = good(&id, two);
		struct forward        *f;
		const struct envelope *e;
		char                   content[64];
		int                    body;

		if (is_large)
			be_large(&b);
		assert_int_equal(read_and_finish(&b, &f), FORWARD_READ);
		memset(b.targets.p, 'x', b.targets.len); /* it was copied */
		buf_finish(&b.targets);
		forward_complete(f, &from, NOW_MS);
		e = f->put.envelope;
		assert_true(id_equal(&e->id, &id));
		assert_int_equal(e->arrival_ms, NOW_MS);
		assert_int_equal(f->put.due_ms, NOW_MS);
		assert_true(bytes_equal(e->reverse_path, BYTES("joe@here.example")));
		assert_true(bytes_equal(e->listener, BYTES("forward")));
		assert_int_equal(e->n_recipients, 2);
		for (size_t i = 0; i < 2; i++) {
			const struct envelope_recipient *r = &e->recipients[i];

			assert_true(bytes_equal(r->address, bytes_of(two[i])));
			assert_true(bytes_equal(r->original, bytes_of(two[i])));
			assert_int_equal(r->notify, NOTIFY_UNSET);
		}
		assert_int_equal(e->size_bytes, sizeof message - 1);
		assert_int_equal(e->body, BODY_8BITMIME);
		assert_int_equal(e->verdict.colour, COLOUR_YELLOW);
		assert_false(e->smtputf8);
		body = f->put.body;
		assert_int_equal(pread(body, content, sizeof content, 0),
		    sizeof message - 1);
		forward_free(f);
		assert_int_equal(fcntl(body, F_GETFD), -1);
	}
}

/* Who sent it hears of the forward only what he asked to hear of his own recipient. */
static void
a_sender_is_told_what_he_asked_for(void **state)
{
	static const struct {
		const char *path; /* of the forward */
		uint8_t     asked, goes_on;
	} rows[] = {
		{ "ann@far.example", NOTIFY_UNSET, NOTIFY_UNSET },
		{ "ann@far.example", NOTIFY_NEVER, NOTIFY_NEVER },
		{ "ann@far.example", NOTIFY_SUCCESS, NOTIFY_NEVER },
		{ "ann@far.example", NOTIFY_SUCCESS | NOTIFY_FAILURE,
		    NOTIFY_FAILURE },
		{ "ann@far.example", NOTIFY_FAILURE | NOTIFY_DELAY,
		    NOTIFY_FAILURE | NOTIFY_DELAY },
		/* a list's owner is somebody else */
		{ "list-owner@here.example", NOTIFY_NEVER, NOTIFY_UNSET },
	};
	struct id id = id_make(NOW_MS, random_bits);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct store_lease from = {
			.reverse_path = BYTES("ann@far.example"),
			.notify = rows[i].asked,
			.ret = RET_HDRS,
		};
		struct brought  b = good(&id, two);
		struct forward *f;
		bool            is_his;

		b.m.forward_path = bytes_of(rows[i].path);
		is_his = bytes_equal(b.m.forward_path, from.reverse_path);
		assert_int_equal(read_and_finish(&b, &f), FORWARD_READ);
		forward_complete(f, &from, NOW_MS);
		for (size_t at = 0; at < 2; at++)
			assert_int_equal(f->envelope.recipients[at].notify,
			    rows[i].goes_on);
		assert_int_equal(
		    f->envelope.ret, is_his ? RET_HDRS : RET_UNSET);
		forward_free(f);
		buf_finish(&b.targets);
	}
}

static void
most_outcomes_have_none(void **state)
{
	struct msg_outcome m = { .kind = OUTCOME_FAILED };
	struct forward    *f;
	int                fds[4] = { -1, -1, -1, -1 };

	(void)state;
	assert_int_equal(forward_read(&m, fds, 0, MAX_BYTES, &f), FORWARD_NONE);
	assert_null(f);
	/* nothing comes with it, then */
	assert_int_equal(
	    forward_read(&m, fds, 1, MAX_BYTES, &f), FORWARD_MALFORMED);
}

static void
addresses_are_looked_at(void **state)
{
	static const struct {
		const char         *address;
		enum forward_result result;
	} rows[] = {
		{ "ann@far.example", FORWARD_READ },
		{ "\"a b\"@far.example", FORWARD_READ },
		{ "j\303\266@far.example", FORWARD_READ },
		{ "Ann@far.example", FORWARD_MALFORMED },
		{ "ann@Far.example", FORWARD_MALFORMED },
		{ "ann@far.example.", FORWARD_MALFORMED },
		{ "\"ann\"@far.example", FORWARD_MALFORMED },
		{ "ann", FORWARD_MALFORMED },
		{ "", FORWARD_MALFORMED },
		{ "ann@far.example>", FORWARD_MALFORMED },
		{ "ann@far.example\r\nRCPT TO:<x@y.example", FORWARD_MALFORMED },
		{ "|program", FORWARD_MALFORMED },
	};
	struct id id = id_make(NOW_MS, random_bits);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *const list[] = { "x@y.example", rows[i].address, NULL };
		struct brought    b = good(&id, list);
		struct forward   *f;

		assert_int_equal(read_and_finish(&b, &f), rows[i].result);
		assert_true((f != NULL) == (rows[i].result == FORWARD_READ));
		if (f)
			assert_int_equal(f->envelope.smtputf8,
			    strchr(rows[i].address, '\303') != NULL);
		forward_free(f);
		buf_finish(&b.targets);
	}
}

static void
reverse_paths_are_looked_at(void **state)
{
	static const struct {
		const char         *path;
		enum forward_result result;
	} rows[] = {
		{ "", FORWARD_READ },
		{ "Joe@here.example", FORWARD_READ },
		{ "list-@here.example-@[]", FORWARD_READ },
		{ "here.example-@[]", FORWARD_MALFORMED },
		{ "#@[]", FORWARD_MALFORMED },
		{ "joe", FORWARD_MALFORMED },
		{ "joe@here.example> SIZE=1", FORWARD_MALFORMED },
	};
	struct id id = id_make(NOW_MS, random_bits);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct brought  b = good(&id, two);
		struct forward *f;

		b.m.forward_path = bytes_of(rows[i].path);
		assert_int_equal(read_and_finish(&b, &f), rows[i].result);
		if (f)
			assert_true(bytes_equal(f->envelope.reverse_path,
			    bytes_of(rows[i].path)));
		forward_free(f);
		buf_finish(&b.targets);
	}
}

/* --- what a hostile process sends --- */

static void
another_size(struct brought *b)
{
	b->m.forward_size++;
}

static void
not_delivered(struct brought *b)
{
	b->m.kind = OUTCOME_DEFERRED;
}

static void
a_short_id(struct brought *b)
{
	b->m.forward_id.n--;
}

static void
nobody(struct brought *b)
{
	b->m.n = 0;
	b->m.targets.n = 0;
}

static void
more_than_there_are(struct brought *b)
{
	b->m.n++;
}

static void
less_than_there_are(struct brought *b)
{
	b->m.n--;
}

static void
too_many(struct brought *b)
{
	for (; b->m.n <= FORWARD_TARGETS_MAX; b->m.n++)
		frame_add_bytes(&b->targets, BYTES("ann@far.example"));
	be_large(b);
}

static void
no_list(struct brought *b)
{
	be_large(b);
	b->n_fds = 1;
}

static void
a_second_file_of_nothing(struct brought *b)
{
	b->fds[1] = dup(b->fds[0]);
	b->n_fds = 2;
}

static void
a_file_that_changes(struct brought *b)
{
	close(b->fds[0]);
	b->fds[0] = memfile_new("message");
	memfile_write(b->fds[0], bytes_of(message));
}

static void
a_list_that_changes(struct brought *b)
{
	be_large(b);
	close(b->fds[1]);
	b->fds[1] = memfile_new("targets");
	memfile_write(b->fds[1], buf_bytes(&b->targets));
}

static void
a_pipe(struct brought *b)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(b->fds[0]);
	close(ends[1]);
	b->fds[0] = ends[0];
}

static void
what_is_malformed(void **state)
{
	static void (*const changes[])(struct brought *) = {
		another_size, not_delivered, a_short_id, nobody,
		more_than_there_are, less_than_there_are, too_many, no_list,
		a_second_file_of_nothing, a_file_that_changes,
		a_list_that_changes, a_pipe,
	};
	struct id id = id_make(NOW_MS, random_bits);

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct brought  b = good(&id, two);
		struct forward *f;

		changes[i](&b);
		if (read_and_finish(&b, &f) != FORWARD_MALFORMED)
			fail_msg("row %zu was taken", i);
		assert_null(f);
		buf_finish(&b.targets);
	}
}

/* It is deferred, and bounces in the end. Trace fields beyond the limit are no harm. */
static void
what_is_too_large(void **state)
{
	static const struct {
		size_t              beyond;
		enum forward_result result;
	} rows[] = {
		{ 0, FORWARD_READ },
		{ 64 * 1024, FORWARD_READ },
		{ 64 * 1024 + 1, FORWARD_UNUSABLE },
	};
	struct id id = id_make(NOW_MS, random_bits);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct brought  b = good(&id, two);
		struct forward *f;

		close(b.fds[0]);
		b.fds[0] = memfile_new("message");
		b.m.forward_size = MAX_BYTES + rows[i].beyond;
		assert_int_equal(
		    ftruncate(b.fds[0], (off_t)b.m.forward_size), 0);
		assert_int_equal(memfile_seal(b.fds[0]), 0);
		assert_int_equal(read_and_finish(&b, &f), rows[i].result);
		forward_free(f);
		buf_finish(&b.targets);
	}
}

static void
as_many_as_may_be(void **state)
{
	static const char *const none[] = { NULL };
	struct id                id = id_make(NOW_MS, random_bits);
	struct brought           b = good(&id, none);
	struct forward          *f;

	(void)state;
	for (; b.m.n < FORWARD_TARGETS_MAX; b.m.n++) {
		char address[64];

		snprintf(address, sizeof address, "joe%u@far.example", b.m.n);
		frame_add_bytes(&b.targets, bytes_of(address));
	}
	be_large(&b);
	assert_int_equal(read_and_finish(&b, &f), FORWARD_READ);
	assert_int_equal(f->envelope.n_recipients, FORWARD_TARGETS_MAX);
	assert_true(bytes_equal(
	    f->envelope.recipients[FORWARD_TARGETS_MAX - 1].address,
	    BYTES("joe19999@far.example")));
	forward_free(f);
	buf_finish(&b.targets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(a_sender_is_told_what_he_asked_for),
		cmocka_unit_test(most_outcomes_have_none),
		cmocka_unit_test(addresses_are_looked_at),
		cmocka_unit_test(reverse_paths_are_looked_at),
		cmocka_unit_test(what_is_malformed),
		cmocka_unit_test(what_is_too_large),
		cmocka_unit_test(as_many_as_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
