#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/envelope_wire.h"
#include "proto/frame.h"

/* Every field differs from its zero and from its neighbours. */
static struct envelope
full(struct envelope_recipient recipients[2])
{
	recipients[0] = (struct envelope_recipient){
		.address = BYTES("a@example.org"),
		.original = BYTES("\"a\"@Example.ORG"),
		.orcpt = BYTES("rfc822;a@b"),
		.notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
	};
	recipients[1] = (struct envelope_recipient){
		.address = BYTES("b@example.org"),
		.original = BYTES("b@example.org"),
	};
	return (struct envelope){
		.id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
		.arrival_ms = 0x0102030405060708,
		.reverse_path = BYTES("sender@example.net"),
		.ret = RET_HDRS,
		.envid = BYTES("QQ314159"),
		.body = BODY_BINARYMIME,
		.smtputf8 = true,
		.user = BYTES("alice"),
		.listener = BYTES("submission"),
		.peer_address = BYTES("2001:db8::1"),
		.peer_name = BYTES("client.example.net"),
		.helo = BYTES("laptop"),
		.esmtp = true,
		.tls = BYTES("TLSv1.3 TLS_AES_256_GCM_SHA384"),
		.size_bytes = 5000000000,
		.verdict = {
			.colour = COLOUR_YELLOW,
			.has_score = true,
			.score_milli = -6100,
			.required_milli = 5000,
			.red_milli = INT64_MAX,
			.stage = BYTES("spamassassin"),
			.reason = BYTES("too many pills"),
			.tests = BYTES("PILLS,SHOUTING"),
			.summary = BYTES("spamassassin=6.1/5/7"),
		},
		.recipients = recipients,
		.n_recipients = 2,
	};
}

static void
assert_bytes(struct bytes a, struct bytes b)
{
	assert_int_equal(a.n, b.n);
	assert_true(bytes_equal(a, b));
}

static void
assert_same(const struct envelope *a, const struct envelope *b)
{
	assert_true(id_equal(&a->id, &b->id));
	assert_true(a->arrival_ms == b->arrival_ms);
	assert_bytes(a->reverse_path, b->reverse_path);
	assert_int_equal(a->ret, b->ret);
	assert_bytes(a->envid, b->envid);
	assert_int_equal(a->body, b->body);
	assert_int_equal(a->smtputf8, b->smtputf8);
	assert_bytes(a->user, b->user);
	assert_bytes(a->listener, b->listener);
	assert_bytes(a->peer_address, b->peer_address);
	assert_bytes(a->peer_name, b->peer_name);
	assert_bytes(a->helo, b->helo);
	assert_int_equal(a->esmtp, b->esmtp);
	assert_bytes(a->tls, b->tls);
	assert_true(a->size_bytes == b->size_bytes);
	assert_int_equal(a->verdict.colour, b->verdict.colour);
	assert_int_equal(a->verdict.has_score, b->verdict.has_score);
	assert_true(a->verdict.score_milli == b->verdict.score_milli);
	assert_true(a->verdict.required_milli == b->verdict.required_milli);
	assert_true(a->verdict.red_milli == b->verdict.red_milli);
	assert_bytes(a->verdict.stage, b->verdict.stage);
	assert_bytes(a->verdict.reason, b->verdict.reason);
	assert_bytes(a->verdict.tests, b->verdict.tests);
	assert_bytes(a->verdict.summary, b->verdict.summary);
	assert_int_equal(a->n_recipients, b->n_recipients);
	for (size_t i = 0; i < a->n_recipients; i++) {
		assert_bytes(a->recipients[i].address, b->recipients[i].address);
		assert_bytes(a->recipients[i].original, b->recipients[i].original);
		assert_bytes(a->recipients[i].orcpt, b->recipients[i].orcpt);
		assert_int_equal(a->recipients[i].notify, b->recipients[i].notify);
	}
}

