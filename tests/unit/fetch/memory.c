#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch/memory.h"

enum { MANY = 20 }; /* more than what stays */

static const uint64_t now = 1700000000000;

static unsigned
count_files(const char *folder)
{
	DIR     *dir = opendir(folder);
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *file; (file = readdir(dir)) != NULL;)
		n += file->d_type == DT_REG;
	closedir(dir);
	return n;
}

/* Each test has a fresh folder, which is not there yet. */
static int
enter_folder(void **state)
{
	char *folder = strdup("/tmp/ampel-memory-XXXXXX");

	*state = folder;
	return folder && mkdtemp(folder) ? chdir(folder) : -1;
}

static int
leave_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", (const char *)*state);
	free(*state);
	return chdir("/") == 0 ? system(command) : -1;
}

static bool
put(struct memory *m, const char *domain, uint64_t fetched_ms)
{
	static const struct bytes patterns[] = { BYTES_INIT("*.example.net") };
	const struct sts_cached   cached = {
		  .id = BYTES("A"),
		  .fetched_ms = fetched_ms,
		  .policy = { STS_ENFORCE, 600, patterns, 1 },
	};

	return memory_put(m, bytes_of(domain), &cached);
}

static bool
has(struct memory *m, const char *domain, uint64_t now_ms)
{
	struct sts_cached cached;
	struct arena      arena;
	bool              good;

	arena_init(&arena, MEMORY_ARENA_MAX);
	good = memory_find(m, bytes_of(domain), now_ms, &arena, &cached);
	if (good) {
		assert_int_equal(cached.policy.mode, STS_ENFORCE);
		assert_true(bytes_equal(
		    cached.policy.patterns[0], BYTES("*.example.net")));
	}
	arena_finish(&arena);
	return good;
}

static void
survives(void **state)
{
	struct memory *m = memory_open("a/b", now);

	(void)state;
	assert_non_null(m);
	assert_false(has(m, "example.net", now));
	assert_true(put(m, "example.net", now));
	assert_true(put(m, "example.org", now - 599999));
	assert_true(has(m, "example.net", now));
	assert_true(has(m, "example.org", now));
	assert_int_equal(count_files("a/b"), 2);
	memory_close(m);

	m = memory_open("a/b", now);
	assert_non_null(m);
	assert_int_equal(memory_policies(m), 2);
	assert_true(has(m, "example.org", now));
	/* it expires, and its file goes */
	assert_false(has(m, "example.org", now + 1));
	assert_int_equal(memory_policies(m), 1);
	assert_int_equal(count_files("a/b"), 1);
	memory_close(m);

	/* what has expired meanwhile */
	m = memory_open("a/b", now + 600000);
	assert_non_null(m);
	assert_int_equal(memory_policies(m), 0);
	assert_int_equal(count_files("a/b"), 0);
	memory_close(m);
}

static void
replaced(void **state)
{
	struct memory *m = memory_open("a", now);

	(void)state;
	assert_non_null(m);
	assert_true(put(m, "example.net", now - 600000));
	assert_true(put(m, "example.net", now));
	assert_int_equal(memory_policies(m), 1);
	assert_int_equal(count_files("a"), 1);
	assert_true(has(m, "example.net", now));
	memory_close(m);
}

static void
without_a_folder(void **state)
{
	struct memory *m = memory_open(NULL, now);

	(void)state;
	assert_non_null(m);
	assert_true(put(m, "example.net", now));
	assert_true(has(m, "example.net", now));
	assert_int_equal(count_files("."), 0);
	memory_close(m);
}

static void
folder_that_is_none(void **state)
{
	FILE *file = fopen("a", "w");

	(void)state;
	assert_non_null(file);
	fclose(file);
	assert_null(memory_open("a", now));
	assert_null(memory_open("a/b", now));
	memory_close(NULL);
}

