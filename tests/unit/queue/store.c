/*
 * The conformance test of queue/store.h: every transition of its drawing, every
 * numbered invariant, with a restart in between. What happens in a crash is in
 * tests/faults; long random sequences are in store_random.c.
 */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- PUT and lease ---- */

static void
put_is_leased_with_all_its_fields(void **state)
{
	struct fixture   *f = *state;
	const char *const to[] = { "a@example.org", NULL };
	struct mail       m;
	struct store_lease l;

	mail_init(&m, 1, 5000, to);
	m.recipients[0].original = BYTES("A@Example.ORG");
	m.envelope.verdict.colour = COLOUR_YELLOW;
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	for (int life = 0; life < 2; life++) {
		l = lease_one(f);
		assert_true(id_equal(&l.id, &m.envelope.id));
		assert_int_equal(l.recipient, 0);
		assert_bytes(l.address, "a@example.org");
		assert_bytes(l.original, "A@Example.ORG");
		assert_bytes(l.reverse_path, "sender@client.example");
		assert_int_equal(l.arrival_ms, NOW);
		assert_int_equal(l.size_bytes, 5000);
		assert_int_equal(l.attempts, 0);
		assert_int_equal(l.repeated, life > 0);
		assert_int_equal(l.colour, COLOUR_YELLOW);
		assert_false(l.is_expanded);
		assert_body(f->s, &l.id, 5000, 1);
		fixture_reopen(f);
	}
	mail_finish(&m);
}

/* Out of the window, out of the table, and by EXTEND. */
static void
a_lease_has_what_other_hosts_are_told(void **state)
{
	struct fixture    *f = *state;
	const char *const  to[] = { "a@example.org", "b@example.org", NULL };
	struct mail        m;
	struct store_lease l[2];
	struct store_op    op = { .kind = STORE_EXTEND, .lease = &l[0] };
	struct store_op   *list[] = { &op };

	mail_init(&m, 1, 10, to);
	m.envelope.ret = RET_HDRS;
	m.envelope.envid = BYTES("QQ314159");
	m.envelope.body = BODY_8BITMIME;
	m.envelope.smtputf8 = true;
	m.recipients[0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
	m.recipients[0].orcpt = BYTES("rfc822;first@example.net");
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	for (int life = 0; life < 3; life++) {
		if (life < 2) {
			assert_int_equal(lease_at(f, NOW, l, 2), 2);
		} else {
			op.id = m.envelope.id;
			op.arena = &f->arena;
			store_commit(f->s, list, 1);
			assert_int_equal(op.result, STORE_DONE);
			assert_int_equal(l[0].token, op.extended);
			assert_int_equal(lease_at(f, NOW, &l[1], 1), 1);
		}
		for (int i = 0; i < 2; i++) {
			assert_int_equal(l[i].recipient, i);
			assert_int_equal(l[i].ret, RET_HDRS);
			assert_bytes(l[i].envid, "QQ314159");
			assert_int_equal(l[i].body, BODY_8BITMIME);
			assert_true(l[i].smtputf8);
			assert_false(l[i].is_alone);
			assert_false(l[i].is_warned);
			assert_bytes(l[i].reverse_path, "sender@client.example");
			assert_bytes(l[i].address, to[i]);
		}
		assert_int_equal(l[0].notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
		assert_bytes(l[0].orcpt, "rfc822;first@example.net");
		assert_int_equal(l[1].notify, NOTIFY_UNSET);
		assert_bytes(l[1].orcpt, "");
		fixture_reopen(f);
	}
	mail_finish(&m);
}

/* What does not fit into the arena stays as it was. */
static void
an_extended_lease_needs_room(void **state)
{
	struct fixture    *f = *state;
	struct arena       none;
	struct store_lease l;
	struct store_op    op = { .kind = STORE_EXTEND, .lease = &l,
		   .arena = &none };

	op.id = given(f->s, 1, "a@example.org", NULL);
	arena_init(&none, 1);
	assert_int_equal(commit_one(f->s, op), STORE_UNKNOWN);
	arena_finish(&none);
	assert_true(lease_one(f).is_alone);
}

static void
a_warning_is_remembered(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;
	struct store_finish finish = { .due_ms = NOW };

	given(f->s, 1, "a@example.org", NULL);
	for (int i = 0; i < 4; i++) {
		l = lease_one(f);
		assert_int_equal(l.is_warned, i >= 2);
		finish.token = l.token;
		finish.is_warned = i == 1;
		assert_int_equal(finish_with(f->s, finish), STORE_DONE);
		if (i == 2)
			fixture_reopen(f);
	}
}

static void
the_text_says_who_said_it(void **state)
{
	static const struct {
		struct outcome outcome;
		const char    *text;
	} rows[] = {
		{ { .status = { 4, 2, 2 }, .text = BYTES_INIT("full") },
		    "4.2.2 full" },
		{ { .text = BYTES_INIT("full") }, "full" },
		{ { .status = { 4, 2, 2 },
		      .host = BYTES_INIT("mx.example.net [192.0.2.1]"),
		      .text = BYTES_INIT("452 4.2.2 full"),
		      .is_reply = true },
		    "4.2.2 mx.example.net [192.0.2.1] said: 452 4.2.2 full" },
		{ { .status = { 4, 4, 2 },
		      .host = BYTES_INIT("mx.example.net [192.0.2.1]"),
		      .text = BYTES_INIT("connection lost") },
		    "4.4.2 mx.example.net [192.0.2.1]: connection lost" },
	};
	struct fixture  *f = *state;
	struct store_row row;

	given(f->s, 1, "a@example.org", NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(
		    finish_with(f->s,
		        (struct store_finish){ .token = lease_one(f).token,
		            .outcome = rows[i].outcome,
		            .due_ms = NOW }),
		    STORE_DONE);
		assert_int_equal(
		    store_list(f->s, NULL, &f->arena, &row, 1), 1);
		assert_bytes(row.text, rows[i].text);
	}
}

static void
bodies_of_all_sizes_come_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097,
		STORE_INLINE_BODY - 1, STORE_INLINE_BODY, STORE_INLINE_BODY + 1,
		3 * 1024 * 1024 };
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	const unsigned    n = sizeof sizes / sizeof *sizes;
	struct store_lease l;
	struct mail       m;

	for (unsigned i = 0; i < n; i++) {
		mail_init(&m, i, sizes[i], to);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		assert_body(f->s, &m.envelope.id, sizes[i], i);
		mail_finish(&m);
	}
	fixture_reopen(f);
	for (unsigned i = 0; i < n; i++) {
		l = lease_one(f);
		assert_int_equal(l.size_bytes, sizes[i]);
		assert_body(f->s, &l.id, sizes[i], i);
		finish_as(f->s, l.token, OUTCOME_DELIVERED);
		assert_false(has_body(f->s, &l.id));
	}
	assert_stats(f->s, 0, 0, 0, 0);
}

