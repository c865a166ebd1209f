#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "deliver/delivered_to.h"

static const struct {
	const char *message;
	bool        found;
} rows[] = {
	{ "Delivered-To: joe@example.org\n\n", true },
	{ "DELIVERED-TO:JOE@example.org \n\n", true },
	{ "Delivered-To: joe@example.org", true },
	{ "A: b\nDelivered-To: joe@example.org\nC: d\n\ne\n", true },
	{ "Delivered-To: ann@example.org\nDelivered-To: joe@example.org\n", true },
	{ "Delivered-To:\n joe@example.org\nA: b\n\n", true },
	{ "Delivered-To: joe@example.orgx\n\n", false },
	{ "Delivered-To: xjoe@example.org\n\n", false },
	{ "Delivered-To: joe@example.org, ann@example.org\n\n", false },
	{ "Delivered-To: joe@example.org\n x\n\n", false },
	{ "X-Delivered-To: joe@example.org\n\n", false },
	{ "A: b\n Delivered-To: joe@example.org\n\n", false },
	{ "A: b\n\nDelivered-To: joe@example.org\n", false },
	{ "\nDelivered-To: joe@example.org\n", false },
	{ "Delivered-To:\n\n", false },
	{ "", false },
};

/* Every way to cut a message in two, and byte by byte, gives the same answer. */
static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes        all = bytes_of(rows[i].message);
		struct delivered_to single = { .recipient =
			                           BYTES("joe@example.org") };

		for (size_t cut = 0; cut <= all.n; cut++) {
			struct delivered_to d = { .recipient =
				                      BYTES("joe@example.org") };

			delivered_to_feed(&d, bytes_first(all, cut));
			delivered_to_feed(&d, bytes_from(all, cut));
			assert_int_equal(delivered_to_end(&d), rows[i].found);
		}
		for (size_t at = 0; at < all.n; at++)
			delivered_to_feed(
			    &single, bytes_first(bytes_from(all, at), 1));
		assert_int_equal(delivered_to_end(&single), rows[i].found);
	}
}

static void
test_long_field(void **state)
{
	char                text[3 * DELIVERED_TO_FIELD];
	struct delivered_to d = { .recipient = BYTES("joe@example.org") };

	(void)state;
	memset(text, ' ', sizeof text);
	memcpy(text, "Delivered-To:", 13);
	delivered_to_feed(&d, (struct bytes){ text, sizeof text });
	delivered_to_feed(&d, BYTES("joe@example.org\n"));
	assert_false(d.is_found);
	/* and the next field is read again */
	delivered_to_feed(&d, BYTES("Delivered-To: joe@example.org\n\n"));
	assert_true(delivered_to_end(&d));
}

/* Nobody's address: <> is delivered to no one, and matches nothing. */
static void
test_no_recipient(void **state)
{
	struct delivered_to d = { .recipient = BYTES("") };

	(void)state;
	delivered_to_feed(&d, BYTES("Delivered-To: \n\n"));
	assert_false(delivered_to_end(&d));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_field),
		cmocka_unit_test(test_no_recipient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
