#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "hiq/probe.h"
#include "io/clock.h"

#include "scripts.h"

enum { FILTERS = 3 };

struct row {
	const char      *programs[FILTERS]; /* NULL: spamd that is not there */
	enum filter_kind kinds[FILTERS];
	const char      *error;             /* NULL: may be used */
};

static void
probes(void **state)
{
	static const struct endpoint nobody = {
		ENDPOINT_UNIX, BYTES_INIT("/nonexistent"),
		BYTES_INIT("/nonexistent"), 0 };
	static const char *const     names[FILTERS] = { "a", "b", "c" };
	static const struct row      rows[] = {
		{ { "exit 0", "cat", NULL },
		    { FILTER_CHECK, FILTER_COMMAND, FILTER_SPAMD }, NULL },
		{ { NULL, "exit 0", "exit 1" },
		    { FILTER_SPAMD, FILTER_CHECK, FILTER_CHECK },
		    "filter \"c\" says red to a harmless message" },
		{ { "cat", "echo reason all mail is spam >&3; exit 1", "exit 1" },
		    { FILTER_COMMAND, FILTER_CHECK, FILTER_CHECK },
		    "filter \"b\" says red to a harmless message: "
		    "all mail is spam" },
		{ { "exit 2", "exit 0", "exit 0" },
		    { FILTER_CHECK, FILTER_CHECK, FILTER_CHECK },
		    "filter \"a\" says yellow to a harmless message" },
		{ { "exit 127", "exit 0", "exit 0" },
		    { FILTER_CHECK, FILTER_CHECK, FILTER_CHECK },
		    "filter \"a\" says error to a harmless message: "
		    "exit code 127" },
		{ { "exit 0", "cat >/dev/null", "exit 0" },
		    { FILTER_CHECK, FILTER_COMMAND, FILTER_CHECK },
		    "filter \"b\" says error to a harmless message: "
		    "it wrote no message" },
		{ { "exit 0", "sleep 60", "exit 0" },
		    { FILTER_CHECK, FILTER_CHECK, FILTER_CHECK },
		    "filter \"b\" says error to a harmless message: "
		    "no answer in 1 s" },
		/* it is a message, with a sender and recipients */
		{ { "grep -q '^Message-ID: <.*.mx.example>$'",
		      "grep -q '^Date: ..., '",
		      "test \"$SENDER $RECIPIENTS\" = 'postmaster postmaster'" },
		    { FILTER_CHECK, FILTER_CHECK, FILTER_CHECK }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct config_filter list[FILTERS];
		struct filters       filters = { .list = list, .n = FILTERS,
			      .hostname = BYTES_INIT("mx.example"),
			      .message_max = 100 * 1000 };
		char                 error[256] = "";
		uint64_t             began_ms = clock_monotonic_ms();

		for (size_t k = 0; k < FILTERS; k++) {
			const char *text = rows[i].programs[k];

			list[k] = script_filter(
			    names[k], rows[i].kinds[k], text ? text : "exit 1");
			list[k].timeout_ms = 1000;
			list[k].code_colour[2] = COLOUR_YELLOW;
			list[k].spamd = (struct endpoint_list){ &nobody, 1 };
		}
		assert_int_equal(probe_filters(&filters, error, sizeof error),
		    rows[i].error == NULL);
		assert_string_equal(error, rows[i].error ? rows[i].error : "");
		assert_true(clock_monotonic_ms() - began_ms < 10 * 1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes),
	};

	return cmocka_run_group_tests(tests, scripts_begin, scripts_end);
}