/* Above, only the offset of the descriptor told where reading ends. */
static void
body_is_read_from_the_start_wherever_the_offset_is(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m;

	mail_init(&m, 1, 1000, to);
	assert_int_equal(lseek(m.put.body, 500, SEEK_SET), 500);
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	fixture_reopen(f);
	assert_body(f->s, &m.envelope.id, 1000, 1);
	mail_finish(&m);
}

static void
a_writable_body_is_copied(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m;
	int               open_file = memfile_new("open");

	mail_init(&m, 1, 1000, to);
	assert_int_equal(memfile_copy(m.put.body, 1000, open_file), 0);
	mail_finish(&m);
	m.put.body = open_file;
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	assert_int_equal(pwrite(open_file, "CHANGED", 7, 0), 7);
	assert_body(f->s, &m.envelope.id, 1000, 1);
	mail_finish(&m);
}

static void
null_reverse_path_stays_null(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m;

	mail_init(&m, 1, 10, to);
	m.envelope.reverse_path = BYTES("");
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	mail_finish(&m);
	assert_int_equal(lease_one(f).reverse_path.n, 0);
	fixture_reopen(f);
	assert_int_equal(lease_one(f).reverse_path.n, 0);
}

/* Invariant 2. */
static void
leased_at_most_once(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[4];

	given(f->s, 1, "a@example.org", "b@example.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	assert_true(l[0].token != l[1].token);
	assert_nothing_due(f);
	assert_int_equal(store_next_due(f->s), UINT64_MAX);
	assert_stats(f->s, 1, 0, 2, 0);
}

static void
oldest_due_is_first(void **state)
{
	static const unsigned dues[] = { 5, 3, 9, 1, 7, 3 };
	const char *const     to[] = { "a@example.org", NULL };
	const unsigned        n = sizeof dues / sizeof *dues;
	struct fixture       *f = *state;
	struct store_lease    l[6];
	struct mail           m;

	for (int life = 0; life < 2; life++) {
		for (unsigned i = 0; i < n && life == 0; i++) {
			mail_init(&m, i, 10, to);
			m.put.due_ms = NOW - dues[i];
			assert_int_equal(mail_put(f->s, &m), STORE_DONE);
			mail_finish(&m);
		}
		assert_int_equal(lease_at(f, NOW - 4, l, 6), 3);
		assert_true(id_equal(&l[0].id, &(struct id[]){ id_number(2) }[0]));
		assert_true(id_equal(&l[1].id, &(struct id[]){ id_number(4) }[0]));
		assert_true(id_equal(&l[2].id, &(struct id[]){ id_number(0) }[0]));
		assert_int_equal(lease_at(f, NOW, l, 6), 3);
		assert_true(id_equal(&l[2].id, &(struct id[]){ id_number(3) }[0]));
		fixture_reopen(f);
	}
}

/* ---- the same id again, and what cannot be ---- */

static void
same_message_again_is_done_and_changes_nothing(void **state)
{
	static const size_t sizes[] = { 300, STORE_INLINE_BODY + 5 };
	const char *const   to[] = { "a@example.org", "b@example.org", NULL };
	struct fixture     *f = *state;
	struct mail         m;

	for (unsigned i = 0; i < 2; i++) {
		mail_init(&m, i, sizes[i], to);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		mail_finish(&m);
		assert_stats(f->s, i + 1, 2 * i + 2, 0, 0);
		assert_body(f->s, &m.envelope.id, sizes[i], i);
	}
}

static void
same_id_with_other_content_is_refused(void **state)
{
	static const size_t sizes[] = { 300, STORE_INLINE_BODY + 5 };
	const char *const   to[] = { "a@example.org", NULL };
	struct fixture     *f = *state;
	struct mail         m;

	for (unsigned i = 0; i < 2; i++) {
		mail_init(&m, i, sizes[i], to);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		close(m.put.body);
		m.put.body = body_new(sizes[i], i + 1);
		assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
		close(m.put.body);
		m.put.body = body_new(sizes[i], i);
		m.envelope.helo = BYTES("other.example");
		assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
		m.envelope.helo = BYTES("client.example");
		m.recipients[0].address = BYTES("c@example.org");
		assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
		mail_finish(&m);
		assert_body(f->s, &m.envelope.id, sizes[i], i);
	}
	assert_stats(f->s, 2, 2, 0, 0);
	fixture_reopen(f);
	assert_body(f->s, &m.envelope.id, sizes[1], 1);
}

static void
impossible_input_is_refused(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	const struct id   unknown = id_number(77);
	struct fixture   *f = *state;
	struct mail       m;
	int               ends[2];

	mail_init(&m, 1, 300, to);
	m.envelope.n_recipients = 0;
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	m.envelope.n_recipients = 1;
	m.envelope.size_bytes = 299; /* not that of the body */
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	m.envelope.size_bytes = 300;
	m.put.due_ms = UINT64_MAX;
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	m.put.due_ms = NOW;
	m.put.reuse_body = &unknown;
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	m.put.reuse_body = NULL;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	mail_finish(&m);
	m.put.body = ends[0];
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	close(ends[0]);
	close(ends[1]);
	m.put.body = -1;
	assert_int_equal(mail_put(f->s, &m), STORE_REFUSED);
	assert_stats(f->s, 0, 0, 0, 0);
	assert_nothing_due(f);
}

/* Invariant 6, within one envelope. */
static void
a_recipient_that_is_named_twice_comes_once(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[4];

	given(f->s, 1, "a@example.org", "b@example.org", "a@example.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	assert_bytes(l[0].address, "a@example.org");
	assert_int_equal(l[0].recipient, 0);
	assert_bytes(l[1].address, "b@example.org");
	assert_int_equal(l[1].recipient, 1);
}

/* ---- FINISH ---- */

/* Invariants 1 and 4. */
static void
a_message_ends_with_its_last_recipient(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[2];
	struct id id = given(f->s, 1, "a@example.org", "b@example.org", NULL);

	assert_int_equal(lease_at(f, NOW, l, 2), 2);
	assert_int_equal(
	    finish_as(f->s, l[0].token, OUTCOME_DELIVERED), STORE_DONE);
	assert_stats(f->s, 1, 0, 1, 0);
	assert_body(f->s, &id, MAIL_BODY, 1);
	fixture_reopen(f);
	assert_int_equal(lease_at(f, NOW, l, 2), 1);
	assert_bytes(l[0].address, "b@example.org");
	assert_int_equal(
	    finish_as(f->s, l[0].token, OUTCOME_FAILED), STORE_DONE);
	assert_stats(f->s, 0, 0, 0, 0);
	assert_false(has_body(f->s, &id));
	fixture_reopen(f);
	assert_stats(f->s, 0, 0, 0, 0);
	assert_false(has_body(f->s, &id));
	assert_nothing_due(f);
}

static void
a_token_is_good_for_one_outcome(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;

	given(f->s, 1, "a@example.org", NULL);
	l = lease_one(f);
	assert_int_equal(
	    finish_as(f->s, l.token + 1, OUTCOME_DELIVERED), STORE_STALE);
	assert_int_equal(finish_as(f->s, 0, OUTCOME_DELIVERED), STORE_STALE);
	assert_int_equal(defer_until(f->s, l.token, NOW), STORE_DONE);
	assert_int_equal(
	    finish_as(f->s, l.token, OUTCOME_DELIVERED), STORE_STALE);
	assert_int_equal(release(f->s, l.token, false), STORE_STALE);
	l = lease_one(f);
	fixture_reopen(f);
	assert_int_equal(
	    finish_as(f->s, l.token, OUTCOME_DELIVERED), STORE_STALE);
	assert_stats(f->s, 1, 1, 0, 0);
}

static void
deferred_waits_until_it_is_due(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;
	struct store_row   row;

	given(f->s, 1, "a@example.org", NULL);
	l = lease_one(f);
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		uint64_t due_ms = NOW + attempt * 1000;

		assert_int_equal(
		    defer_until(f->s, l.token, due_ms), STORE_DONE);
		assert_int_equal(store_next_due(f->s), due_ms);
		assert_int_equal(lease_at(f, due_ms - 1, &l, 1), 0);
		assert_int_equal(
		    store_list(f->s, NULL, &f->arena, &row, 1), 1);
		assert_int_equal(row.attempts, attempt);
		assert_int_equal(row.due_ms, due_ms);
		assert_bytes(row.text, "4.2.2 mailbox full");
		if (attempt == 2)
			fixture_reopen(f);
		assert_int_equal(lease_at(f, due_ms, &l, 1), 1);
		assert_int_equal(l.attempts, attempt);
		assert_int_equal(l.repeated, attempt == 2);
	}
}

static void
failed_may_be_held(void **state)
{
	struct fixture     *f = *state;
	struct store_finish finish = { .hold = true,
		.outcome = { .kind = OUTCOME_FAILED,
		    .status = STATUS(5, 1, 1),
		    .text = BYTES("no such user") } };
	struct store_row    row;
	struct id           id = given(f->s, 1, "a@example.org", NULL);

	finish.token = lease_one(f).token;
	assert_int_equal(finish_with(f->s, finish), STORE_DONE);
	for (int life = 0; life < 2; life++) {
		assert_stats(f->s, 1, 0, 0, 1);
		assert_nothing_due(f);
		assert_int_equal(store_next_due(f->s), UINT64_MAX);
		assert_int_equal(
		    store_list(f->s, NULL, &f->arena, &row, 1), 1);
		assert_int_equal(row.state, STORE_HELD);
		assert_bytes(row.text, "5.1.1 no such user");
		assert_body(f->s, &id, MAIL_BODY, 1);
		fixture_reopen(f);
	}
	assert_int_equal(act(f->s, STORE_KICK, id, STORE_ALL), STORE_DONE);
	assert_int_equal(
	    finish_as(f->s, lease_one(f).token, OUTCOME_DELIVERED),
	    STORE_DONE);
	assert_stats(f->s, 0, 0, 0, 0);
}

/* ---- RELEASE, EXTEND ---- */

static void
released_is_queued_again(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;

	given(f->s, 1, "a@example.org", NULL);
	l = lease_one(f);
	assert_int_equal(release(f->s, l.token, false), STORE_DONE);
	assert_int_equal(store_next_due(f->s), NOW);
	l = lease_one(f);
	assert_false(l.repeated);
	assert_int_equal(release(f->s, l.token, true), STORE_DONE);
	l = lease_one(f);
	assert_true(l.repeated);
	/* that stays true until an outcome is known */
	assert_int_equal(release(f->s, l.token, false), STORE_DONE);
	l = lease_one(f);
	assert_true(l.repeated);
	assert_int_equal(l.attempts, 0);
	assert_int_equal(defer_until(f->s, l.token, NOW), STORE_DONE);
	assert_false(lease_one(f).repeated);
}

static void
extended_is_leased_with_a_new_token(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[2];
	struct id  id = given(f->s, 1, "a@example.org", "b@example.org", NULL);
	uint64_t   token;

	assert_int_equal(lease_at(f, NOW, l, 2), 2);
	fixture_reopen(f);
	assert_int_equal(extend(f->s, id, 0, &token), STORE_DONE);
	assert_true(token != l[0].token && token != 0);
	assert_stats(f->s, 1, 1, 1, 0);
	assert_int_equal(lease_at(f, NOW, l, 2), 1);
	assert_int_equal(l[0].recipient, 1);
	assert_int_equal(
	    finish_as(f->s, token, OUTCOME_DELIVERED), STORE_DONE);
	assert_stats(f->s, 1, 0, 1, 0);
}

static void
what_is_leased_held_or_gone_cannot_be_extended(void **state)
{
	struct fixture *f = *state;
	struct id       id = given(f->s, 1, "a@example.org", "b@x.org", NULL);
	uint64_t        token, other;

	assert_int_equal(extend(f->s, id_number(9), 0, &token), STORE_STALE);
	assert_int_equal(extend(f->s, id, 2, &token), STORE_STALE);
	assert_int_equal(act(f->s, STORE_HOLD, id, 1), STORE_DONE);
	assert_int_equal(extend(f->s, id, 1, &token), STORE_STALE);
	assert_int_equal(extend(f->s, id, 0, &token), STORE_DONE);
	assert_int_equal(extend(f->s, id, 0, &other), STORE_STALE);
	assert_int_equal(
	    finish_as(f->s, token, OUTCOME_DELIVERED), STORE_DONE);
	assert_int_equal(extend(f->s, id, 0, &token), STORE_STALE);
	assert_stats(f->s, 1, 0, 0, 1);
}

/* ---- the administrator ---- */

static void
hold_kick_remove_all_or_one(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[4];
	struct id id = given(f->s, 1, "a@x.org", "b@x.org", "c@x.org", NULL);

	assert_int_equal(act(f->s, STORE_HOLD, id, 1), STORE_DONE);
	assert_stats(f->s, 1, 2, 0, 1);
	assert_int_equal(act(f->s, STORE_HOLD, id, 1), STORE_DONE);
	assert_int_equal(act(f->s, STORE_HOLD, id, STORE_ALL), STORE_DONE);
	assert_stats(f->s, 1, 0, 0, 3);
	assert_nothing_due(f);
	fixture_reopen(f);
	assert_nothing_due(f);
	assert_int_equal(act(f->s, STORE_KICK, id, 2), STORE_DONE);
	assert_stats(f->s, 1, 1, 0, 2);
	assert_int_equal(lease_at(f, NOW, l, 4), 1);
	assert_int_equal(l[0].recipient, 2);
	assert_int_equal(act(f->s, STORE_REMOVE, id, 0), STORE_DONE);
	assert_int_equal(act(f->s, STORE_REMOVE, id, 0), STORE_STALE);
	assert_int_equal(act(f->s, STORE_REMOVE, id, STORE_ALL), STORE_DONE);
	assert_stats(f->s, 1, 0, 1, 0);
	assert_body(f->s, &id, MAIL_BODY, 1);
	finish_as(f->s, l[0].token, OUTCOME_DELIVERED);
	assert_stats(f->s, 0, 0, 0, 0);
	assert_false(has_body(f->s, &id));
}

static void
kicked_is_due_now(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l;
	struct id          id = given(f->s, 1, "a@example.org", NULL);

	l = lease_one(f);
	assert_int_equal(
	    defer_until(f->s, l.token, NOW + 1000000), STORE_DONE);
	assert_nothing_due(f);
	assert_int_equal(act(f->s, STORE_KICK, id, STORE_ALL), STORE_DONE);
	assert_int_equal(store_next_due(f->s), NOW);
	assert_int_equal(lease_one(f).attempts, 1);
}

/* Not what is leased, and not what is held. */
static void
all_that_are_queued_are_kicked(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[8];
	struct store_op    op = { .kind = STORE_KICK_ALL, .now_ms = NOW };
	struct store_op   *list[] = { &op };

	assert_int_equal(commit_one(f->s, op), STORE_STALE);
	given(f->s, 1, "a@x.org", "b@x.org", "c@x.org", "d@x.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 8), 4);
	assert_int_equal(commit_one(f->s, op), STORE_STALE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
		    defer_until(f->s, l[i].token, NOW + 9000), STORE_DONE);
	assert_int_equal(act(f->s, STORE_HOLD, l[2].id, 2), STORE_DONE);
	assert_nothing_due(f);
	store_commit(f->s, list, 1);
	assert_int_equal(op.result, STORE_DONE);
	assert_int_equal(op.kicked, 2);
	assert_int_equal(store_next_due(f->s), NOW);
	assert_stats(f->s, 1, 2, 1, 1);
	assert_int_equal(lease_at(f, NOW, l, 8), 2);
	assert_int_equal(l[0].recipient, 0);
	assert_int_equal(l[1].recipient, 1);
	op.now_ms = UINT64_MAX;
	assert_int_equal(commit_one(f->s, op), STORE_REFUSED);
}

static void
the_administrator_does_not_touch_leases(void **state)
{
	static const enum store_op_kind kinds[] = { STORE_HOLD, STORE_KICK,
		STORE_REMOVE };
	struct fixture    *f = *state;
	struct id          id = given(f->s, 1, "a@example.org", NULL);
	struct store_lease l = lease_one(f);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(act(f->s, kinds[i], id, 0), STORE_STALE);
		assert_int_equal(
		    act(f->s, kinds[i], id, STORE_ALL), STORE_STALE);
		assert_int_equal(
		    act(f->s, kinds[i], id_number(5), STORE_ALL), STORE_STALE);
	}
	assert_stats(f->s, 1, 0, 1, 0);
	assert_int_equal(
	    finish_as(f->s, l.token, OUTCOME_DELIVERED), STORE_DONE);
}

static void
removed_in_whole_takes_its_body(void **state)
{
	const char *const to[] = { "a@example.org", "b@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m;

	mail_init(&m, 1, STORE_INLINE_BODY + 1, to);
	assert_int_equal(mail_put(f->s, &m), STORE_DONE);
	mail_finish(&m);
	assert_int_equal(
	    act(f->s, STORE_REMOVE, m.envelope.id, STORE_ALL), STORE_DONE);
	assert_false(has_body(f->s, &m.envelope.id));
	assert_stats(f->s, 0, 0, 0, 0);
	assert_nothing_due(f);
}

/* ---- expanded ---- */

static enum store_result
expand(struct store *s, uint64_t token, const char *reverse_path, ...)
{
	struct envelope_recipient to[8] = { 0 };
	const char               *address;
	size_t                    n = 0;
	va_list                   list;

	va_start(list, reverse_path);
	while ((address = va_arg(list, const char *)) != NULL)
		to[n++] = (struct envelope_recipient){
			.address = bytes_of(address),
			.original = BYTES("list@example.org"),
		};
	va_end(list);
	return finish_with(s,
	    (struct store_finish){ .token = token,
	        .outcome = { .kind = OUTCOME_EXPANDED },
	        .expanded = to,
	        .n_expanded = n,
	        .reverse_path = bytes_of(reverse_path) });
}

static void
expanded_becomes_others_on_the_same_body(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[4];
	struct id          id = given(f->s, 1, "list@example.org", NULL);

	l[0] = lease_one(f);
	assert_int_equal(expand(f->s, l[0].token, "owner@example.org",
	                     "a@example.org", "b@x.org", NULL),
	    STORE_DONE);
	for (int life = 0; life < 2; life++) {
		assert_stats(f->s, 1, 2, 0, 0);
		assert_int_equal(lease_at(f, NOW, l, 4), 2);
		assert_bytes(l[0].address, "a@example.org");
		assert_bytes(l[0].original, "list@example.org");
		assert_bytes(l[0].reverse_path, "owner@example.org");
		assert_int_equal(l[0].recipient, 1);
		assert_true(l[0].is_expanded);
		assert_bytes(l[1].address, "b@x.org");
		assert_int_equal(l[1].recipient, 2);
		assert_body(f->s, &id, MAIL_BODY, 1);
		fixture_reopen(f);
	}
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	finish_as(f->s, l[0].token, OUTCOME_DELIVERED);
	assert_body(f->s, &id, MAIL_BODY, 1);
	finish_as(f->s, l[1].token, OUTCOME_DELIVERED);
	assert_false(has_body(f->s, &id));
	assert_stats(f->s, 0, 0, 0, 0);
}

/* Invariant 6: not even one that was DONE long ago. */
static void
expanded_never_brings_an_address_twice(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[4];

	given(f->s, 1, "a@x.org", "list@x.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	finish_as(f->s, l[0].token, OUTCOME_DELIVERED);
	assert_int_equal(expand(f->s, l[1].token, "", "a@x.org", "b@x.org",
	                     "other@x.org", "b@x.org", "list@x.org", NULL),
	    STORE_DONE);
	fixture_reopen(f);
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	assert_bytes(l[0].address, "b@x.org");
	assert_bytes(l[1].address, "other@x.org");
	assert_bytes(l[1].reverse_path, "sender@client.example");
	finish_as(f->s, l[0].token, OUTCOME_DELIVERED);
	assert_int_equal(expand(f->s, l[1].token, "", "a@x.org", "b@x.org",
	                     "list@x.org", "c@x.org", NULL),
	    STORE_DONE);
	assert_int_equal(lease_at(f, NOW, l, 4), 1);
	assert_bytes(l[0].address, "c@x.org");
	/* a loop ends here, and the message with it */
	assert_int_equal(
	    expand(f->s, l[0].token, "", "list@x.org", "c@x.org", NULL),
	    STORE_DONE);
	assert_stats(f->s, 0, 0, 0, 0);
	/* and the same message, sent anew, starts anew */
	given(f->s, 1, "a@x.org", "list@x.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 4), 2);
	assert_int_equal(
	    expand(f->s, l[1].token, "", "b@x.org", NULL), STORE_DONE);
	assert_bytes(lease_one(f).address, "b@x.org");
}

/* ---- caused messages ---- */

/* FINISH failed, and mail is what it causes. */
static enum store_result
fail_causing(struct store *s, uint64_t token, struct mail *mail, size_t n)
{
	struct store_put puts[4];

	for (size_t i = 0; i < n; i++)
		puts[i] = mail[i].put;
	return finish_with(s,
	    (struct store_finish){ .token = token,
	        .outcome = { .kind = OUTCOME_FAILED },
	        .caused = puts,
	        .n_caused = n });
}

static const char *const to_sender[] = { "sender@client.example", NULL };

/* Invariant 3. */
static void
finish_and_what_it_causes_are_one(void **state)
{
	struct fixture    *f = *state;
	struct mail        bounce;
	struct store_lease l;
	struct id          id = given(f->s, 1, "a@example.org", NULL);

	mail_init(&bounce, 2, 700, to_sender);
	bounce.envelope.reverse_path = BYTES("");
	l = lease_one(f);
	assert_int_equal(
	    fail_causing(f->s, l.token, &bounce, 1), STORE_DONE);
	for (int life = 0; life < 2; life++) {
		assert_false(has_body(f->s, &id));
		assert_body(f->s, &bounce.envelope.id, 700, 2);
		assert_stats(f->s, 1, 1, 0, 0);
		l = lease_one(f);
		assert_bytes(l.address, "sender@client.example");
		fixture_reopen(f);
	}
	mail_finish(&bounce);
}

static void
a_refused_bounce_leaves_everything_as_it_was(void **state)
{
	struct fixture    *f = *state;
	struct mail        bounces[2];
	struct store_lease l;
	struct id          id = given(f->s, 1, "a@example.org", NULL);

	l = lease_one(f);
	for (unsigned big = 0; big < 2; big++) {
		mail_init(&bounces[0], 2, big ? STORE_INLINE_BODY * 2 : 100,
		    to_sender);
		mail_init(&bounces[1], 3, 100, to_sender);
		bounces[1].envelope.size_bytes = 5; /* impossible */
		assert_int_equal(
		    fail_causing(f->s, l.token, bounces, 2), STORE_REFUSED);
		assert_false(has_body(f->s, &bounces[0].envelope.id));
		assert_false(has_body(f->s, &bounces[1].envelope.id));
		assert_body(f->s, &id, MAIL_BODY, 1);
		assert_stats(f->s, 1, 0, 1, 0);
		assert_nothing_due(f);
		mail_finish(&bounces[0]);
		mail_finish(&bounces[1]);
	}
	/* two with one id but other content */
	mail_init(&bounces[0], 2, 100, to_sender);
	mail_init(&bounces[1], 2, 101, to_sender);
	assert_int_equal(
	    fail_causing(f->s, l.token, bounces, 2), STORE_REFUSED);
	assert_nothing_due(f);
	/* the lease is still good */
	assert_int_equal(
	    fail_causing(f->s, l.token, bounces, 1), STORE_DONE);
	mail_finish(&bounces[0]);
	mail_finish(&bounces[1]);
	assert_stats(f->s, 1, 1, 0, 0);
}

/* Invariant 4: a body goes with the last message that uses it. */
static void
a_reused_body_lives_with_its_last_user(void **state)
{
	static const size_t sizes[] = { 500, STORE_INLINE_BODY + 77 };
	const char *const   to[] = { "a@example.org", NULL };
	struct fixture     *f = *state;
	struct mail         m, forward;
	struct store_lease  l;

	for (unsigned i = 0; i < 2; i++) {
		mail_init(&m, 10 + i, sizes[i], to);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		mail_init(&forward, 20 + i, 1, to_sender);
		forward.envelope.size_bytes = sizes[i];
		mail_finish(&forward);
		forward.put.reuse_body = &m.envelope.id;
		l = lease_one(f);
		assert_int_equal(
		    fail_causing(f->s, l.token, &forward, 1), STORE_DONE);
		assert_false(has_body(f->s, &m.envelope.id));
		assert_body(f->s, &forward.envelope.id, sizes[i], 10 + i);
		/* once more: it is there, though its source is not */
		assert_int_equal(mail_put(f->s, &forward), STORE_DONE);
		fixture_reopen(f);
		assert_body(f->s, &forward.envelope.id, sizes[i], 10 + i);
		/* the first id again does not disturb it */
		close(m.put.body);
		m.put.body = body_new(sizes[i], 30 + i);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		assert_body(f->s, &forward.envelope.id, sizes[i], 10 + i);
		assert_body(f->s, &m.envelope.id, sizes[i], 30 + i);
		act(f->s, STORE_REMOVE, forward.envelope.id, STORE_ALL);
		assert_false(has_body(f->s, &forward.envelope.id));
		assert_body(f->s, &m.envelope.id, sizes[i], 30 + i);
		act(f->s, STORE_REMOVE, m.envelope.id, STORE_ALL);
		assert_false(has_body(f->s, &m.envelope.id));
		mail_finish(&m);
	}
	assert_stats(f->s, 0, 0, 0, 0);
}

/* ---- several ops in one transaction ---- */

static void
each_op_has_its_own_result(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m[3];
	struct store_op   ops[8];
	struct store_op  *list[8];
	struct store_lease l;
	static const enum store_result wanted[8] = { STORE_DONE, STORE_REFUSED,
		STORE_DONE, STORE_DONE, STORE_STALE, STORE_STALE, STORE_DONE,
		STORE_STALE };

	given(f->s, 9, "b@example.org", NULL);
	l = lease_one(f);
	mail_init(&m[0], 1, 100, to);
	mail_init(&m[1], 1, 101, to);
	mail_init(&m[2], 2, 100, to);
	ops[0] = (struct store_op){ .kind = STORE_PUT, .put = m[0].put };
	ops[1] = (struct store_op){ .kind = STORE_PUT, .put = m[1].put };
	ops[2] = (struct store_op){ .kind = STORE_PUT, .put = m[2].put };
	ops[3] = (struct store_op){ .kind = STORE_FINISH,
		.finish = { .token = l.token,
		    .outcome = { .kind = OUTCOME_DELIVERED } } };
	ops[4] = ops[3];
	ops[5] = (struct store_op){ .kind = STORE_RELEASE, .token = l.token };
	ops[6] = (struct store_op){ .kind = STORE_HOLD,
		.id = id_number(2),
		.recipient = STORE_ALL };
	ops[7] = (struct store_op){ .kind = STORE_REMOVE,
		.id = id_number(9),
		.recipient = STORE_ALL };
	for (size_t i = 0; i < 8; i++)
		list[i] = &ops[i];
	store_commit(f->s, list, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(ops[i].result, wanted[i]);
	assert_stats(f->s, 2, 1, 0, 1);
	l = lease_one(f);
	assert_true(id_equal(&l.id, &m[0].envelope.id));
	assert_nothing_due(f);
	for (size_t i = 0; i < 3; i++)
		mail_finish(&m[i]);
}

static void
no_ops_are_no_harm(void **state)
{
	struct fixture *f = *state;

	store_commit(f->s, NULL, 0);
	assert_stats(f->s, 0, 0, 0, 0);
}

/* ---- a full disk ---- */

static void
set_file_size_limit(rlim_t limit)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = limit == RLIM_INFINITY ? r.rlim_max : limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void
a_full_disk_is_unknown_and_passes(void **state)
{
	const char *const to[] = { "new@example.org", NULL };
	struct fixture   *f = *state;
	struct mail       m[2], large;
	struct store_op   ops[3];
	struct store_op  *list[3] = { &ops[0], &ops[1], &ops[2] };
	struct store_lease l[4], again;

	signal(SIGXFSZ, SIG_IGN);
	given(f->s, 1, "a@example.org", NULL);
	given(f->s, 2, "b@example.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 1), 1);
	mail_init(&m[0], 3, 100 * 1000, to);
	mail_init(&m[1], 4, 100 * 1000, to);
	mail_init(&large, 5, STORE_INLINE_BODY * 2, to);
	ops[0] = (struct store_op){ .kind = STORE_FINISH,
		.finish = { .token = l[0].token,
		    .outcome = { .kind = OUTCOME_DELIVERED } } };
	ops[1] = (struct store_op){ .kind = STORE_PUT, .put = m[0].put };
	ops[2] = (struct store_op){ .kind = STORE_PUT, .put = m[1].put };
	set_file_size_limit(64 * 1024);
	store_commit(f->s, list, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ops[i].result, STORE_UNKNOWN);
	assert_int_equal(mail_put(f->s, &large), STORE_UNKNOWN);
	set_file_size_limit(RLIM_INFINITY);

	/* as before: one leased, one ready, nothing else */
	assert_stats(f->s, 2, 1, 1, 0);
	assert_int_equal(lease_at(f, NOW, &again, 1), 1);
	assert_bytes(again.address, "b@example.org");
	assert_nothing_due(f);
	store_commit(f->s, list, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(ops[i].result, STORE_DONE);
	assert_int_equal(mail_put(f->s, &large), STORE_DONE);
	assert_body(f->s, &large.envelope.id, STORE_INLINE_BODY * 2, 5);
	assert_stats(f->s, 4, 3, 1, 0);
	assert_int_equal(lease_at(f, NOW, l, 4), 3);
	mail_finish(&m[0]);
	mail_finish(&m[1]);
	mail_finish(&large);
}

/* ---- many ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif
static const bool is_sanitized = IS_SANITIZED;

/* One message to n recipients userN@domain; due at NOW. */
static void
given_many(struct store *s, unsigned number, size_t n, const char *domain)
{
	if (is_sanitized && n > STORE_LEASES_MAX)
		skip(); /* minutes there; the plain build has it */
	struct envelope_recipient *to = calloc(n, sizeof *to);
	char(*text)[64] = calloc(n, sizeof *text);
	struct envelope e = { .id = id_number(number),
		.arrival_ms = NOW,
		.size_bytes = 10,
		.recipients = to,
		.n_recipients = n };
	struct store_put put = { .envelope = &e,
		.body = body_new(10, number),
		.due_ms = NOW };

	assert_non_null(to);
	assert_non_null(text);
	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof text[i], "user%zu@%s", i, domain);
		to[i].address = to[i].original = bytes_of(text[i]);
	}
	assert_int_equal(commit_one(s, (struct store_op){ .kind = STORE_PUT, .put = put }),
	    STORE_DONE);
	close(put.body);
	free(to);
	free(text);
}

static void
leases_are_bounded_and_nothing_is_hidden(void **state)
{
	enum { EACH = 2500, ALL = 2 * EACH };
	struct fixture     *f = *state;
	struct store_lease *l = calloc(ALL, sizeof *l);
	size_t              n, done = 0;

	assert_non_null(l);
	given_many(f->s, 1, EACH, "one.example");
	given_many(f->s, 2, EACH, "two.example");
	assert_int_equal(lease_at(f, NOW, l, ALL), STORE_LEASES_MAX);
	assert_nothing_due(f);
	assert_int_equal(store_next_due(f->s), NOW);
	for (n = STORE_LEASES_MAX; n > 0; n = lease_at(f, NOW, l, ALL)) {
		struct store_op  *ops = calloc(n, sizeof *ops);
		struct store_op **list = calloc(n, sizeof *list);

		for (size_t i = 0; i < n; i++) {
			list[i] = &ops[i];
			ops[i] = (struct store_op){ .kind = STORE_FINISH,
				.finish = { .token = l[i].token,
				    .outcome = { .kind =
				                     OUTCOME_DELIVERED } } };
		}
		store_commit(f->s, list, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(ops[i].result, STORE_DONE);
		free(ops);
		free(list);
		done += n;
		arena_reset(&f->arena);
	}
	assert_int_equal(done, ALL);
	assert_stats(f->s, 0, 0, 0, 0);
	free(l);
}

static void
released_ones_are_first_again(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[3], again[3];
	const char *const  to[] = { "late@example.org", NULL };
	struct mail        m;

	given(f->s, 1, "a@example.org", "b@example.org", "c@example.org", NULL);
	assert_int_equal(lease_at(f, NOW, l, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		mail_init(&m, 10 + i, 10, to);
		m.put.due_ms = NOW + 1;
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		mail_finish(&m);
		assert_int_equal(
		    release(f->s, l[2 - i].token, false), STORE_DONE);
	}
	assert_int_equal(lease_at(f, NOW + 1, again, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(again[i].recipient, i);
}

/* ---- limits ---- */

static size_t
lease_limited(struct fixture *f, const char *domain, size_t left, size_t others,
    struct store_lease *out, size_t max)
{
	const struct store_limit limit = { bytes_of(domain), left };
	const struct store_want  want = { .now_ms = NOW,
		 .limits = &limit,
		 .n_limits = 1,
		 .others = others };

	return store_lease(f->s, &want, &f->arena, out, max);
}

static void
destinations_at_their_limit_are_skipped(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[8];

	given(f->s, 1, "a@slow.example", "b@slow.example", "c@slow.example",
	    "a@fast.example", "b@fast.example", "c@FAST.example", NULL);
	assert_int_equal(lease_limited(f, "slow.example", 0, 2, l, 8), 2);
	assert_bytes(l[0].address, "a@fast.example");
	assert_bytes(l[1].address, "b@fast.example");
	assert_int_equal(lease_limited(f, "fast.example", 0, 0, l, 8), 0);
	assert_int_equal(lease_limited(f, "slow.example", 2, 0, l, 8), 2);
	assert_bytes(l[0].address, "a@slow.example");
	fixture_reopen(f);
	assert_int_equal(lease_limited(f, "slow.example", 1, 9, l, 8), 4);
	assert_bytes(l[0].address, "a@slow.example");
	assert_bytes(l[1].address, "a@fast.example");
}

/* A long queue for one destination does not stop the others. */
static void
a_blocked_backlog_hides_nothing(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[2];
	size_t             n = 0;

	given_many(f->s, 1, 9000, "blocked.example");
	given(f->s, 2, "a@free.example", NULL);
	for (int calls = 0; calls < 20 && n == 0; calls++)
		n = lease_limited(f, "blocked.example", 0, 1, l, 2);
	assert_int_equal(n, 1);
	assert_bytes(l[0].address, "a@free.example");
	assert_int_equal(finish_as(f->s, l[0].token, OUTCOME_DELIVERED), STORE_DONE);
	assert_int_equal(store_next_due(f->s), NOW);
	assert_int_equal(lease_limited(f, "blocked.example", 1, 0, l, 2), 1);
	assert_int_equal(l[0].recipient, 0);
}

/* In the very next call, though ten thousand are in front of it. */
static void
a_new_message_passes_a_blocked_backlog(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[8];

	given_many(f->s, 1, 5000, "blocked.example");
	assert_int_equal(lease_limited(f, "blocked.example", 0, 9, l, 8), 0);
	for (int life = 0; life < 2; life++) {
		for (unsigned i = 10; i < 100; i++) {
			given(f->s, i, "a@free.example", "b@BLOCKED.example",
			    NULL);
			assert_int_equal(lease_limited(f, "blocked.example", 0,
			                     9, l, 8),
			    1);
			assert_bytes(l[0].address, "a@free.example");
			assert_int_equal(
			    finish_as(f->s, l[0].token, OUTCOME_DELIVERED),
			    STORE_DONE);
			act(f->s, STORE_REMOVE, l[0].id, STORE_ALL);
		}
		/* the backlog itself still moves, in its order */
		assert_int_equal(
		    lease_limited(f, "blocked.example", 2, 9, l, 8), 2);
		assert_int_equal(l[0].recipient, 0);
		assert_int_equal(l[1].recipient, 1);
		fixture_reopen(f);
		assert_int_equal(
		    lease_limited(f, "blocked.example", 0, 9, l, 8), 0);
	}
}

/* They come to what they may have, and no one else's is lost behind them. */
static void
what_waits_behind_a_backlog_goes_on(void **state)
{
	enum { OTHERS = 3000 };
	struct fixture    *f = *state;
	struct store_lease l[64];
	size_t             n, done = 0;

	given_many(f->s, 1, 6000, "blocked.example");
	given_many(f->s, 2, OTHERS, "slow.example");
	fixture_reopen(f);
	for (int calls = 0; calls < 4000 && done < OTHERS; calls++) {
		n = lease_limited(f, "blocked.example", 0, 40, l, 64);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(
			    finish_as(f->s, l[i].token, OUTCOME_DELIVERED),
			    STORE_DONE);
		done += n;
		arena_reset(&f->arena);
	}
	assert_int_equal(done, OTHERS);
	assert_stats(f->s, 1, 6000, 0, 0);
}

/* An alias's members are leased as new messages are. */
static void
expanded_ones_pass_a_blocked_backlog(void **state)
{
	struct fixture    *f = *state;
	struct store_lease l[8];

	given_many(f->s, 1, 5000, "blocked.example");
	given(f->s, 2, "list@free.example", NULL);
	assert_int_equal(lease_limited(f, "blocked.example", 0, 9, l, 8), 1);
	assert_int_equal(expand(f->s, l[0].token, "owner@free.example",
	                     "a@free.example", "b@blocked.example",
	                     "c@free.example", NULL),
	    STORE_DONE);
	assert_int_equal(lease_limited(f, "blocked.example", 0, 9, l, 8), 2);
	assert_bytes(l[0].address, "a@free.example");
	assert_bytes(l[0].reverse_path, "owner@free.example");
	assert_bytes(l[1].address, "c@free.example");
	assert_true(l[1].is_expanded);
	assert_false(l[1].is_alone);
	/* and theirs have the same owner */
	assert_int_equal(
	    expand(f->s, l[1].token, "", "d@free.example", NULL), STORE_DONE);
	for (int life = 0; life < 2; life++) {
		assert_int_equal(
		    extend(f->s, l[1].id, 4, &l[0].token), STORE_DONE);
		assert_int_equal(release(f->s, l[0].token, false), STORE_DONE);
		assert_int_equal(
		    lease_limited(f, "free.example", 9, 0, &l[1], 1), 1);
		assert_bytes(l[1].reverse_path, "owner@free.example");
		fixture_reopen(f);
	}
}

/* ---- what can be read ---- */

static void
next_due_is_the_earliest_that_is_not_leased(void **state)
{
	const char *const to[] = { "a@example.org", NULL };
	struct fixture   *f = *state;
	struct store_lease l;
	struct mail       m;

	assert_int_equal(store_next_due(f->s), UINT64_MAX);
	for (unsigned i = 0; i < 3; i++) {
		mail_init(&m, i, 10, to);
		m.put.due_ms = NOW + 60000 * (3 - i);
		assert_int_equal(mail_put(f->s, &m), STORE_DONE);
		mail_finish(&m);
		assert_int_equal(store_next_due(f->s), m.put.due_ms);
	}
	fixture_reopen(f);
	assert_int_equal(store_next_due(f->s), NOW + 60000);
	assert_int_equal(lease_at(f, NOW + 60000, &l, 1), 1);
	assert_int_equal(store_next_due(f->s), NOW + 120000);
	assert_int_equal(
	    act(f->s, STORE_HOLD, id_number(1), STORE_ALL), STORE_DONE);
	assert_int_equal(store_next_due(f->s), NOW + 180000);
	assert_int_equal(release(f->s, l.token, false), STORE_DONE);
	assert_int_equal(store_next_due(f->s), NOW + 60000);
}

static void
a_list_in_pages_is_the_whole_list(void **state)
{
	struct fixture    *f = *state;
	struct store_row   whole[32], page[3];
	struct store_lease l;
	size_t             n, at = 0, got;

	for (unsigned i = 0; i < 9; i++)
		given(f->s, (i * 5) % 9, "a@example.org", "b@example.org", NULL);
	l = lease_one(f);
	act(f->s, STORE_HOLD, id_number(3), 1);
	n = store_list(f->s, NULL, &f->arena, whole, 32);
	assert_int_equal(n, 18);
	for (size_t i = 0; i < n; i++) {
		struct id id = id_number((unsigned)i / 2);

		assert_true(id_equal(&whole[i].id, &id));
		assert_int_equal(whole[i].recipient, i % 2);
		assert_int_equal(whole[i].size_bytes, MAIL_BODY);
		assert_int_equal(whole[i].arrival_ms, NOW);
		assert_bytes(whole[i].reverse_path, "sender@client.example");
		assert_int_equal(whole[i].state,
		    id_equal(&l.id, &id) && l.recipient == i % 2 ?
		        STORE_LEASED :
		    i == 7 ? STORE_HELD : STORE_QUEUED);
	}
	while ((got = store_list(f->s, at ? &whole[at - 1] : NULL, &f->arena,
	            page, 3)) > 0)
		for (size_t i = 0; i < got; i++, at++) {
			assert_true(id_equal(&page[i].id, &whole[at].id));
			assert_int_equal(page[i].recipient, whole[at].recipient);
		}
	assert_int_equal(at, n);
}

static void
two_cannot_have_it_open(void **state)
{
	struct fixture *f = *state;
	char            error[256] = "";

	assert_null(store_open(f->folder, error, sizeof error));
	assert_true(strlen(error) > 0);
	given(f->s, 1, "a@example.org", NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(put_is_leased_with_all_its_fields),
		T(a_lease_has_what_other_hosts_are_told),
		T(an_extended_lease_needs_room),
		T(a_warning_is_remembered),
		T(the_text_says_who_said_it),
		T(bodies_of_all_sizes_come_back),
		T(body_is_read_from_the_start_wherever_the_offset_is),
		T(a_writable_body_is_copied),
		T(null_reverse_path_stays_null),
		T(leased_at_most_once),
		T(oldest_due_is_first),
		T(same_message_again_is_done_and_changes_nothing),
		T(same_id_with_other_content_is_refused),
		T(impossible_input_is_refused),
		T(a_recipient_that_is_named_twice_comes_once),
		T(a_message_ends_with_its_last_recipient),
		T(a_token_is_good_for_one_outcome),
		T(deferred_waits_until_it_is_due),
		T(failed_may_be_held),
		T(released_is_queued_again),
		T(extended_is_leased_with_a_new_token),
		T(what_is_leased_held_or_gone_cannot_be_extended),
		T(hold_kick_remove_all_or_one),
		T(kicked_is_due_now),
		T(all_that_are_queued_are_kicked),
		T(the_administrator_does_not_touch_leases),
		T(removed_in_whole_takes_its_body),
		T(expanded_becomes_others_on_the_same_body),
		T(expanded_never_brings_an_address_twice),
		T(finish_and_what_it_causes_are_one),
		T(a_refused_bounce_leaves_everything_as_it_was),
		T(a_reused_body_lives_with_its_last_user),
		T(each_op_has_its_own_result),
		T(no_ops_are_no_harm),
		T(a_full_disk_is_unknown_and_passes),
		T(leases_are_bounded_and_nothing_is_hidden),
		T(released_ones_are_first_again),
		T(destinations_at_their_limit_are_skipped),
		T(a_blocked_backlog_hides_nothing),
		T(a_new_message_passes_a_blocked_backlog),
		T(what_waits_behind_a_backlog_goes_on),
		T(expanded_ones_pass_a_blocked_backlog),
		T(next_due_is_the_earliest_that_is_not_leased),
		T(a_list_in_pages_is_the_whole_list),
		T(two_cannot_have_it_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
