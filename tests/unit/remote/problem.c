#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/network.h"
#include "remote/problem.h"

static const uint64_t noon_ms = 1795608000000; /* 2026-11-25 12:00 */

static void
outcomes(void **state)
{
	static const struct {
		enum problem_kind kind;
		struct status     status;
		enum outcome_kind outcome;
		unsigned          class;
	} rows[] = {
		{ PROBLEM_TEMPORARY, { 4, 4, 1 }, OUTCOME_DEFERRED, 4 },
		{ PROBLEM_TLS, { 4, 7, 5 }, OUTCOME_DEFERRED, 4 },
		{ PROBLEM_OURS, { 5, 1, 2 }, OUTCOME_DEFERRED, 4 },
		{ PROBLEM_PERMANENT, { 5, 1, 2 }, OUTCOME_FAILED, 5 },
		/* whatever a server says, the class is that of the outcome */
		{ PROBLEM_PERMANENT, { 2, 0, 0 }, OUTCOME_FAILED, 5 },
		{ PROBLEM_TEMPORARY, { 0, 0, 0 }, OUTCOME_DEFERRED, 4 },
		{ PROBLEM_LOOP, { 5, 4, 6 }, OUTCOME_FAILED, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct problem p = { .kind = PROBLEM_NONE };
		struct outcome o;

		problem_set_reply(&p, rows[i].kind, rows[i].status, BYTES("what it said"));
		o = problem_outcome(&p);
		assert_int_equal(o.kind, rows[i].outcome);
		assert_int_equal(o.status.class, rows[i].class);
		assert_int_equal(o.status.detail, rows[i].status.detail);
		assert_true(o.is_reply && !o.is_down);
		assert_true(bytes_equal(o.text, BYTES("what it said")));
		assert_int_equal(o.host.n, 0);
	}
}

static void
hosts(void **state)
{
	static const struct {
		const char *name, *address, *host;
	} rows[] = {
		{ "mx.far.example", "192.0.2.1", "mx.far.example [192.0.2.1]" },
		{ "mx.far.example", "2001:db8::1", "mx.far.example [2001:db8::1]" },
		{ "", "192.0.2.1", "[192.0.2.1]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct problem p = { .kind = PROBLEM_NONE };
		uint8_t        address[16];

		assert_true(network_parse_address(bytes_of(rows[i].address), address));
		problem_set_host(&p, bytes_of(rows[i].name), address);
		assert_string_equal(p.host, rows[i].host);
	}
}

/* A stranger's text: one line, printable, bounded. */
static void
texts_are_tame(void **state)
{
	struct problem p = { .kind = PROBLEM_NONE };
	char           text[4 * PROBLEM_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof text);
	problem_set_reply(&p, PROBLEM_TEMPORARY, STATUS(4, 0, 0),
	    (struct bytes){ text, sizeof text });
	assert_int_equal(strlen(p.text), PROBLEM_TEXT_MAX);
	problem_set_reply(&p, PROBLEM_TEMPORARY, STATUS(4, 0, 0),
	    BYTES("421 a\r\nRCPT TO:<b>\x1b[2J\xff"));
	assert_string_equal(p.text, "421 a RCPT TO:<b>?[2J?");
	problem_set(&p, PROBLEM_TEMPORARY, STATUS(4, 0, 0), "%s", "a\nb");
	assert_string_equal(p.text, "a b");
	assert_false(p.is_reply);
}

static void
down(void **state)
{
	struct problem p = { .kind = PROBLEM_NONE };
	char           text[512], small[40];
	struct outcome o;

	(void)state;
	problem_set(&p, PROBLEM_TEMPORARY, STATUS(4, 4, 1), "connection refused");
	o = problem_outcome_of_down(&p, noon_ms, text, sizeof text);
	assert_string_equal(
	    text, "connection refused; tried again at 2026-11-25T12:00:00Z");
	assert_true(o.is_down && o.kind == OUTCOME_DEFERRED);

	strcpy(p.host, "mx.far.example [192.0.2.1]");
	o = problem_outcome_of_down(&p, noon_ms, text, sizeof text);
	assert_string_equal(text, "mx.far.example [192.0.2.1]: connection refused; "
	                          "tried again at 2026-11-25T12:00:00Z");

	problem_set_reply(
	    &p, PROBLEM_TEMPORARY, STATUS(4, 3, 2), BYTES("421 4.3.2 busy"));
	o = problem_outcome_of_down(&p, noon_ms, text, sizeof text);
	assert_string_equal(text, "mx.far.example [192.0.2.1] said 421 4.3.2 busy; "
	                          "tried again at 2026-11-25T12:00:00Z");
	assert_false(o.is_reply); /* it was not said about this one */
	assert_true(o.text.p == text);

	problem_outcome_of_down(&p, noon_ms, small, sizeof small);
	assert_true(strlen(small) < sizeof small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(hosts),
		cmocka_unit_test(texts_are_tame),
		cmocka_unit_test(down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
