#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/frame.h"

/* The form on the wire, byte by byte. */
static void
little_endian_and_counted(void **state)
{
	static const char expected[] = "\x01"
	                               "\x03\x02"
	                               "\x07\x06\x05\x04"
	                               "\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08"
	                               "\x02\x00\x00\x00hi"
	                               "\x00\x00\x00\x00";
	struct frame_reader r;
	struct buf          b;

	(void)state;
	buf_init(&b, 100);
	frame_add_u8(&b, 0x01);
	frame_add_u16(&b, 0x0203);
	frame_add_u32(&b, 0x04050607);
	frame_add_u64(&b, 0x08090a0b0c0d0e0f);
	frame_add_bytes(&b, BYTES("hi"));
	frame_add_bytes(&b, (struct bytes){ NULL, 0 });
	assert_false(b.failed);
	assert_int_equal(b.len, sizeof expected - 1);
	assert_memory_equal(b.p, expected, sizeof expected - 1);

	r = frame_reader_of(buf_bytes(&b));
	assert_int_equal(frame_u8(&r), 0x01);
	assert_int_equal(frame_u16(&r), 0x0203);
	assert_int_equal(frame_u32(&r), 0x04050607);
	assert_int_equal(frame_u64(&r), 0x08090a0b0c0d0e0f);
	assert_true(bytes_equal(frame_bytes(&r), BYTES("hi")));
	assert_false(frame_end(&r));
	assert_int_equal(frame_bytes(&r).n, 0);
	assert_true(frame_end(&r));
	buf_finish(&b);
}

static void
extremes(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX,
		(uint64_t)INT64_MAX + 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct frame_reader r;
		struct buf          b;

		buf_init(&b, 100);
		frame_add_u8(&b, (uint8_t)values[i]);
		frame_add_u16(&b, (uint16_t)values[i]);
		frame_add_u32(&b, (uint32_t)values[i]);
		frame_add_u64(&b, values[i]);
		r = frame_reader_of(buf_bytes(&b));
		assert_int_equal(frame_u8(&r), (uint8_t)values[i]);
		assert_int_equal(frame_u16(&r), (uint16_t)values[i]);
		assert_int_equal(frame_u32(&r), (uint32_t)values[i]);
		assert_true(frame_u64(&r) == values[i]);
		assert_true(frame_end(&r));
		buf_finish(&b);
	}
}

static void
lengths_that_lie(void **state)
{
	static const struct {
		struct bytes frame;
		bool         is_read;
	} rows[] = {
		{ BYTES_INIT(""), false },
		{ BYTES_INIT("\x00\x00\x00"), false },
		{ BYTES_INIT("\x00\x00\x00\x00"), true },
		{ BYTES_INIT("\x01\x00\x00\x00"), false },
		{ BYTES_INIT("\x01\x00\x00\x00x"), true },
		{ BYTES_INIT("\x02\x00\x00\x00x"), false },
		{ BYTES_INIT("\x00\x01\x00\x00x"), false },
		{ BYTES_INIT("\xff\xff\xff\xffx"), false },
		{ BYTES_INIT("\x00\x00\x00\x80x"), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct frame_reader r = frame_reader_of(rows[i].frame);
		struct bytes        v = frame_bytes(&r);

		assert_int_equal(frame_end(&r), rows[i].is_read);
		assert_non_null(v.p);
		if (!rows[i].is_read)
			assert_int_equal(v.n, 0);
	}
}

/* One failure stays, and what is read behind it is zero, whatever stands there. */
static void
failure_is_remembered(void **state)
{
	struct frame_reader r = frame_reader_of(BYTES("\x09\x00\x00\x00\x01\x01\x01"));

	(void)state;
	assert_int_equal(frame_bytes(&r).n, 0);
	assert_true(r.failed);
	assert_int_equal(frame_u8(&r), 0);
	assert_int_equal(frame_u16(&r), 0);
	assert_int_equal(frame_u32(&r), 0);
	assert_true(frame_u64(&r) == 0);
	assert_int_equal(frame_bytes(&r).n, 0);
	assert_false(frame_end(&r));
}

static void
types(void **state)
{
	static const struct {
		struct bytes frame;
		uint16_t     type;
	} rows[] = {
		{ BYTES_INIT(""), 0 },
		{ BYTES_INIT("\x01"), 0 },
		{ BYTES_INIT("\x01\x00"), 1 },
		{ BYTES_INIT("\x01\x02more"), 0x0201 },
		{ BYTES_INIT("\xff\xff"), 0xffff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(frame_type(rows[i].frame), rows[i].type);
}

static void
writing_is_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	frame_add_bytes(&b, BYTES("12"));
	assert_true(b.failed);
	buf_clear(&b);
	/* A length without its bytes would be worse than nothing: failed says so. */
	frame_add_u32(&b, 7);
	frame_add_u16(&b, 7);
	frame_add_u8(&b, 7);
	assert_true(b.failed);
	assert_int_equal(b.len, 4);
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_endian_and_counted),
		cmocka_unit_test(extremes),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(failure_is_remembered),
		cmocka_unit_test(types),
		cmocka_unit_test(writing_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
