#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

static void
everything_is_added_in_order(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_add(&b, "a\0b", 3);
	buf_add(&b, NULL, 0);
	buf_add_bytes(&b, BYTES(" bytes"));
	buf_add_string(&b, " string");
	buf_add_char(&b, ' ');
	buf_add_number(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_number(&b, UINT64_MAX);
	buf_addf(&b, " %d-%s", 7, "f");
	assert_true(bytes_equal(buf_bytes(&b),
	    BYTES("a\0b bytes string 0 18446744073709551615 7-f")));
	assert_false(b.failed);
	buf_finish(&b);
}

/* Each way to write must be able to fill the buffer, and not one byte more. */
static void
write_five(struct buf *b, int way)
{
	switch (way) {
	case 0: buf_add(b, "12345", 5); break;
	case 1: buf_add_string(b, "12345"); break;
	case 2: buf_add_number(b, 12345); break;
	case 3: buf_addf(b, "%d", 12345); break;
	case 4:
		if (buf_room(b, 5)) {
			memcpy(buf_room(b, 5), "12345", 5);
			buf_grew(b, 5);
		}
		break;
	}
}

static void
the_maximum_can_be_reached_but_not_passed(void **state)
{
	(void)state;
	for (int way = 0; way < 5; way++) {
		struct buf b;

		buf_init(&b, 10);
		write_five(&b, way);
		write_five(&b, way);
		assert_false(b.failed);
		assert_string_equal(buf_string(&b), "1234512345");
		buf_drop(&b, 1);
		write_five(&b, way);
		assert_true(b.failed);
		assert_string_equal(buf_string(&b), "234512345");
		buf_finish(&b);
	}
}

static void
failure_is_remembered_until_clear(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_add_string(&b, "ab");
	buf_add_string(&b, "cde");
	assert_true(b.failed);
	buf_add_char(&b, 'c');
	buf_addf(&b, "c");
	assert_null(buf_room(&b, 0));
	assert_string_equal(buf_string(&b), "ab");
	buf_clear(&b);
	assert_false(b.failed);
	assert_string_equal(buf_string(&b), "");
	buf_add_string(&b, "abcd");
	assert_string_equal(buf_string(&b), "abcd");
	buf_finish(&b);
}

static void
an_empty_buffer_is_calm(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(buf_bytes(&b).n, 0);
	buf_drop(&b, 3);
	buf_add(&b, "", 0);
	buf_addf(&b, "%s", "");
	assert_non_null(buf_room(&b, 0));
	assert_false(b.failed);
	assert_string_equal(buf_string(&b), "");
	buf_add_char(&b, 'x');
	assert_true(b.failed);
	buf_finish(&b);
	buf_finish(&b);

	memset(&b, 0, sizeof b);
	buf_finish(&b);
}

static void
drop_forgets_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_add_string(&b, "abcdef");
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	assert_string_equal(buf_string(&b), "cdef");
	buf_drop(&b, 100);
	assert_string_equal(buf_string(&b), "");
	buf_finish(&b);
}

static void
it_grows_over_many_writes(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (int i = 0; i < 10000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_false(b.failed);
	assert_int_equal(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(b.p[i], 'a' + i % 26);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_added_in_order),
		cmocka_unit_test(the_maximum_can_be_reached_but_not_passed),
		cmocka_unit_test(failure_is_remembered_until_clear),
		cmocka_unit_test(an_empty_buffer_is_calm),
		cmocka_unit_test(drop_forgets_the_front),
		cmocka_unit_test(it_grows_over_many_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
