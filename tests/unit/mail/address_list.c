#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/address_list.h"

/* What is read, one after the other, a blank between; '!' before what is broken. */
static const struct {
	const char *value;
	const char *read;
} rows[] = {
	{ "", "" },
	{ " jo@example.net", "jo@example.net" },
	{ "jo", "jo" },
	{ "jo@example.net, al@example.org", "jo@example.net al@example.org" },
	{ "Jo Doe <jo@example.net>", "jo@example.net" },
	{ "\"Doe, Jo\" <jo@example.net>, al", "jo@example.net al" },
	{ "\"Jo \\\"<x@y>\\\" Doe\" <jo@example.net>", "jo@example.net" },
	{ "jo@example.net (Jo (the) Doe, <x@y>)", "jo@example.net" },
	{ "jo(a)@(b)example.net", "jo@example.net" },
	{ "jo @ example . net", "jo@example.net" },
	{ "Jo\n Doe\n\t<jo@example.net>,\n al@example.org", "jo@example.net al@example.org" },
	{ "friends: jo@example.net, Al <al@example.org>;", "jo@example.net al@example.org" },
	{ "undisclosed-recipients:;", "" },
	{ "a: x@y; , b: z@y;", "x@y z@y" },
	{ ",, jo@example.net ,,", "jo@example.net" },
	{ "<@relay.example,@b.example:jo@example.net>", "jo@example.net" },
	{ "\"jo doe\"@example.net", "\"jo doe\"@example.net" },
	{ "jo@[192.0.2.1], <al@[IPv6:2001:db8::1]>", "jo@[192.0.2.1] al@[IPv6:2001:db8::1]" },
	/* what is no address is said, and the next one is still read */
	{ "Jo Doe, al@example.org", "!Jo Doe al@example.org" },
	{ "<jo@example.net", "!<jo@example.net" },
	{ "jo@example.net>, al", "!jo@example.net> al" },
	{ "<a@b> <c@d>, al", "!<a@b> <c@d> al" },
	{ "<>, al", "!<> al" },
	{ "\"jo@example.net", "!\"jo@example.net" },
	{ "(jo@example.net", "!(jo@example.net" },
	{ "<a@b> trailing, al", "!<a@b> trailing al" },
	{ "a: b: x@y;;", "!b x@y !" },
	{ "x@y;", "!x@y" },
};

static void
read_all(const char *value, struct buf *read)
{
	struct arena             arena;
	struct address_list      list;
	struct bytes             out;
	enum address_list_result result;

	arena_init(&arena, 1000000);
	list = address_list_of(bytes_of(value), &arena);
	while ((result = address_list_next(&list, &out)) != ADDRESS_LIST_END) {
		if (read->len > 0)
			buf_add_char(read, ' ');
		if (result == ADDRESS_LIST_BROKEN)
			buf_add_char(read, '!');
		buf_add_bytes(read, out);
	}
	arena_finish(&arena);
}

static void
test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf read;

		buf_init(&read, 10000);
		read_all(rows[i].value, &read);
		assert_string_equal(buf_string(&read), rows[i].read);
		buf_finish(&read);
	}
}

static void
test_depth(void **state)
{
	char       deep[2 * ADDRESS_COMMENTS_MAX + 16] = "";
	struct buf read;

	(void)state;
	for (unsigned n = ADDRESS_COMMENTS_MAX; n <= ADDRESS_COMMENTS_MAX + 1; n++) {
		deep[0] = '\0';
		for (unsigned i = 0; i < n; i++)
			strcat(deep, "(");
		for (unsigned i = 0; i < n; i++)
			strcat(deep, ")");
		strcat(deep, "a@b");
		buf_init(&read, 10000);
		read_all(deep, &read);
		if (n == ADDRESS_COMMENTS_MAX)
			assert_string_equal(buf_string(&read), "a@b");
		else
			assert_int_equal(buf_string(&read)[0], '!');
		buf_finish(&read);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
