#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "proto/smtp_client.h"
#include "proto/smtp_client_offers.h"
#include "proto/smtp_client_reply.h"

/* What comes of the lines up to the first that is not followed by others. */
static const struct {
	struct bytes                  wire;
	enum smtp_client_reply_result result;
	unsigned                      code;
	size_t                        n_lines;
	const char                   *text;
	struct status                 status;
} rows[] = {
	{ BYTES_INIT("250 ok\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1, "250 ok", { 2, 0, 0 } },
	{ BYTES_INIT("250\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1, "250", { 2, 0, 0 } },
	{ BYTES_INIT("250 \r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1, "250", { 2, 0, 0 } },
	{ BYTES_INIT("250\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1, "250", { 2, 0, 0 } },
	{ BYTES_INIT("200 x\r\n"), SMTP_CLIENT_REPLY_WHOLE, 200, 1, "200 x", { 2, 0, 0 } },
	{ BYTES_INIT("599 x\r\n"), SMTP_CLIENT_REPLY_WHOLE, 599, 1, "599 x", { 5, 0, 0 } },
	{ BYTES_INIT("354 x\r\n"), SMTP_CLIENT_REPLY_WHOLE, 354, 1, "354 x", { 3, 0, 0 } },
	{ BYTES_INIT("250-a\r\n250-b\r\n250 c\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 3,
	    "250 a b c", { 2, 0, 0 } },
	{ BYTES_INIT("250-a\r\n250\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 2, "250 a", { 2, 0, 0 } },
	{ BYTES_INIT("250-\r\n250 b\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 2, "250 b", { 2, 0, 0 } },

	/* the status, RFC 2034: of the first line, and of the class of the code */
	{ BYTES_INIT("550 5.1.1 no\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 1, "550 5.1.1 no",
	    { 5, 1, 1 } },
	{ BYTES_INIT("550-5.1.1 no\r\n550 5.1.1 one\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 2,
	    "550 5.1.1 no one", { 5, 1, 1 } },
	{ BYTES_INIT("550-5.1.1 no\r\n550 5.1.2 one\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 2,
	    "550 5.1.1 no 5.1.2 one", { 5, 1, 1 } },
	{ BYTES_INIT("550-no\r\n550 5.1.1 one\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 2,
	    "550 no 5.1.1 one", { 5, 0, 0 } },
	{ BYTES_INIT("550 5.1.1\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 1, "550 5.1.1", { 5, 1, 1 } },
	{ BYTES_INIT("550 4.1.1 no\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 1, "550 4.1.1 no",
	    { 5, 0, 0 } },
	{ BYTES_INIT("550 5.1 no\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 1, "550 5.1 no",
	    { 5, 0, 0 } },
	{ BYTES_INIT("450 4.2.1x no\r\n"), SMTP_CLIENT_REPLY_WHOLE, 450, 1, "450 4.2.1x no",
	    { 4, 0, 0 } },
	{ BYTES_INIT("550 5.1000.1 no\r\n"), SMTP_CLIENT_REPLY_WHOLE, 550, 1,
	    "550 5.1000.1 no", { 5, 0, 0 } },

	/* printable ASCII in one line */
	{ BYTES_INIT("250 a\tb  c\rd\0e\x1b\x80\xff \r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1,
	    "250 a b c d?e???", { 2, 0, 0 } },
	{ BYTES_INIT("250 ok\r\r\n"), SMTP_CLIENT_REPLY_WHOLE, 250, 1, "250 ok ", { 2, 0, 0 } },

	{ BYTES_INIT(""), SMTP_CLIENT_REPLY_MORE, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250 ok\r"), SMTP_CLIENT_REPLY_MORE, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250-ok\r\n"), SMTP_CLIENT_REPLY_MORE, 250, 1, "250 ok", { 2, 0, 0 } },
	{ BYTES_INIT("250-ok\r\n250 x"), SMTP_CLIENT_REPLY_MORE, 250, 1, "250 ok", { 2, 0, 0 } },

	{ BYTES_INIT("\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("2\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("25 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("2500 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250x\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250\tok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250\0ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT(" 250 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("+50 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("-50 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("000 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("199 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("600 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("999 ok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 0, 0, "", { 0, 0, 0 } },
	{ BYTES_INIT("250-a\r\nok\r\n"), SMTP_CLIENT_REPLY_MALFORMED, 250, 1, "250 a",
	    { 2, 0, 0 } },
	{ BYTES_INIT("250-a\r\n251 b\r\n"), SMTP_CLIENT_REPLY_OTHER_CODE, 250, 1, "250 a",
	    { 2, 0, 0 } },
};

static void
check_row(size_t i, struct smtp_client_reply *r)
{
	struct bytes                  rest = rows[i].wire, line;
	enum smtp_client_reply_result result;

	do
		result = smtp_client_reply_next(r, &rest, &line);
	while (result == SMTP_CLIENT_REPLY_LINE);
	if (result != rows[i].result || r->code != rows[i].code ||
	    r->n_lines != rows[i].n_lines ||
	    !bytes_equal(buf_bytes(&r->text), bytes_of(rows[i].text)))
		fail_msg("row %zu: result %d code %u lines %zu text %.*s", i,
		    (int)result, r->code, r->n_lines,
		    BYTES_ARG(buf_bytes(&r->text)));
	if (r->code != 0) {
		struct status status = smtp_client_reply_status(r);

		assert_int_equal(status.class, rows[i].status.class);
		assert_int_equal(status.subject, rows[i].status.subject);
		assert_int_equal(status.detail, rows[i].status.detail);
	}
	if (result == SMTP_CLIENT_REPLY_WHOLE)
		assert_int_equal(rest.n, 0);
}

/* Each by itself, and behind another one. */
static void
test_rows(void **state)
{
	struct smtp_client_reply r;
	struct bytes             other = BYTES("550-5.7.1 other\r\n"), line;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		smtp_client_reply_init(&r);
		check_row(i, &r);
		smtp_client_reply_finish(&r);
	}
	smtp_client_reply_init(&r);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].result != SMTP_CLIENT_REPLY_WHOLE)
			continue;
		check_row(i, &r);
	}
	smtp_client_reply_finish(&r);
	smtp_client_reply_init(&r);
	assert_int_equal(smtp_client_reply_next(&r, &other, &line), SMTP_CLIENT_REPLY_LINE);
	assert_true(bytes_equal(line, BYTES("5.7.1 other")));
	smtp_client_reply_finish(&r);
	assert_int_equal(r.n_lines, 0);
	check_row(0, &r);
	smtp_client_reply_finish(&r);
}

/* 220, n octets of text, CRLF. */
static void
make_line(struct buf *b, size_t n)
{
	buf_clear(b);
	buf_add_string(b, "220 ");
	while (n-- > 0)
		buf_add_char(b, 'x');
	buf_add_string(b, "\r\n");
}

static void
test_longest_line(void **state)
{
	struct smtp_client_reply r;
	struct buf               b;
	struct bytes             rest, line;

	(void)state;
	buf_init(&b, 4 * SMTP_CLIENT_LINE_MAX);
	smtp_client_reply_init(&r);
	make_line(&b, SMTP_CLIENT_LINE_MAX - 6);
	assert_int_equal(b.len, SMTP_CLIENT_LINE_MAX);
	rest = buf_bytes(&b);
	assert_int_equal(smtp_client_reply_next(&r, &rest, &line), SMTP_CLIENT_REPLY_WHOLE);
	assert_int_equal(line.n, SMTP_CLIENT_LINE_MAX - 6);
	assert_int_equal(r.text.len, SMTP_CLIENT_TEXT_MAX);
	make_line(&b, SMTP_CLIENT_LINE_MAX - 5);
	rest = buf_bytes(&b);
	assert_int_equal(
	    smtp_client_reply_next(&r, &rest, &line), SMTP_CLIENT_REPLY_LONG_LINE);
	assert_int_equal(line.n, SMTP_CLIENT_LINE_MAX);
	/* it is known as soon as it is too long, and not before */
	rest = bytes_first(buf_bytes(&b), SMTP_CLIENT_LINE_MAX - 1);
	assert_int_equal(smtp_client_reply_next(&r, &rest, &line), SMTP_CLIENT_REPLY_MORE);
	smtp_client_reply_finish(&r);
	buf_finish(&b);
}

static void
test_most_lines(void **state)
{
	struct smtp_client_reply r;
	struct bytes             rest, line;

	(void)state;
	smtp_client_reply_init(&r);
	for (size_t i = 0; i < SMTP_CLIENT_LINES_MAX; i++) {
		rest = BYTES("220-many words in every line\r\n");
		assert_int_equal(
		    smtp_client_reply_next(&r, &rest, &line), SMTP_CLIENT_REPLY_LINE);
		assert_true(r.text.len <= SMTP_CLIENT_TEXT_MAX && !r.text.failed);
	}
	rest = BYTES("220 end\r\n");
	assert_int_equal(
	    smtp_client_reply_next(&r, &rest, &line), SMTP_CLIENT_REPLY_MANY_LINES);
	assert_int_equal(r.text.len, SMTP_CLIENT_TEXT_MAX);
	smtp_client_reply_finish(&r);
}

/* --- what EHLO tells --- */

static const struct {
	const char *line;
	unsigned    bits;
	uint64_t    size_max;
} offers[] = {
	{ "PIPELINING", SMTP_OFFER_PIPELINING, 0 },
	{ "pipeLINING", SMTP_OFFER_PIPELINING, 0 },
	{ " PIPELINING ", SMTP_OFFER_PIPELINING, 0 },
	{ "PIPELINING with words", SMTP_OFFER_PIPELINING, 0 },
	{ "PIPELINING2", 0, 0 },
	{ "X-PIPELINING", 0, 0 },
	{ "", 0, 0 },
	{ "=", 0, 0 },
	{ "8bitmime", SMTP_OFFER_8BITMIME, 0 },
	{ "SMTPUTF8", SMTP_OFFER_SMTPUTF8, 0 },
	{ "CHUNKING", SMTP_OFFER_CHUNKING, 0 },
	{ "DSN", SMTP_OFFER_DSN, 0 },
	{ "STARTTLS", SMTP_OFFER_STARTTLS, 0 },
	{ "SIZE", SMTP_OFFER_SIZE, 0 },
	{ "SIZE 0", SMTP_OFFER_SIZE, 0 },
	{ "size 52428800", SMTP_OFFER_SIZE, 52428800 },
	{ "SIZE  7 ", SMTP_OFFER_SIZE, 7 },
	{ "SIZE 1M", SMTP_OFFER_SIZE, 0 },
	{ "SIZE -1", SMTP_OFFER_SIZE, 0 },
	{ "SIZE 18446744073709551615", SMTP_OFFER_SIZE, UINT64_MAX },
	{ "SIZE 18446744073709551616", SMTP_OFFER_SIZE, 0 },
	{ "AUTH", 0, 0 },
	{ "AUTH PLAIN", SMTP_OFFER_AUTH_PLAIN, 0 },
	{ "auth cram-md5  login PLAIN", SMTP_OFFER_AUTH_PLAIN | SMTP_OFFER_AUTH_LOGIN, 0 },
	{ "AUTH=LOGIN", SMTP_OFFER_AUTH_LOGIN, 0 },
	{ "AUTH XPLAIN", 0, 0 },
};

static void
test_offers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		struct smtp_client_offers o = { .bits = 0 };

		smtp_client_offers_add(&o, bytes_of(offers[i].line));
		if (o.bits != offers[i].bits || o.size_max != offers[i].size_max)
			fail_msg("%s: %u", offers[i].line, o.bits);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_most_lines),
		cmocka_unit_test(test_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
