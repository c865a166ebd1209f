#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/maildir_name.h"

#define ID   "0cpj8v3k5q00000000000000a1"

static struct id
id_of(const char *text)
{
	struct id id;

	assert_true(id_parse(bytes_of(text), &id));
	return id;
}

static void
test_names(void **state)
{
	struct id  id = id_make(1785369104123, (const uint8_t[ID_RANDOM]){ 7 });
	struct buf b, expected;

	(void)state;
	buf_init(&b, 1024);
	buf_init(&expected, 1024);
	maildir_name_add(&b, &id, 12, BYTES("mx.example.org"), 4096, 4200);
	buf_addf(&expected, "1785369104.%s.12.mx.example.org,S=4096,W=4200",
	    id_text(&id).p);
	assert_string_equal(buf_string(&b), buf_string(&expected));

	buf_clear(&b);
	buf_clear(&expected);
	maildir_name_add_tmp(&b, &id, 12, BYTES("a/b:c"), 99);
	buf_addf(&expected, "1785369104.%s.12.99.a\\057b\\072c",
	    id_text(&id).p);
	assert_string_equal(buf_string(&b), buf_string(&expected));
	buf_finish(&b);
	buf_finish(&expected);
}

/* What add makes, matches finds: with other sizes, other host, any flags. */
static void
test_matches(void **state)
{
	static const struct {
		const char *behind; /* the identity of recipient 12 */
		bool        matches;
	} rows[] = {
		{ "mx.example.org,S=4096,W=4200", true },
		{ "mx.example.org,S=1,W=2:2,S", true },
		{ "mx.example.org,S=4096,W=4200:2,FRS", true },
		{ "other.example,S=4096", true },
		{ "", true },
	};
	struct id  id = id_of(ID), other = id;
	struct buf b;

	(void)state;
	buf_init(&b, 1024);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		buf_clear(&b);
		buf_addf(&b, "%llu.%s.12.%s",
		    (unsigned long long)(id_time_ms(&id) / 1000), ID,
		    rows[i].behind);
		assert_int_equal(maildir_name_matches(buf_bytes(&b), &id, 12),
		    rows[i].matches);
	}
	/* another recipient, one that begins alike, another message */
	assert_false(maildir_name_matches(buf_bytes(&b), &id, 1));
	assert_false(maildir_name_matches(buf_bytes(&b), &id, 121));
	other.bits[ID_BITS - 1] ^= 1;
	assert_false(maildir_name_matches(buf_bytes(&b), &other, 12));
	/* a name cut short, and one that only contains the identity */
	assert_false(maildir_name_matches(
	    bytes_first(buf_bytes(&b), b.len - 1), &id, 12));
	assert_false(maildir_name_matches(BYTES(""), &id, 12));
	buf_finish(&b);
}

static void
test_largest_numbers(void **state)
{
	struct id  id;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < ID_BITS; i++)
		id.bits[i] = 0xff;
	buf_init(&b, 1024);
	maildir_name_add(&b, &id, UINT32_MAX, BYTES("h"), UINT64_MAX, UINT64_MAX);
	assert_false(b.failed);
	assert_true(maildir_name_matches(buf_bytes(&b), &id, UINT32_MAX));
	buf_finish(&b);
}

/* Names that other programs give. */
static void
test_parts(void **state)
{
	static const struct {
		const char *name, *base;
		uint64_t    seconds;
		bool        has_size;
		uint64_t    wire_bytes;
	} rows[] = {
		{ "1785369104.1234.host", "1785369104.1234.host", 1785369104, false, 0 },
		{ "1785369104.M5P6.host,S=10,W=12:2,FS",
		    "1785369104.M5P6.host,S=10,W=12", 1785369104, true, 12 },
		{ "1785369104.M5P6.host,W=12,S=10:2,",
		    "1785369104.M5P6.host,W=12,S=10", 1785369104, true, 12 },
		{ "7.V1I2.host,S=10:1,x", "7.V1I2.host,S=10", 7, false, 0 },
		{ "name", "name", 0, false, 0 },
		{ "1785369104", "1785369104", 0, false, 0 },
		{ ".1", ".1", 0, false, 0 },
		{ "-1.x", "-1.x", 0, false, 0 },
		{ "1a.x", "1a.x", 0, false, 0 },
		{ "18446744073709551615.x", "18446744073709551615.x", UINT64_MAX,
		    false, 0 },
		{ "18446744073709551616.x", "18446744073709551616.x", 0, false, 0 },
		{ "1.h,W=18446744073709551615", "1.h,W=18446744073709551615", 1,
		    true, UINT64_MAX },
		{ "1.h,W=18446744073709551616", "1.h,W=18446744073709551616", 1,
		    false, 0 },
		{ "1.h,W=", "1.h,W=", 1, false, 0 },
		{ "1.h,W=1x", "1.h,W=1x", 1, false, 0 },
		{ "W=5", "W=5", 0, false, 0 },
		{ "1.h:2,W=5", "1.h", 1, false, 0 },
		{ ":2,S", "", 0, false, 0 },
		{ "", "", 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes name = bytes_of(rows[i].name);
		uint64_t     wire_bytes = 0;

		assert_true(bytes_equal(
		    maildir_name_base(name), bytes_of(rows[i].base)));
		assert_int_equal(maildir_name_seconds(name), rows[i].seconds);
		assert_int_equal(maildir_name_wire_bytes(name, &wire_bytes),
		    rows[i].has_size);
		assert_int_equal(wire_bytes, rows[i].wire_bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_largest_numbers),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
