#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/maildrop.h"

enum { LIST_MAX = 4096 };

static const char uid_70[] = "!2345678901234567890123456789012345678901234567890123456"
			     "7890123456789~";

static void
add(struct buf *b, uint64_t octets, const char *uid)
{
	struct maildrop_message message = { octets, bytes_of(uid) };

	maildrop_add(b, &message);
}

static void
test_round_trip(void **state)
{
	static const struct {
		uint64_t    octets;
		const char *uid;
	} rows[] = {
		{ 0, "!" },
		{ 320, "1764028800.01081g81860s40i.3.mx" },
		{ 0x0102030405, "~" },
		{ MAILDROP_OCTETS_MAX, uid_70 },
	};
	size_t     n = sizeof rows / sizeof *rows;
	struct buf list;

	(void)state;
	buf_init(&list, LIST_MAX);
	for (size_t i = 0; i < n; i++)
		add(&list, rows[i].octets, rows[i].uid);
	assert_false(list.failed);
	assert_int_equal(list.len, n * MAILDROP_RECORD);
	assert_true(maildrop_is_list(buf_bytes(&list), n));
	for (size_t i = 0; i < n; i++) {
		struct maildrop_message got = maildrop_at(buf_bytes(&list), i);

		assert_true(got.octets == rows[i].octets);
		assert_true(bytes_equal(got.uid, bytes_of(rows[i].uid)));
	}
	assert_false(maildrop_is_list(buf_bytes(&list), n - 1));
	assert_false(maildrop_is_list(buf_bytes(&list), n + 1));
	assert_false(maildrop_is_list(bytes_from(buf_bytes(&list), 1), n));
	buf_finish(&list);
}

static void
test_is_list(void **state)
{
	(void)state;
	assert_true(maildrop_is_list((struct bytes){ NULL, 0 }, 0));
	assert_false(maildrop_is_list((struct bytes){ NULL, 0 }, 1));
	assert_false(maildrop_is_list(BYTES("x"), 0));
	/* a number that would wrap the product is no number of records */
	assert_false(maildrop_is_list(
	    (struct bytes){ NULL, 0 }, SIZE_MAX / MAILDROP_RECORD + 1));
}

/* What never comes into a list by maildrop_add. */
static void
test_add_refuses(void **state)
{
	static const struct {
		uint64_t    octets;
		const char *uid;
	} rows[] = {
		{ 1, "" },
		{ 1, "a b" },
		{ 1, "a\n" },
		{ 1, "a\r\n2 b" },
		{ 1, "\x7f" },
		{ 1, "\x80" },
		{ MAILDROP_OCTETS_MAX + 1, "a" },
		{ UINT64_MAX, "a" },
	};
	struct buf list;
	char       uid_71[72];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_init(&list, LIST_MAX);
		add(&list, rows[i].octets, rows[i].uid);
		assert_true(list.failed && list.len == 0);
		buf_finish(&list);
	}
	memset(uid_71, 'a', sizeof uid_71);
	uid_71[71] = '\0';
	buf_init(&list, LIST_MAX);
	add(&list, 1, uid_71);
	assert_true(list.failed);
	buf_finish(&list);
}

/* One byte of a good list after the other, every value: it is refused, or reads well. */
static void
test_any_byte(void **state)
{
	struct buf list;

	(void)state;
	buf_init(&list, LIST_MAX);
	add(&list, 320, "first");
	add(&list, 12, uid_70);
	for (size_t at = 0; at < list.len; at++)
		for (unsigned value = 0; value < 256; value++) {
			char                    was = list.p[at];
			struct maildrop_message got;

			list.p[at] = (char)value;
			if (maildrop_is_list(buf_bytes(&list), 2)) {
				got = maildrop_at(buf_bytes(&list), at / MAILDROP_RECORD);
				assert_true(got.octets <= MAILDROP_OCTETS_MAX);
				assert_in_range(got.uid.n, 1, MAILDROP_UID_MAX);
				for (size_t i = 0; i < got.uid.n; i++)
					assert_in_range(got.uid.p[i], 0x21, 0x7e);
			}
			list.p[at] = was;
		}
	list.p[8] = 71;
	assert_false(maildrop_is_list(buf_bytes(&list), 2));
	buf_finish(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_is_list),
		cmocka_unit_test(test_add_refuses),
		cmocka_unit_test(test_any_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
