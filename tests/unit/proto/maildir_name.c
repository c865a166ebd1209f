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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_largest_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
