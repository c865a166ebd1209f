#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/base64.h"
#include "proto/sasl.h"

enum { LINES_MAX = 3, TEXT_MAX = 2048 };

static void
names_match_without_case(void **state)
{
	static const struct {
		struct bytes        name;
		enum sasl_mechanism mechanism;
	} rows[] = {
		{ BYTES_INIT("PLAIN"), SASL_PLAIN },
		{ BYTES_INIT("plain"), SASL_PLAIN },
		{ BYTES_INIT("LoGiN"), SASL_LOGIN },
		{ BYTES_INIT(""), SASL_NONE },
		{ BYTES_INIT("PLAI"), SASL_NONE },
		{ BYTES_INIT("PLAIN "), SASL_NONE },
		{ BYTES_INIT("PLAINLOGIN"), SASL_NONE },
		{ BYTES_INIT("CRAM-MD5"), SASL_NONE },
		{ BYTES_INIT("EXTERNAL"), SASL_NONE },
		{ BYTES_INIT("ANONYMOUS"), SASL_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(sasl_find(rows[i].name), rows[i].mechanism);
}

/*
 * Each row is an exchange: the initial response, then lines, all in base64. Every result
 * but the last is CONTINUE.
 */
struct row {
	enum sasl_mechanism mechanism;
	const char         *initial; /* NULL: none */
	const char         *lines[LINES_MAX];
	enum sasl_result    result;
};

#define ALICE      "YWxpY2U="         /* alice */
#define WONDERLAND "d29uZGVybGFuZA==" /* wonderland */
#define PLAIN      "AGFsaWNlAHdvbmRlcmxhbmQ="

static const struct row rows[] = {
	{ SASL_PLAIN, NULL, { NULL }, SASL_CONTINUE },
	{ SASL_PLAIN, PLAIN, { NULL }, SASL_DONE },
	{ SASL_PLAIN, NULL, { PLAIN }, SASL_DONE },
	/* alice\0alice\0wonderland: in his own name */
	{ SASL_PLAIN, "YWxpY2UAYWxpY2UAd29uZGVybGFuZA==", { NULL }, SASL_DONE },
	/* bob\0alice\0wonderland, Alice\0alice\0wonderland: not */
	{ SASL_PLAIN, "Ym9iAGFsaWNlAHdvbmRlcmxhbmQ=", { NULL }, SASL_FORBIDDEN },
	{ SASL_PLAIN, "QWxpY2UAYWxpY2UAd29uZGVybGFuZA==", { NULL }, SASL_FORBIDDEN },
	{ SASL_PLAIN, NULL, { "*" }, SASL_CANCELLED },
	{ SASL_PLAIN, "*", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, "=", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, "", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { "" }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { "=" }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { "**" }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { "* " }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { PLAIN "\r" }, SASL_MALFORMED },
	{ SASL_PLAIN, NULL, { " " PLAIN }, SASL_MALFORMED },
	{ SASL_PLAIN, "AGFsaWNlAHdvbmRlcmxhbmQ", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, "YWxpY2U=", { NULL }, SASL_MALFORMED },     /* alice */
	{ SASL_PLAIN, "AGFsaWNl", { NULL }, SASL_MALFORMED },     /* \0alice */
	{ SASL_PLAIN, "AGFsaWNlAA==", { NULL }, SASL_MALFORMED }, /* \0alice\0 */
	{ SASL_PLAIN, "AAA=", { NULL }, SASL_MALFORMED },         /* \0\0 */
	/* \0\0wonderland, \0alice\0wonder\0land, \0alice\0wonderland\0 */
	{ SASL_PLAIN, "AAB3b25kZXJsYW5k", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, "AGFsaWNlAHdvbmRlcgBsYW5k", { NULL }, SASL_MALFORMED },
	{ SASL_PLAIN, "AGFsaWNlAHdvbmRlcmxhbmQA", { NULL }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { NULL }, SASL_CONTINUE },
	{ SASL_LOGIN, NULL, { ALICE }, SASL_CONTINUE },
	{ SASL_LOGIN, ALICE, { NULL }, SASL_CONTINUE },
	{ SASL_LOGIN, NULL, { ALICE, WONDERLAND }, SASL_DONE },
	{ SASL_LOGIN, ALICE, { WONDERLAND }, SASL_DONE },
	{ SASL_LOGIN, NULL, { "*" }, SASL_CANCELLED },
	{ SASL_LOGIN, NULL, { ALICE, "*" }, SASL_CANCELLED },
	{ SASL_LOGIN, ALICE, { "*" }, SASL_CANCELLED },
	{ SASL_LOGIN, "=", { NULL }, SASL_MALFORMED },
	{ SASL_LOGIN, "*", { NULL }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { "" }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { ALICE, "" }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { ALICE, "=" }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { "alice" }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { ALICE, "wonderland" }, SASL_MALFORMED },
	{ SASL_LOGIN, NULL, { "YWxpAGNl" }, SASL_MALFORMED },        /* ali\0ce */
	{ SASL_LOGIN, NULL, { ALICE, "AHdvbmRlcg==" }, SASL_MALFORMED }, /* \0wonder */
};

static enum sasl_result
play(struct sasl *s, const struct row *row)
{
	enum sasl_result result = sasl_begin(s, row->mechanism, bytes_of(row->initial));

	for (size_t i = 0; i < LINES_MAX && row->lines[i] != NULL; i++) {
		assert_int_equal(result, SASL_CONTINUE);
		result = sasl_line(s, bytes_of(row->lines[i]));
	}
	return result;
}

static void
assert_nothing_is_left(const struct sasl *s)
{
	assert_int_equal(s->mechanism, SASL_NONE);
	assert_null(s->user.p);
	assert_null(s->password.p);
	assert_int_equal(s->user.len, 0);
	assert_int_equal(s->password.len, 0);
}

static void
exchanges(void **state)
{
	struct sasl s = { .mechanism = SASL_NONE };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		enum sasl_result result = play(&s, &rows[i]);

		if (result != rows[i].result)
			fail_msg("row %zu: %d", i, (int)result);
		if (result == SASL_DONE) {
			assert_int_equal(s.mechanism, SASL_NONE);
			assert_string_equal(buf_string(&s.user), "alice");
			assert_string_equal(buf_string(&s.password), "wonderland");
		} else if (result != SASL_CONTINUE) {
			assert_nothing_is_left(&s);
		}
		sasl_finish(&s);
		assert_nothing_is_left(&s);
	}
}

static void
challenges(void **state)
{
	struct sasl s = { .mechanism = SASL_NONE };

	(void)state;
	sasl_begin(&s, SASL_PLAIN, bytes_of(NULL));
	assert_int_equal(sasl_challenge(&s).n, 0);
	sasl_begin(&s, SASL_LOGIN, bytes_of(NULL));
	assert_true(bytes_equal(sasl_challenge(&s), BYTES("VXNlcm5hbWU6")));
	sasl_line(&s, BYTES(ALICE));
	assert_true(bytes_equal(sasl_challenge(&s), BYTES("UGFzc3dvcmQ6")));
	sasl_begin(&s, SASL_LOGIN, BYTES(ALICE));
	assert_true(bytes_equal(sasl_challenge(&s), BYTES("UGFzc3dvcmQ6")));
	sasl_finish(&s);
}

static void
no_exchange_no_result(void **state)
{
	struct sasl s = { .mechanism = SASL_NONE };

	(void)state;
	assert_int_equal(sasl_line(&s, BYTES(PLAIN)), SASL_MALFORMED);
	assert_int_equal(sasl_begin(&s, SASL_NONE, BYTES(PLAIN)), SASL_MALFORMED);
	assert_int_equal(sasl_line(&s, BYTES(PLAIN)), SASL_MALFORMED);
	/* one that is done takes nothing more */
	assert_int_equal(sasl_begin(&s, SASL_PLAIN, BYTES(PLAIN)), SASL_DONE);
	assert_int_equal(sasl_line(&s, BYTES(PLAIN)), SASL_MALFORMED);
	sasl_finish(&s);
	assert_nothing_is_left(&s);
}

/* A user of one length, a password of another, both ways. */
static enum sasl_result
play_lengths(enum sasl_mechanism mechanism, size_t user, size_t password)
{
	static const struct bytes none = { NULL, 0 };
	struct sasl               s = { .mechanism = SASL_NONE };
	char                      text[TEXT_MAX];
	struct buf                line;
	enum sasl_result          result;

	memset(text, 'x', sizeof text);
	buf_init(&line, SASL_LINE_MAX);
	result = sasl_begin(&s, mechanism, none);
	if (mechanism == SASL_LOGIN) {
		base64_add(&line, (struct bytes){ text, user });
		result = sasl_line(&s, buf_bytes(&line));
		buf_clear(&line);
		base64_add(&line, (struct bytes){ text, password });
	} else {
		text[0] = text[1 + user] = '\0';
		base64_add(&line, (struct bytes){ text, 1 + user + 1 + password });
	}
	if (result == SASL_CONTINUE)
		result = sasl_line(&s, buf_bytes(&line));
	if (result == SASL_DONE) {
		assert_int_equal(s.user.len, user);
		assert_int_equal(s.password.len, password);
	}
	sasl_finish(&s);
	buf_finish(&line);
	return result;
}

static void
lengths(void **state)
{
	static const enum sasl_mechanism both[] = { SASL_PLAIN, SASL_LOGIN };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(play_lengths(both[i], 1, 1), SASL_DONE);
		assert_int_equal(play_lengths(both[i], 255, 255), SASL_DONE);
		assert_int_equal(play_lengths(both[i], 256, 255), SASL_MALFORMED);
		assert_int_equal(play_lengths(both[i], 255, 256), SASL_MALFORMED);
		assert_int_equal(play_lengths(both[i], 0, 255), SASL_MALFORMED);
		assert_int_equal(play_lengths(both[i], 255, 0), SASL_MALFORMED);
		assert_int_equal(play_lengths(both[i], 1, 1000), SASL_MALFORMED);
	}
}

/* As long as all three parts may be. */
static void
longest_plain(void **state)
{
	struct sasl s = { .mechanism = SASL_NONE };
	char        text[3 * 255 + 2];
	struct buf  line;

	(void)state;
	memset(text, 'x', sizeof text);
	text[255] = text[511] = '\0';
	buf_init(&line, SASL_LINE_MAX);
	base64_add(&line, (struct bytes){ text, sizeof text });
	assert_int_equal(sasl_begin(&s, SASL_PLAIN, buf_bytes(&line)), SASL_DONE);
	sasl_finish(&s);
	buf_finish(&line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_match_without_case),
		cmocka_unit_test(exchanges),
		cmocka_unit_test(challenges),
		cmocka_unit_test(no_exchange_no_result),
		cmocka_unit_test(lengths),
		cmocka_unit_test(longest_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
