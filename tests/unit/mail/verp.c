#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mail/verp.h"

static void
what_is_one(void **state)
{
	static const struct {
		const char *path;
		const char *base; /* NULL: it is none */
	} rows[] = {
		{ "list-@example.org-@[]", "list-@example.org" },
		{ "List-Joe@Example.ORG-@[]", "List-Joe@Example.ORG" },
		{ "\"a b-\"@example.org-@[]", "\"a b-\"@example.org" },
		{ "list-@[192.0.2.1]-@[]", "list-@[192.0.2.1]" },
		{ "", NULL },
		{ "-@[]", NULL },
		{ "@[]", NULL },
		{ "#@[]", NULL },
		{ "list--@[]", NULL },
		{ "list-@-@[]", NULL },
		{ "@example.org-@[]", NULL },
		{ "list-@example.org", NULL },
		{ "list-@example.org-@[]x", NULL },
		{ "list-@example.org-@[]-@[]", NULL },
		{ "list- @example.org-@[]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes path = bytes_of(rows[i].path);
		const char  *base = rows[i].base ? rows[i].base : rows[i].path;

		assert_int_equal(verp_is(path), rows[i].base != NULL);
		assert_true(bytes_equal(verp_base(path), bytes_of(base)));
	}
}

static void
what_a_recipient_gets(void **state)
{
	static const struct {
		const char *path, *recipient, *expected;
	} rows[] = {
		{ "list-@example.org-@[]", "joe@example.net",
		    "list-joe=example.net@example.org" },
		{ "List-@Example.org-@[]", "joe+tag@example.net",
		    "List-joe+tag=example.net@Example.org" },
		/* a base without a hyphen is qmail's as well */
		{ "list@example.org-@[]", "joe@example.net",
		    "listjoe=example.net@example.org" },
		/* what needs quotes has them once, around all */
		{ "list-@example.org-@[]", "\"a b\"@example.net",
		    "\"list-a b=example.net\"@example.org" },
		{ "list-@example.org-@[]", "\"a\\\"b\"@example.net",
		    "\"list-a\\\"b=example.net\"@example.org" },
		{ "list-@example.org-@[]", "\"a@b\"@example.net",
		    "\"list-a@b=example.net\"@example.org" },
		{ "\"my list-\"@example.org-@[]", "joe@example.net",
		    "\"my list-joe=example.net\"@example.org" },
		{ "list-@example.org-@[]", "joe@[192.0.2.1]",
		    "\"list-joe=[192.0.2.1]\"@example.org" },
		{ "list-@[tag:a@b]-@[]", "joe@[tag:c@d]",
		    "\"list-joe=[tag:c@d]\"@[tag:a@b]" },
		{ "list-@example.org-@[]", "Postmaster", "list-Postmaster@example.org" },
		/* others stay what they are */
		{ "", "joe@example.net", "" },
		{ "owner@example.org", "joe@example.net", "owner@example.org" },
		{ "-@[]", "joe@example.net", "-@[]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b;

		buf_init(&b, 1024);
		verp_add_for(
		    &b, bytes_of(rows[i].path), bytes_of(rows[i].recipient));
		assert_false(b.failed);
		assert_string_equal(buf_string(&b), rows[i].expected);
		buf_finish(&b);
	}
}

/* More than an address has here: it is what the list asked for. */
static void
long_ones(void **state)
{
	char       recipient[64 + 1 + 180 + 1];
	struct buf b;

	(void)state;
	memset(recipient, 'a', sizeof recipient - 1);
	recipient[64] = '@';
	recipient[sizeof recipient - 1] = '\0';
	buf_init(&b, 1024);
	verp_add_for(
	    &b, BYTES("list-@example.org-@[]"), bytes_of(recipient));
	assert_false(b.failed);
	assert_int_equal(b.len, strlen("list-@example.org") + strlen(recipient));
	buf_finish(&b);

	buf_init(&b, 32); /* no room: nothing that is cut */
	verp_add_for(
	    &b, BYTES("list-@example.org-@[]"), bytes_of(recipient));
	assert_true(b.failed);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_one),
		cmocka_unit_test(what_a_recipient_gets),
		cmocka_unit_test(long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