/* What nobody has asked for is forgotten, with its file; what is asked for stays. */
static void
bounded_in_number(void **state)
{
	struct memory *m = memory_open("a", now);
	char           domain[32];

	(void)state;
	assert_non_null(m);
	for (unsigned i = 0; i < MEMORY_POLICIES_MAX; i++) {
		snprintf(domain, sizeof domain, "d%u.example", i);
		/* files cost time, and are not what this is about */
		if (i == MANY)
			assert_int_equal(rename("a", "b"), 0);
		assert_true(put(m, domain, now));
	}
	assert_int_equal(rename("b", "a"), 0);
	assert_int_equal(count_files("a"), MANY);
	assert_true(has(m, "d0.example", now));
	for (unsigned i = 0; i < MANY / 2; i++) {
		snprintf(domain, sizeof domain, "e%u.example", i);
		assert_true(put(m, domain, now));
	}
	assert_int_equal(memory_policies(m), MEMORY_POLICIES_MAX);
	assert_int_equal(count_files("a"), MANY);
	assert_true(has(m, "d0.example", now));
	for (unsigned i = 1; i < MANY; i++) {
		snprintf(domain, sizeof domain, "d%u.example", i);
		assert_int_equal(has(m, domain, now), i > MANY / 2);
	}
	memory_close(m);
}

/* Large ones displace others before there are too many. */
static void
bounded_in_size(void **state)
{
	struct memory    *m = memory_open(NULL, now);
	struct bytes      patterns[STS_PATTERNS_MAX];
	struct sts_cached cached = {
		.id = BYTES("A"),
		.fetched_ms = now,
		.policy = { STS_ENFORCE, 600, patterns, STS_PATTERNS_MAX },
	};
	char name[240], domain[32];

	(void)state;
	assert_non_null(m);
	memset(name, 'a', sizeof name);
	for (size_t i = 60; i < sizeof name; i += 60)
		name[i] = '.';
	for (size_t i = 0; i < STS_PATTERNS_MAX; i++)
		patterns[i] = (struct bytes){ name, sizeof name };
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(domain, sizeof domain, "d%u.example", i);
		assert_true(memory_put(m, bytes_of(domain), &cached));
	}
	assert_in_range(memory_policies(m),
	    MEMORY_BYTES_MAX / (STS_PATTERNS_MAX * (sizeof name + 8)),
	    MEMORY_BYTES_MAX / (STS_PATTERNS_MAX * sizeof name));
	memory_close(m);
}

static void
failures(void **state)
{
	struct memory *m = memory_open(NULL, now);
	static char    long_why[2 * MEMORY_WHY_MAX];
	struct bytes   why;

	(void)state;
	assert_non_null(m);
	assert_int_equal(memory_failed_ms(m, BYTES("example.net"), &why), 0);
	assert_int_equal(why.n, 0);
	memory_fail(m, BYTES("example.net"), now, BYTES("no"));
	memory_fail(m, BYTES("example.net"), now + 1, BYTES("later"));
	assert_int_equal(memory_failed_ms(m, BYTES("example.net"), &why), now + 1);
	assert_true(bytes_equal(why, BYTES("later")));
	assert_int_equal(memory_failed_ms(m, BYTES("example.org"), &why), 0);
	assert_int_equal(memory_policies(m), 0);
	/* a policy ends it */
	assert_true(put(m, "example.net", now));
	assert_int_equal(memory_failed_ms(m, BYTES("example.net"), &why), 0);
	memset(long_why, 'x', sizeof long_why);
	memory_fail(m, BYTES("example.net"), now,
	    (struct bytes){ long_why, sizeof long_why });
	assert_int_equal(memory_failed_ms(m, BYTES("example.net"), &why), now);
	assert_int_equal(why.n, MEMORY_WHY_MAX - 1);
	memory_close(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(survives, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(replaced, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(
		    without_a_folder, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(
		    folder_that_is_none, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(
		    bounded_in_number, enter_folder, leave_folder),
		cmocka_unit_test(bounded_in_size),
		cmocka_unit_test(failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
