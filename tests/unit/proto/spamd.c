#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/spamd.h"

static void
request(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	spamd_add_request(&b, 5000000000);
	assert_string_equal(buf_string(&b),
	    "SYMBOLS SPAMC/1.5\r\nContent-length: 5000000000\r\n\r\n");
	buf_finish(&b);
}

struct row {
	const char *reply;
	const char *tests;
	int64_t     score, threshold;
	bool        is_spam;
};

static const struct row accepted[] = {
	/* as spamd 4.0.1 writes it */
	{ "SPAMD/1.1 0 EX_OK\r\nContent-length: 13\r\n"
	  "Spam: True ; 1004.2 / 5.0\r\n\r\nGTUBE,NO_RELAY\r\n",
	    "GTUBE,NO_RELA", 1004200, 5000, true },
	{ "SPAMD/1.1 0 EX_OK\r\nContent-length: 14\r\n"
	  "Spam: False ; -1.9 / 5.0\r\n\r\nALL_TRUSTED\r\n\r\n",
	    "ALL_TRUSTED", -1900, 5000, false },
	{ "SPAMD/1.1 0 EX_OK\r\nContent-length: 2\r\n"
	  "Spam: False ; 0.0 / 5.0\r\n\r\n\r\n",
	    "", 0, 5000, false },
	/* any order and case, LF, unknown headers, blanks, no length */
	{ "SPAMD/1.5 0 EX_OK\nSPAM:Yes;6.1/5\nX-Other: 1\n\nA,B\n",
	    "A,B", 6100, 5000, true },
	{ "SPAMD/1.5 0\nspam :  no  ;  +6.1  /  5.125  \ncontent-LENGTH:0\n\nA",
	    "", 6100, 5125, false },
	{ "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15 / 5\r\n\r\n", "", 15000, 5000,
	    true },
};

static const char *const refused[] = {
	"",
	"\r\n",
	"HTTP/1.1 200 OK\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\n",
	"SPAMD/1.1 0 EX_OK\r\n\r\n",
	"SPAMD/1.1 OK\r\nSpam: True ; 1 / 5\r\n\r\n",
	"SPAMD/1.1\r\nSpam: True ; 1 / 5\r\n\r\n",
	"SPAMD/1.0 76 Bad header line: (EOF during headers)\r\n",
	"SPAMD/1.0 79 Timeout: (30 second timeout while trying to read)\r\n",
	"SPAMD/1.1 69 EX_UNAVAILABLE\r\nSpam: False ; 1 / 5\r\n\r\n",
	/* no score, two, or one that is no number */
	"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1 / 5\r\nSpam: False ; 1 / 5\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1 / 5\r\nspam: True ; 9 / 5\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; nan / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; inf / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1e3 / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1,5 / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / \r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: Maybe ; 1.0 / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: 1.0 / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0 / 7.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 9999999999 / 5.0\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nSpam:\r\n\r\n",
	/* a header that is none; a score in the body does not count */
	"SPAMD/1.1 0 EX_OK\r\nSpam\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\n\r\nSpam: False ; 1.0 / 5.0\r\n\r\n",
	/* cut short */
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0",
	"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0\r\n",
	"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: False ; 1.0 / 5.0\r\n\r\nA,B",
	/* lengths */
	"SPAMD/1.1 0 EX_OK\nContent-length: 0\nContent-length: 0\nSpam: No ; 1 / 5\n\n",
	"SPAMD/1.1 0 EX_OK\r\nContent-length: -1\r\nSpam: False ; 1 / 5\r\n\r\n",
	"SPAMD/1.1 0 EX_OK\r\nContent-length: 65537\r\nSpam: False ; 1 / 5\r\n\r\n",
};

static void
accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		const struct row  *row = &accepted[i];
		struct spamd_reply r;

		assert_int_equal(SPAMD_SCORE,
		    spamd_read_reply(bytes_of(row->reply), true, &r));
		assert_int_equal(r.score_milli, row->score);
		assert_int_equal(r.threshold_milli, row->threshold);
		assert_int_equal(r.is_spam, row->is_spam);
		assert_true(bytes_equal(r.tests, bytes_of(row->tests)));
	}
}

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct spamd_reply r;

		assert_int_equal(SPAMD_ERROR,
		    spamd_read_reply(bytes_of(refused[i]), true, &r));
		assert_true(r.error.n > 0);
	}
}

/* A beginning of a good reply is never an error, and never another score. */
static void
arrives_in_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		struct bytes whole = bytes_of(accepted[i].reply);

		for (size_t n = 0; n < whole.n; n++) {
			struct spamd_reply r;

			if (spamd_read_reply(bytes_first(whole, n), false, &r) ==
			    SPAMD_MORE)
				continue;
			assert_int_equal(r.error.n, 0);
			assert_int_equal(r.score_milli, accepted[i].score);
			assert_true(bytes_equal(
			    r.tests, bytes_of(accepted[i].tests)));
		}
	}
}

/* With a length the reply is whole before the connection ends. */
static void
ends_by_its_length(void **state)
{
	struct spamd_reply r;

	(void)state;
	assert_int_equal(SPAMD_MORE, spamd_read_reply(
	    BYTES("SPAMD/1.1 0 EX_OK\nContent-length: 3\nSpam: No ; 1 / 5\n\nA,"),
	    false, &r));
	assert_int_equal(SPAMD_SCORE, spamd_read_reply(
	    BYTES("SPAMD/1.1 0 EX_OK\nContent-length: 3\nSpam: No ; 1 / 5\n\nA,B"),
	    false, &r));
	assert_true(bytes_equal(r.tests, BYTES("A,B")));
	assert_int_equal(SPAMD_MORE, spamd_read_reply(
	    BYTES("SPAMD/1.1 0 EX_OK\nSpam: No ; 1 / 5\n\nA,B"), false, &r));
}

static void
names_the_error(void **state)
{
	struct spamd_reply r;

	(void)state;
	spamd_read_reply(BYTES("SPAMD/1.0 79 Timeout: slow\r\n"), false, &r);
	assert_true(bytes_equal(r.error, BYTES("79 Timeout: slow")));
	spamd_read_reply(BYTES("SPAMD/1.0 79 \x1b[31m\r\n"), false, &r);
	assert_true(bytes_equal(r.error, BYTES("error code")));
}

static void
is_bounded(void **state)
{
	static char        text[SPAMD_REPLY_MAX];
	struct spamd_reply r;
	struct bytes       all = { text, sizeof text };

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "SPAMD/1.1 0 ", 12);
	assert_int_equal(SPAMD_MORE,
	    spamd_read_reply(bytes_first(all, all.n - 1), false, &r));
	assert_int_equal(SPAMD_ERROR, spamd_read_reply(all, false, &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(arrives_in_pieces),
		cmocka_unit_test(ends_by_its_length),
		cmocka_unit_test(names_the_error),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
