#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/printable.h"
#include "proto/spamc.h"

#define OK "SPAMD/1.1 0 EX_OK\r\n"
#define SPAM "Spam: True ; 7.5 / 5.0\r\n"

static const struct {
	struct spamc_request request;
	const char          *expected;
} requests[] = {
	{ { .command = SPAMC_PROCESS, .size_bytes = 8 },
	    "PROCESS SPAMC/1.5\r\nContent-length: 8\r\n\r\n" },
	{ { SPAMC_CHECK, BYTES_INIT("jo"), 5000000000, false },
	    "CHECK SPAMC/1.5\r\nUser: jo\r\nContent-length: 5000000000\r\n\r\n" },
	{ { SPAMC_HEADERS, BYTES_INIT("jo"), 1, true },
	    "HEADERS SPAMC/1.5\r\nUser: jo\r\nCompress: zlib\r\n"
	    "Content-length: 1\r\n\r\n" },
	{ { .command = SPAMC_SYMBOLS },
	    "SYMBOLS SPAMC/1.5\r\nContent-length: 0\r\n\r\n" },
	{ { .command = SPAMC_REPORT },
	    "REPORT SPAMC/1.5\r\nContent-length: 0\r\n\r\n" },
	{ { .command = SPAMC_REPORT_IF_SPAM },
	    "REPORT_IFSPAM SPAMC/1.5\r\nContent-length: 0\r\n\r\n" },
	{ { SPAMC_TELL_SPAM, BYTES_INIT("jo"), 1, false },
	    "TELL SPAMC/1.5\r\nMessage-class: spam\r\nSet: local\r\n"
	    "User: jo\r\nContent-length: 1\r\n\r\n" },
	{ { .command = SPAMC_TELL_HAM },
	    "TELL SPAMC/1.5\r\nMessage-class: ham\r\nSet: local\r\n"
	    "Content-length: 0\r\n\r\n" },
	{ { .command = SPAMC_TELL_FORGET },
	    "TELL SPAMC/1.5\r\nRemove: local\r\nContent-length: 0\r\n\r\n" },
	{ { SPAMC_PING, BYTES_INIT("jo"), 1, true },
	    "PING SPAMC/1.5\r\n\r\n" },
};

static void
asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct buf b;

		buf_init(&b, 4096);
		spamc_add_request(&b, &requests[i].request);
		assert_string_equal(buf_string(&b), requests[i].expected);
		buf_finish(&b);
	}
}

/* --- replies with a score --- */

static const struct {
	enum spamc_command command;
	const char        *reply;
	int64_t            score, threshold;
	bool               is_spam;
	const char        *body;
} accepted[] = {
	{ SPAMC_PROCESS, OK "Content-length: 4\r\n" SPAM "\r\nA: b", 7500, 5000,
	    true, "A: b" },
	{ SPAMC_PROCESS, "SPAMD/1.1 0 EX_OK\nspam:no;-1.5/5\ncontent-LENGTH:2\n"
	                 "X-Other: 1\n\n\r\n", -1500, 5000, false, "\r\n" },
	{ SPAMC_SYMBOLS, OK "Content-length: 0\r\n" SPAM "\r\n", 7500, 5000, true,
	    "" },
	{ SPAMC_HEADERS, OK "Content-length: 6\r\n" SPAM "\r\nA: b\n\n", 7500, 5000,
	    true, "A: b\n\n" },
	{ SPAMC_SYMBOLS, OK "Content-length: 3\r\n" SPAM "\r\nA,B", 7500, 5000,
	    true, "A,B" },
	{ SPAMC_REPORT, OK "Content-length: 3\r\n" SPAM "\r\ntxt", 7500, 5000,
	    true, "txt" },
	{ SPAMC_REPORT_IF_SPAM, OK "Content-length: 0\r\n"
	                           "Spam: No ; 0.0 / 5.0\r\n\r\n", 0, 5000, false,
	    "" },
	{ SPAMC_CHECK, OK "Spam: True ; 1004.2 / 5.0\r\n\r\n", 1004200, 5000, true,
	    "" },
	/* spamd ends its shorter replies with more empty lines than it counts */
	{ SPAMC_CHECK, OK SPAM "\r\n\r\n", 7500, 5000, true, "" },
	{ SPAMC_TELL_HAM, OK "Content-length: 2\r\n\r\n\r\n", 0, 0, false, "" },
	{ SPAMC_TELL_SPAM, OK "\r\n\r\n", 0, 0, false, "" },
	{ SPAMC_PING, "SPAMD/1.5 0 PONG\r\n", 0, 0, false, "" },
};

static void
accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		struct bytes       whole = bytes_of(accepted[i].reply);
		struct spamc_reply r;

		assert_true(spamc_reply_read(whole, accepted[i].command, &r));
		assert_int_equal(r.score_milli, accepted[i].score);
		assert_int_equal(r.threshold_milli, accepted[i].threshold);
		assert_int_equal(r.is_spam, accepted[i].is_spam);
		assert_true(bytes_equal(r.body, bytes_of(accepted[i].body)));
	}
}

