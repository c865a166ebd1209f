#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "service/route_passwords.h"

static void
assert_bytes(struct bytes b, const char *expected)
{
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p ? b.p : "", expected, b.n);
}

/* What is added is found, whatever stands in it. */
static void
test_there_and_back(void **state)
{
	static const char *const rows[][2] = {
		{ "example.net", "one" },
		{ ".example.net", " two  words " },
		{ "*", "* three" },
		{ "[192.0.2.1]", "\xc3\xbc" },
	};
	struct buf text;

	(void)state;
	buf_init(&text, 1000);
	for (size_t i = 0; i < 4; i++)
		route_passwords_add(
		    &text, bytes_of(rows[i][0]), bytes_of(rows[i][1]));
	for (size_t i = 0; i < 4; i++)
		assert_bytes(route_passwords_find(
		    buf_bytes(&text), bytes_of(rows[i][0])), rows[i][1]);
	buf_finish(&text);
}

static void
test_find(void **state)
{
	static const struct {
		const char *text, *domain, *found;
	} rows[] = {
		{ "", "a", "" },
		{ "a x\n", "b", "" },
		{ "a x\n", "", "" },
		{ "aa x\na y\n", "a", "y" },
		{ "a x", "a", "x" },
		{ "a\nb y\n", "a", "" },
		{ "b a\n", "a", "" },
		{ "\n\na x\n", "a", "x" },
		{ "a x\nb y\n", "b y", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_bytes(route_passwords_find(bytes_of(rows[i].text),
		    bytes_of(rows[i].domain)), rows[i].found);
}

static void
test_faults(void **state)
{
	static const struct {
		struct bytes password;
		const char  *fault;
	} rows[] = {
		{ BYTES_INIT("secret"), NULL },
		{ BYTES_INIT(" "), NULL },
		{ BYTES_INIT("\xc3\xbc\xff"), NULL },
		{ BYTES_INIT(""), "there is no password in it" },
		{ BYTES_INIT("a\nb"), "holds more than one line of text" },
		{ BYTES_INIT("a\n"), "holds more than one line of text" },
		{ BYTES_INIT("a\rb"), "holds more than one line of text" },
		{ BYTES_INIT("a\0b"), "holds more than one line of text" },
		{ BYTES_INIT("\x7f"), "holds more than one line of text" },
	};
	char         text[ROUTE_PASSWORD_MAX + 1];
	struct bytes longest = { text, ROUTE_PASSWORD_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *fault = route_password_fault(rows[i].password);

		assert_string_equal(
		    fault ? fault : "", rows[i].fault ? rows[i].fault : "");
	}
	memset(text, 'x', sizeof text);
	assert_null(route_password_fault(longest));
	longest.n++;
	assert_string_equal(
	    route_password_fault(longest), "is too long for a password");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
