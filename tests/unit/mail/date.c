#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/date.h"

struct row {
	uint64_t    seconds;
	const char *rfc5322, *rfc3339;
};

static const struct row rows[] = {
	{ 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00Z" },
	{ 946684799, "Fri, 31 Dec 1999 23:59:59 +0000", "1999-12-31T23:59:59Z" },
	{ 951827696, "Tue, 29 Feb 2000 12:34:56 +0000", "2000-02-29T12:34:56Z" },
	{ 951868800, "Wed, 1 Mar 2000 00:00:00 +0000", "2000-03-01T00:00:00Z" },
	{ 978307200, "Mon, 1 Jan 2001 00:00:00 +0000", "2001-01-01T00:00:00Z" },
	{ 1704067199, "Sun, 31 Dec 2023 23:59:59 +0000", "2023-12-31T23:59:59Z" },
	{ 1709251199, "Thu, 29 Feb 2024 23:59:59 +0000", "2024-02-29T23:59:59Z" },
	{ 1795563038, "Tue, 24 Nov 2026 23:30:38 +0000", "2026-11-24T23:30:38Z" },
	{ 2147483648, "Tue, 19 Jan 2038 03:14:08 +0000", "2038-01-19T03:14:08Z" },
	/* 2100 is no leap year, 2400 is one */
	{ 4107542399, "Sun, 28 Feb 2100 23:59:59 +0000", "2100-02-28T23:59:59Z" },
	{ 4107542400, "Mon, 1 Mar 2100 00:00:00 +0000", "2100-03-01T00:00:00Z" },
	{ 13574563200, "Tue, 29 Feb 2400 00:00:00 +0000", "2400-02-29T00:00:00Z" },
	{ 253402300799, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z" },
};

static void
check(uint64_t now_ms, const struct row *row)
{
	struct buf b;

	buf_init(&b, 100);
	date_add_rfc5322(&b, now_ms);
	assert_string_equal(buf_string(&b), row->rfc5322);
	buf_clear(&b);
	date_add_rfc3339(&b, now_ms);
	assert_string_equal(buf_string(&b), row->rfc3339);
	buf_finish(&b);
}

static void
known_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check(rows[i].seconds * 1000, &rows[i]);
		check(rows[i].seconds * 1000 + 999, &rows[i]);
	}
}

/* Every day of 800 years, counted by the rule of the calendar. */
static void
every_day_follows_the_last(void **state)
{
	static const unsigned lengths[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t   day = 0;
	struct buf expected, b;

	(void)state;
	buf_init(&expected, 100);
	buf_init(&b, 100);
	for (unsigned year = 1970; year < 2770; year++)
		for (unsigned month = 0; month < 12; month++) {
			bool leap = year % 4 == 0 &&
			    (year % 100 != 0 || year % 400 == 0);
			unsigned n = lengths[month] + (month == 1 && leap);

			for (unsigned d = 1; d <= n; d++) {
				buf_clear(&expected);
				buf_addf(&expected, "%04u-%02u-%02uT00:00:00Z",
				    year, month + 1, d);
				buf_clear(&b);
				date_add_rfc3339(&b, day++ * 86400000);
				assert_string_equal(buf_string(&b),
				    buf_string(&expected));
			}
		}
	buf_finish(&expected);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_dates),
		cmocka_unit_test(every_day_follows_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