static void
is_the_same_behind_the_wire(void **state)
{
	struct envelope_recipient recipients[2];
	struct envelope in[] = { full(recipients), { .n_recipients = 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
		struct envelope out;
		struct arena    arena;
		struct buf      b;

		buf_init(&b, 4096);
		arena_init(&arena, 4096);
		envelope_add(&b, &in[i]);
		assert_false(b.failed);
		assert_int_equal(b.p[0], 1); /* the version */
		assert_true(envelope_read(buf_bytes(&b), &arena, &out));
		assert_same(&in[i], &out);
		/* The views are not copies. */
		assert_true(out.helo.p > b.p && out.helo.p < b.p + b.len);
		arena_finish(&arena);
		buf_finish(&b);
	}
}

static bool
is_read(struct bytes wire)
{
	struct envelope out;
	struct arena    arena;
	bool            result;

	arena_init(&arena, 4096);
	result = envelope_read(wire, &arena, &out);
	arena_finish(&arena);
	return result;
}

static void
whole_or_refused(void **state)
{
	struct envelope_recipient recipients[2];
	struct envelope           in = full(recipients);
	struct buf                b;

	(void)state;
	buf_init(&b, 4096);
	envelope_add(&b, &in);
	for (size_t n = 0; n < b.len; n++) {
		/* A copy of its own size, so that ASan sees one byte too many. */
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy + 1, b.p, n);
		assert_false(is_read((struct bytes){ copy + 1, n }));
		free(copy);
	}
	assert_true(is_read(buf_bytes(&b)));
	buf_add_char(&b, '\0');
	assert_false(is_read(buf_bytes(&b)));
	b.len--;
	b.p[0] = 0;
	assert_false(is_read(buf_bytes(&b)));
	b.p[0] = 2;
	assert_false(is_read(buf_bytes(&b)));
	buf_finish(&b);
}

/* Where a byte stands in the wire is found by writing two envelopes that differ in it. */
static size_t
place_of(const struct envelope *a, const struct envelope *b)
{
	struct buf x, y;
	size_t     at = 0;

	buf_init(&x, 4096);
	buf_init(&y, 4096);
	envelope_add(&x, a);
	envelope_add(&y, b);
	assert_int_equal(x.len, y.len);
	while (at < x.len && x.p[at] == y.p[at])
		at++;
	assert_true(at < x.len);
	buf_finish(&x);
	buf_finish(&y);
	return at;
}

static void
choices_are_in_range(void **state)
{
	struct envelope_recipient recipients[2];
	struct envelope_recipient other_notify[2];
	struct envelope           in = full(recipients);
	struct envelope           other[7];
	const uint8_t last[7] = { RET_HDRS, BODY_BINARYMIME, COLOUR_ERROR, 1, 1, 1, 15 };
	struct buf                b;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		other[i] = in;
	other[0].ret = RET_UNSET;
	other[1].body = BODY_7BIT;
	other[2].verdict.colour = COLOUR_NONE;
	other[3].smtputf8 = false;
	other[4].esmtp = false;
	other[5].verdict.has_score = false;
	other[6] = full(other_notify);
	other_notify[0].notify = 0;
	buf_init(&b, 4096);
	for (size_t i = 0; i < 7; i++) {
		size_t at = place_of(&in, &other[i]);

		buf_clear(&b);
		envelope_add(&b, &in);
		for (unsigned v = 0; v < 256; v++) {
			b.p[at] = (char)v;
			assert_int_equal(is_read(buf_bytes(&b)), v <= last[i]);
		}
	}
	buf_finish(&b);
}

/* A count is believed only as far as the bytes behind it reach. */
static void
counts_are_bounded(void **state)
{
	static const struct {
		uint32_t claimed;
		size_t   there, arena_bytes;
		bool     is_read;
	} rows[] = {
		{ 3, 3, 1 << 20, true },
		{ 3, 3, 16, false },
		{ 3, 2, 1 << 20, false },
		{ 2, 3, 1 << 20, false },
		{ UINT32_MAX, 3, 1 << 20, false },
		{ ENVELOPE_RECIPIENTS_MAX, ENVELOPE_RECIPIENTS_MAX, 1 << 24, true },
		{ ENVELOPE_RECIPIENTS_MAX + 1, ENVELOPE_RECIPIENTS_MAX + 1, 1 << 24, false },
	};
	const struct envelope none = { .n_recipients = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct envelope out;
		struct arena    arena;
		struct buf      b;

		buf_init(&b, ENVELOPE_WIRE_MAX);
		arena_init(&arena, rows[i].arena_bytes);
		envelope_add(&b, &none);
		b.len -= 4; /* the count */
		frame_add_u32(&b, rows[i].claimed);
		for (size_t k = 0; k < rows[i].there; k++) {
			for (int view = 0; view < 3; view++)
				frame_add_bytes(&b, BYTES(""));
			frame_add_u8(&b, 0);
		}
		assert_int_equal(
		    envelope_read(buf_bytes(&b), &arena, &out), rows[i].is_read);
		arena_finish(&arena);
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_same_behind_the_wire),
		cmocka_unit_test(whole_or_refused),
		cmocka_unit_test(choices_are_in_range),
		cmocka_unit_test(counts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
