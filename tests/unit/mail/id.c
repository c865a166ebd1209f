#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mail/id.h"

static const uint8_t zeros[ID_RANDOM];
static const uint8_t ones[ID_RANDOM] = {
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };

static void
the_time_comes_back(void **state)
{
	static const uint64_t times[] = {
		0, 1, 255, 256, 1795563038123, (1ULL << 48) - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct id id = id_make(times[i], ones);

		assert_true(id_time_ms(&id) == times[i]);
		assert_memory_equal(
		    id.bits + ID_BITS - ID_RANDOM, ones, ID_RANDOM);
	}
}

static void
text_is_26_characters_and_comes_back(void **state)
{
	const uint8_t  random[ID_RANDOM] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct id      id = id_make(1795563038123, random), back;
	struct id_text text = id_text(&id);

	(void)state;
	assert_int_equal(strlen(text.p), 26);
	assert_true(id_parse(bytes_of(text.p), &back));
	assert_true(id_equal(&id, &back));
	assert_false(id_parse(bytes_first(bytes_of(text.p), 25), &back));
	assert_false(id_parse(BYTES(""), &back));
}

static void
text_sorts_by_time_whatever_the_random_bits(void **state)
{
	static const uint64_t times[] = {
		0, 1, 31, 32, 1023, 1024, 1795563038123, 1795563038124 };

	(void)state;
	for (size_t i = 0; i + 1 < sizeof times / sizeof times[0]; i++) {
		struct id early = id_make(times[i], ones);
		struct id late = id_make(times[i + 1], zeros);

		assert_true(
		    strcmp(id_text(&early).p, id_text(&late).p) < 0);
	}
}

static void
every_bit_counts_for_equality(void **state)
{
	const struct id id = id_make(7, zeros);

	(void)state;
	for (int bit = 0; bit < ID_BITS * 8; bit++) {
		struct id other = id;

		assert_true(id_equal(&id, &other));
		other.bits[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(id_equal(&id, &other));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_comes_back),
		cmocka_unit_test(text_is_26_characters_and_comes_back),
		cmocka_unit_test(text_sorts_by_time_whatever_the_random_bits),
		cmocka_unit_test(every_bit_counts_for_equality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
