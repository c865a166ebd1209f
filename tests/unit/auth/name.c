#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "auth/name.h"

static const struct {
	struct bytes typed;
	const char  *user; /* "": nobody's */
} rows[] = {
	{ BYTES_INIT("alice"), "alice" },
	{ BYTES_INIT("ALICE"), "alice" },
	{ BYTES_INIT("alice@example.org"), "alice" },
	{ BYTES_INIT("Alice@EXAMPLE.net"), "alice" },
	{ BYTES_INIT("a.b-c_d0"), "a.b-c_d0" },
	{ BYTES_INIT("abcdefghijklmnopqrstuvwxyz01234"),
	    "abcdefghijklmnopqrstuvwxyz01234" },
	{ BYTES_INIT("abcdefghijklmnopqrstuvwxyz012345"), "" },
	{ BYTES_INIT("alice@elsewhere.example"), "" },
	{ BYTES_INIT("alice@sub.example.org"), "" },
	{ BYTES_INIT("alice@example.or"), "" },
	{ BYTES_INIT("alice@example.org."), "" },
	{ BYTES_INIT("alice@"), "" },
	{ BYTES_INIT("@example.org"), "" },
	{ BYTES_INIT("alice@example.org@example.org"), "" },
	{ BYTES_INIT(""), "" },
	{ BYTES_INIT("alice "), "" },
	{ BYTES_INIT("../alice"), "" },
	{ BYTES_INIT("alice\0"), "" },
	{ BYTES_INIT("alice\0x@example.org"), "" },
	{ BYTES_INIT("alice:x"), "" },
	{ BYTES_INIT("alice\n"), "" },
	{ BYTES_INIT("al\303\255ce"), "" },
	{ BYTES_INIT("-alice"), "" },
};

static void
names(void **state)
{
	static const struct bytes    ours[] = { BYTES_INIT("example.org"),
		   BYTES_INIT("example.net") };
	const struct bytes_list domains = { ours, 2 };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char user[NAME_MAX_BYTES + 1] = "rubbish";

		assert_int_equal(name_of_user(&domains, rows[i].typed, user),
		    rows[i].user[0] != '\0');
		assert_string_equal(user, rows[i].user);
	}
}

/* Without domains only the bare name is one. */
static void
no_domains(void **state)
{
	const struct bytes_list none = { NULL, 0 };
	char                    user[NAME_MAX_BYTES + 1];

	(void)state;
	assert_true(name_of_user(&none, BYTES("alice"), user));
	assert_false(name_of_user(&none, BYTES("alice@example.org"), user));
	assert_false(name_of_user(&none, BYTES("alice@"), user));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(no_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
