#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/recent.h"

struct item {
	struct recent_entry entry;
	int                 value;
};

static struct recent_key
key_of(uint64_t n)
{
	return (struct recent_key){ { 0, n } };
}

static struct item *
touch(struct recent *r, uint64_t n)
{
	struct recent_key key = key_of(n);

	return (struct item *)recent_touch(r, &key);
}

static struct item *
find(struct recent *r, uint64_t n)
{
	struct recent_key key = key_of(n);

	return (struct item *)recent_find(r, &key);
}

static void
remembers(void **state)
{
	struct recent r;

	(void)state;
	assert_true(recent_init(&r, 1000, sizeof(struct item), 42));
	for (int i = 0; i < 1000; i++)
		touch(&r, (uint64_t)i)->value = i;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(find(&r, (uint64_t)i)->value, i);
	assert_null(find(&r, 1000));
	for (int i = 0; i < 1000; i += 2)
		recent_remove(&r, &find(&r, (uint64_t)i)->entry);
	assert_int_equal(r.n, 500);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(find(&r, (uint64_t)i) != NULL, i % 2);
	assert_int_equal(touch(&r, 4)->value, 0); /* new, and zeroed */
	recent_finish(&r);
	recent_finish(&r);
}

/* Every byte of a key counts. */
static void
keys_differ(void **state)
{
	struct recent r;

	(void)state;
	assert_true(recent_init(&r, 100, sizeof(struct item), 7));
	for (size_t i = 0; i < sizeof(struct recent_key); i++) {
		struct recent_key key = { { 0 } };

		((unsigned char *)key.words)[i] = 1;
		((struct item *)recent_touch(&r, &key))->value++;
	}
	assert_int_equal(r.n, sizeof(struct recent_key));
	for (struct recent_entry *e = r.newest; e; e = e->older)
		assert_int_equal(((struct item *)e)->value, 1);
	recent_finish(&r);
}

static void
forgets_the_oldest(void **state)
{
	struct recent r;

	(void)state;
	assert_true(recent_init(&r, 3, sizeof(struct item), 1));
	touch(&r, 1);
	touch(&r, 2);
	touch(&r, 3);
	touch(&r, 1); /* now 2 is the oldest */
	touch(&r, 4);
	assert_int_equal(r.n, 3);
	assert_null(find(&r, 2));
	find(&r, 3)->entry.held = 1;
	touch(&r, 5); /* 3 is the oldest but held */
	assert_non_null(find(&r, 3));
	assert_null(find(&r, 1));
	find(&r, 4)->entry.held = 1;
	find(&r, 5)->entry.held = 1;
	assert_null(touch(&r, 6));
	find(&r, 4)->entry.held = 0;
	assert_non_null(touch(&r, 6));
	assert_null(find(&r, 4));
	recent_finish(&r);
}

static void
same_key_same_hash_whatever_the_seed(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct recent r;

		assert_true(recent_init(&r, 64, sizeof(struct item), seed << 32));
		for (uint64_t i = 0; i < 64; i++)
			touch(&r, i << 56);
		for (uint64_t i = 0; i < 64; i++)
			assert_non_null(find(&r, i << 56));
		recent_finish(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(forgets_the_oldest),
		cmocka_unit_test(same_key_same_hash_whatever_the_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