/* A beginning of a reply with a text is never taken for all of it. */
static void
accepts_no_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		struct bytes whole = bytes_of(accepted[i].reply);

		if (accepted[i].command >= SPAMC_CHECK &&
		    accepted[i].command != SPAMC_SYMBOLS)
			continue;
		for (size_t n = 0; n < whole.n; n++) {
			struct spamc_reply r;

			assert_false(spamc_reply_read(bytes_first(whole, n),
			    accepted[i].command, &r));
			assert_true(r.error.n > 0);
		}
	}
}

/* --- errors --- */

static const struct {
	enum spamc_command command;
	const char        *reply;
	uint64_t           code;
	const char        *error;
} refused[] = {
	{ SPAMC_PROCESS, "", 0, "no reply" },
	{ SPAMC_PROCESS, "SPAMD/1.1 0 EX_OK", 0, "reply cut short" },
	{ SPAMC_PROCESS, "hello\r\n\r\n", 0, "not a reply of spamd" },
	{ SPAMC_PROCESS, "SPAMD/1.1 zero EX_OK\r\n\r\n", 0, "garbled status line" },
	{ SPAMC_PROCESS, "SPAMD/1.0 69 Service Unavailable: x\r\n", 69,
	    "69 Service Unavailable: x" },
	{ SPAMC_CHECK, "SPAMD/1.0 79 Timeout: x\r\n\r\n", 79, "79 Timeout: x" },
	{ SPAMC_CHECK, "SPAMD/1.0 76 \x1b[31m\r\n", 76, "error code" },
	/* no score, or none that is a number */
	{ SPAMC_PROCESS, OK "Content-length: 3\r\n\r\nabc", 0, "no Spam header" },
	{ SPAMC_CHECK, OK "\r\n", 0, "no Spam header" },
	{ SPAMC_PROCESS, OK "Content-length: 3\r\nSpam: False ; nan / 5.0\r\n\r\nabc",
	    0, "garbled Spam header" },
	{ SPAMC_CHECK, OK "Spam: False ; 1,5 / 5.0\r\n\r\n", 0,
	    "garbled Spam header" },
	{ SPAMC_CHECK, OK SPAM SPAM "\r\n", 0, "two Spam headers" },
	/* a text of another length than was said */
	{ SPAMC_PROCESS, OK SPAM "\r\nabc", 0, "no Content-length" },
	{ SPAMC_PROCESS, OK "Content-length: 4\r\n" SPAM "\r\nabc", 0,
	    "reply cut short" },
	{ SPAMC_PROCESS, OK "Content-length: 2\r\n" SPAM "\r\nabc", 0,
	    "reply longer than its Content-length" },
	{ SPAMC_PROCESS, OK "Content-length: 18446744073709551615\r\n" SPAM "\r\nabc",
	    0, "reply cut short" },
	{ SPAMC_PROCESS, OK "Content-length: 18446744073709551616\r\n" SPAM "\r\nabc",
	    0, "bad Content-length" },
	{ SPAMC_PROCESS, OK "Content-length: -3\r\n" SPAM "\r\nabc", 0,
	    "bad Content-length" },
	{ SPAMC_CHECK, OK "Content-length: 9\r\n" SPAM "\r\nabc", 0,
	    "reply cut short" },
	{ SPAMC_PROCESS, OK "Content-length: 0\r\n" SPAM "\r\n", 0,
	    "reply without a message" },
	{ SPAMC_HEADERS, OK "Content-length: 0\r\n" SPAM "\r\n", 0,
	    "reply without a message" },
	{ SPAMC_PING, "SPAMD/1.5 0", 0, "reply cut short" },
	{ SPAMC_TELL_SPAM, "SPAMD/1.0 69 Service Unavailable: TELL\r\n", 69,
	    "69 Service Unavailable: TELL" },
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct spamc_reply r;

		assert_false(spamc_reply_read(
		    bytes_of(refused[i].reply), refused[i].command, &r));
		assert_true(bytes_equal(r.error, bytes_of(refused[i].error)));
		assert_true(printable_is(r.error));
		assert_int_equal(r.code, refused[i].code);
		assert_int_equal(r.body.n, 0);
	}
}

static const struct {
	const char *reply;
	bool        has_changed;
} told[] = {
	{ OK "DidSet: local\r\nContent-length: 2\r\n\r\n\r\n", true },
	{ OK "DidRemove: local\r\nContent-length: 2\r\n\r\n\r\n", true },
	{ OK "Content-length: 2\r\n\r\n\r\n", false },
	{ OK "\r\nDidSet: local\r\n", false },
};

static void
tells_what_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
		struct spamc_reply r;

		assert_true(spamc_reply_read(
		    bytes_of(told[i].reply), SPAMC_TELL_HAM, &r));
		assert_int_equal(r.has_changed, told[i].has_changed);
	}
}

static void
names_the_version(void **state)
{
	struct spamc_reply r;

	(void)state;
	assert_true(spamc_reply_read(
	    BYTES("SPAMD/1.5 0 PONG\r\n"), SPAMC_PING, &r));
	assert_true(bytes_equal(r.version, BYTES("1.5")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks),
		cmocka_unit_test(accepts),
		cmocka_unit_test(accepts_no_part),
		cmocka_unit_test(refuses),
		cmocka_unit_test(tells_what_changed),
		cmocka_unit_test(names_the_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
