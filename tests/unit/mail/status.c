#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/status.h"

static void
good_codes_come_back_as_they_were(void **state)
{
	static const struct {
		const char   *text;
		struct status status;
	} rows[] = {
		{ "2.0.0", { 2, 0, 0 } },
		{ "4.3.0", { 4, 3, 0 } },
		{ "5.7.1", { 5, 7, 1 } },
		{ "5.999.999", { 5, 999, 999 } },
		{ "4.10.100", { 4, 10, 100 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct status s;
		struct buf    b;

		assert_true(status_parse(bytes_of(rows[i].text), &s));
		assert_int_equal(s.class, rows[i].status.class);
		assert_int_equal(s.subject, rows[i].status.subject);
		assert_int_equal(s.detail, rows[i].status.detail);
		buf_init(&b, 20);
		status_add(&b, s);
		assert_string_equal(buf_string(&b), rows[i].text);
		buf_finish(&b);
	}
}

static void
bad_codes_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "5", "5.", "5.7", "5.7.", "5..1", ".7.1", "5.7.1.", "5.7.1.1",
		"1.0.0", "3.0.0", "0.0.0", "6.0.0", "9.0.0", "05.0.0", "55.0.0",
		"5.1000.0", "5.0.1000", "5.0007.1", "5.7.0001", "5.7.1 ", " 5.7.1",
		"5.-7.1", "5.7.x", "#5.7.1", "5,7,1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct status s = STATUS(4, 5, 6);

		assert_false(status_parse(bytes_of(bad[i]), &s));
		assert_int_equal(s.class, 4);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_codes_come_back_as_they_were),
		cmocka_unit_test(bad_codes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
