#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "mail/suggest.h"

static const char *const names[] = { "hostname", "domains", "root", "red",
	"sessions", "sessions_per_address" };

struct row {
	const char *wrong;
	const char *nearest; /* NULL: nothing is near */
};

static const struct row rows[] = {
	{ "hostnmae", "hostname" },     /* swapped */
	{ "hostnam", "hostname" },      /* lost */
	{ "hosttname", "hostname" },    /* added */
	{ "hostnime", "hostname" },     /* changed */
	{ "Hostname", "hostname" },
	{ "hstnmae", "hostname" },      /* two */
	{ "hstnma", NULL },             /* three */
	{ "domain", "domains" },
	{ "session", "sessions" },
	{ "roto", "root" },
	{ "toor", NULL },               /* half of a short name */
	{ "rd", "red" },
	{ "reef", NULL },
	{ "", NULL },
	{ "x", NULL },
	{ "sessions_per_address_sessions_per_address", NULL },
};

static void
test_nearest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct suggestion s = suggestion_for(bytes_of(rows[i].wrong));

		for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
			suggestion_offer(&s, names[j]);
		if (rows[i].nearest == NULL)
			assert_null(s.nearest);
		else
			assert_string_equal(s.nearest, rows[i].nearest);
	}
}

static void
test_text(void **state)
{
	struct suggestion s = suggestion_for(BYTES("roott"));
	char              text[SUGGESTION_TEXT];

	(void)state;
	assert_string_equal(suggestion_text(&s, text), "");
	suggestion_offer(&s, "root");
	assert_string_equal(
	    suggestion_text(&s, text), "; did you mean \"root\"?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
