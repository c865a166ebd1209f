/*
 * The shadow file's way. crypt_rn is the test's (a linker wrap), which counts the work: it
 * must be the same for everybody, since time tells.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

static unsigned works;
static char     setting_of_last[CRYPT_OUTPUT_SIZE];
static char     phrase_of_last[64];

char *__real_crypt_rn(
    const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(
    const char *phrase, const char *setting, void *data, int size);

/* One at a time: the tests ask one by one. */
char *
__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	works++;
	bytes_to_string(
	    bytes_of(setting), setting_of_last, sizeof setting_of_last);
	bytes_to_string(bytes_of(phrase), phrase_of_last, sizeof phrase_of_last);
	return __real_crypt_rn(phrase, setting, data, size);
}

#define CHEAP "$5$rounds=1000$saltsalt$"

static const struct {
	const char          *user;
	struct bytes         password;
	enum password_answer answer;
	bool                 is_user;
	unsigned             works;
} rows[] = {
	{ "alice", BYTES_INIT("alice-secret"), PASSWORD_YES, true, 1 },
	{ "alice", BYTES_INIT("alice-secre"), PASSWORD_NO, true, 1 },
	{ "alice", BYTES_INIT("bob-secret"), PASSWORD_NO, true, 1 },
	{ "bob", BYTES_INIT("bob-secret"), PASSWORD_YES, true, 1 },
	/* the same work where nothing can fit */
	{ "locked", BYTES_INIT("locked-secret"), PASSWORD_NO, true, 1 },
	{ "expired", BYTES_INIT("expired-secret"), PASSWORD_NO, true, 1 },
	{ "empty", BYTES_INIT("x"), PASSWORD_NO, true, 1 },
	{ "star", BYTES_INIT("*"), PASSWORD_NO, true, 1 },
	{ "nobody", BYTES_INIT("alice-secret"), PASSWORD_NO, false, 1 },
	{ "", BYTES_INIT("alice-secret"), PASSWORD_NO, false, 1 },
	/* what is no password is none, whoever the user is */
	{ "alice", BYTES_INIT(""), PASSWORD_NO, true, 0 },
	{ "empty", BYTES_INIT(""), PASSWORD_NO, true, 0 },
	{ "nobody", BYTES_INIT(""), PASSWORD_NO, false, 0 },
	{ "alice", BYTES_INIT("alice-secret\0"), PASSWORD_NO, true, 0 },
};

static void
answers(void **state)
{
	(void)state;
	put_users();
	open_checker();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct check_result result;

		works = 0;
		setting_of_last[0] = '\0';
		result = check(rows[i].user, rows[i].password);
		assert_int_equal(result.answer, rows[i].answer);
		assert_int_equal(result.is_user, rows[i].is_user);
		assert_string_equal(result.why, "");
		assert_int_equal(works, rows[i].works);
		if (works == 0)
			continue;
		assert_memory_equal(setting_of_last, CHEAP, sizeof CHEAP - 1);
		assert_true(bytes_equal(bytes_of(phrase_of_last), rows[i].password));
	}
}

/* Without users there is no kind of theirs: the default one works. */
static void
no_users(void **state)
{
	(void)state;
	put_file(shadow_path, "", 0600);
	open_checker();
	assert_int_equal(check("alice", BYTES("alice-secret")).answer, PASSWORD_NO);
	assert_memory_equal(setting_of_last, "$y$", 3);
}

static void
changed_password_counts_at_once(void **state)
{
	struct buf b;

	(void)state;
	put_users();
	open_checker();
	assert_int_equal(check("alice", BYTES("alice-secret")).answer, PASSWORD_YES);
	buf_init(&b, 1024);
	add_user(&b, "alice", "", "new", "");
	put_file(shadow_path, buf_string(&b), 0600);
	buf_finish(&b);
	assert_int_equal(check("alice", BYTES("alice-secret")).answer, PASSWORD_NO);
	assert_int_equal(check("alice", BYTES("new")).answer, PASSWORD_YES);
}

/* Not "no", which would make mail programs ask for another password. */
static void
unusable_file_is_try_later(void **state)
{
	struct check_result result;

	(void)state;
	open_checker();
	for (int i = 0; i < 2; i++) {
		result = check("alice", BYTES("alice-secret"));
		assert_int_equal(result.answer, PASSWORD_TRY_LATER);
		assert_false(result.is_user);
		assert_string_not_equal(result.why, "");
		put_users(); /* it is there now */
		chmod(shadow_path, 0644);
	}
	chmod(shadow_path, 0600);
	assert_int_equal(check("alice", BYTES("alice-secret")).answer, PASSWORD_YES);
}

/* A checker that is closed goes on to the end of what was begun. */
static void
closed_while_it_works(void **state)
{
	const struct check_task task = { "alice", BYTES("alice-secret"), "" };
	struct waiting           waiting = { 0 };

	(void)state;
	put_users();
	open_checker();
	assert_non_null(check_start(checker, &task, on_done, &waiting));
	checker_close(checker);
	checker = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(waiting.times, 1);
	assert_int_equal(waiting.result.answer, PASSWORD_YES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(no_users),
		TEST(changed_password_counts_at_once),
		TEST(unusable_file_is_try_later),
		TEST(closed_while_it_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
