#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"

/* The 30 seconds that a program has are shortened (a linker wrap); its own loop is as it is. */
int __real_uv_timer_start(
    uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat);
int __wrap_uv_timer_start(
    uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat);

static uint64_t shortened_ms;

int
__wrap_uv_timer_start(
    uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
	assert_int_equal(timeout, 30 * 1000);
	return __real_uv_timer_start(
	    timer, callback, shortened_ms ? shortened_ms : timeout, repeat);
}

/*
 * What it reads goes into the file "read", how it was started into "started". It answers by
 * the name: "exitN", "killed", "alice" with her password.
 */
#define SCRIPT(more) \
	"#!/bin/sh\n" \
	"{ cat <&3; } >\"$1/read\"\n" \
	"user=$(tr '\\0' '\\n' <\"$1/read\" | sed -n 1p)\n" \
	"password=$(tr '\\0' '\\n' <\"$1/read\" | sed -n 2p)\n" \
	"echo \"$user\" >>\"$1/asked\"\n" \
	more \
	"case $user in\n" \
	"exit*) exit ${user#exit};;\n" \
	"killed) kill -9 $$;;\n" \
	"esac\n" \
	"[ \"$user:$password\" = alice:alice-secret ]\n"

static void
read_file(const char *name, struct buf *b)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", root, name);
	buf_init(b, 64 * 1024);
	assert_int_equal(file_read(path, b, NULL), 0);
}

static void
answers(void **state)
{
	static const struct {
		const char          *user;
		struct bytes         password;
		enum password_answer answer;
		const char          *why;
	} rows[] = {
		{ "alice", BYTES_INIT("alice-secret"), PASSWORD_YES, "" },
		{ "alice", BYTES_INIT("wrong"), PASSWORD_NO, "" },
		{ "bob", BYTES_INIT("alice-secret"), PASSWORD_NO, "" },
		{ "exit1", BYTES_INIT("x"), PASSWORD_NO, "" },
		{ "exit2", BYTES_INIT("x"), PASSWORD_TRY_LATER, "exit code 2" },
		{ "exit111", BYTES_INIT("x"), PASSWORD_TRY_LATER, "exit code 111" },
		{ "exit127", BYTES_INIT("x"), PASSWORD_TRY_LATER, "exit code 127" },
		{ "killed", BYTES_INIT("x"), PASSWORD_TRY_LATER, "killed by signal 9" },
		/* these are not even asked */
		{ "", BYTES_INIT("alice-secret"), PASSWORD_NO, "" },
		{ "alice", BYTES_INIT("alice-secret\0"), PASSWORD_NO, "" },
	};

	(void)state;
	use_program(SCRIPT(""));
	open_checker();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct check_result result = check(rows[i].user, rows[i].password);

		assert_int_equal(result.answer, rows[i].answer);
		assert_int_equal(result.is_user, result.answer == PASSWORD_YES);
		assert_string_equal(result.why, rows[i].why);
	}
}

/* What DJB's interface promises, and nothing beside. */
static void
how_it_is_started(void **state)
{
	struct buf b;

	(void)state;
	use_program(SCRIPT("tr '\\0' '\\n' </proc/$$/environ >\"$1/env\"\n"
	                   "for fd in 0 1 2; do fds=\"$fds $(readlink /proc/$$/fd/$fd)\"; done\n"
	                   "echo $fds >\"$1/fds\"\n"
	                   "ls /proc/$$/fd >\"$1/open\"\n"
	                   "echo $# >\"$1/args\"\n"));
	setenv("AMPEL_SECRET", "x", 1);
	open_checker();
	assert_int_equal(
	    check("alice", BYTES("alice-secret")).answer, PASSWORD_YES);
	read_file("read", &b);
	assert_int_equal(b.len, sizeof "alice\0alice-secret\0");
	assert_memory_equal(b.p, "alice\0alice-secret\0", b.len);
	buf_finish(&b);
	read_file("env", &b);
	assert_true(bytes_start(buf_bytes(&b), BYTES("PATH=/")));
	assert_int_equal(bytes_find(buf_bytes(&b), '\n'), b.len - 1);
	buf_finish(&b);
	read_file("fds", &b);
	assert_string_equal(buf_string(&b), "/dev/null /dev/null /dev/null\n");
	buf_finish(&b);
	read_file("args", &b);
	assert_string_equal(buf_string(&b), "1\n"); /* split at blanks */
	buf_finish(&b);
	read_file("open", &b);
	assert_null(strstr(buf_string(&b), "\n4\n"));
	buf_finish(&b);
}

/* 512 bytes with the three NULs, as everybody does. */
static void
long_passwords(void **state)
{
	static char password[CRYPT_OUTPUT_SIZE * 2];
	struct buf  b;

	(void)state;
	use_program(SCRIPT("[ ${#password} = 504 ] && exit 0\n"));
	open_checker();
	memset(password, 'x', sizeof password - 1);
	assert_int_equal(
	    check("alice", bytes_first(bytes_of(password), 504)).answer, PASSWORD_YES);
	assert_int_equal(
	    check("alice", bytes_first(bytes_of(password), 505)).answer, PASSWORD_NO);
	read_file("read", &b); /* of the first */
	assert_int_equal(b.len, 512);
	buf_finish(&b);
}

/* More than may run at once: all get their answer; one that is cancelled is never asked. */
static void
many_at_once(void **state)
{
	enum { MANY = 24 };
	static const struct check_task good = { "alice", BYTES_INIT("alice-secret"), "" };
	static const struct check_task bad = { "cancelled", BYTES_INIT("x"), "" };
	struct waiting                 waiting[MANY] = { 0 }, cancelled = { 0 };
	struct check                  *last;
	struct buf                     b;

	(void)state;
	/* each marks that it runs, before it does anything */
	use_program("#!/bin/sh\n"
	            ": >\"$1/running.$$\"\n"
	            "tr '\\0' '\\n' <&3 >\"$1/read.$$\"\n"
	            "sed -n 1p \"$1/read.$$\" >>\"$1/asked\"\n"
	            "sleep 0.05\n"
	            "ls -d \"$1\"/running.* | wc -l >>\"$1/counts\"\n"
	            "rm \"$1/running.$$\"\n"
	            "grep -q '^alice-secret$' \"$1/read.$$\"\n");
	open_checker();
	for (size_t i = 0; i < MANY; i++)
		assert_non_null(check_start(checker, &good, on_done, &waiting[i]));
	last = check_start(checker, &bad, on_done, &cancelled);
	assert_non_null(last);
	assert_true(check_cancel(last));
	uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(waiting[i].result.answer, PASSWORD_YES);
	assert_int_equal(cancelled.times, 0);
	read_file("asked", &b);
	assert_null(strstr(buf_string(&b), "cancelled"));
	buf_finish(&b);
	read_file("counts", &b);
	for (const char *p = buf_string(&b); *p; p = strchr(p, '\n') + 1)
		assert_in_range(strtoul(p, NULL, 10), 1, 16);
	buf_finish(&b);
}

/* One that runs cannot be called back. */
static void
running_is_not_cancelled(void **state)
{
	static const struct check_task task = { "alice", BYTES_INIT("alice-secret"), "" };
	struct waiting                  waiting = { 0 };
	struct check                  *running;

	(void)state;
	use_program(SCRIPT(""));
	open_checker();
	running = check_start(checker, &task, on_done, &waiting);
	assert_false(check_cancel(running));
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(waiting.times, 1);
	assert_int_equal(waiting.result.answer, PASSWORD_YES);
}

static bool
is_alive(const char *pid)
{
	char       path[64];
	struct buf b;
	bool       alive;

	snprintf(path, sizeof path, "/proc/%ld/stat", strtol(pid, NULL, 10));
	buf_init(&b, 4096);
	/* a zombie is none of the living */
	alive = file_read(path, &b, NULL) == 0 && !strstr(buf_string(&b), ") Z ");
	buf_finish(&b);
	return alive;
}

/* It is killed with all that it started. */
static void
too_slow(void **state)
{
	struct check_result result;
	struct buf          b;

	(void)state;
	use_program(SCRIPT(""));
	open_checker();
	use_program("#!/bin/sh\nsleep 1000 &\necho $! >\"$1/pid\"\nwait\n");
	shortened_ms = 2000;
	result = check("slow", BYTES("x"));
	shortened_ms = 0;
	assert_int_equal(result.answer, PASSWORD_TRY_LATER);
	assert_string_equal(result.why, "no answer in 30 s");
	read_file("pid", &b);
	for (int i = 0; i < 200 && is_alive(buf_string(&b)); i++)
		usleep(10 * 1000);
	assert_false(is_alive(buf_string(&b)));
	buf_finish(&b);
}

/* --- what is refused in a configuration --- */

static void
trial(void **state)
{
	static const struct {
		const char *script; /* NULL: there is none */
		const char *error;  /* NULL: it may be used */
	} rows[] = {
		{ SCRIPT(""), NULL },
		{ "#!/bin/sh\nexit 1\n", NULL },
		{ "#!/bin/sh\nexit 111\n", NULL }, /* its database may come back */
		{ "#!/bin/sh\nexit 2\n", NULL },
		{ "#!/bin/sh\nkill -9 $$\n", NULL },
		{ "#!/bin/sh\nexit 0\n", "accepts any password" },
		{ "#!/bin/sh\ntrue <&3\n", "accepts any password" },
		{ "#!/bin/sh\nno-such-program\n", "exit code 127" },
		{ "#!/bin/sh\n/etc/passwd\n", "exit code 126" },
		{ "#!/no/such/interpreter\n", "No such file" },
		{ NULL, "No such file" },
	};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		use_program(rows[i].script ? rows[i].script : "");
		if (rows[i].script == NULL)
			config.password_check = BYTES("/no/such/program");
		error[0] = '\0';
		checker = checker_open(&loop, &config, error, sizeof error);
		assert_int_equal(checker != NULL, rows[i].error == NULL);
		if (rows[i].error)
			assert_non_null(strstr(error, rows[i].error));
		else
			assert_string_equal(error, "");
		checker_close(checker);
		checker = NULL;
	}
}

/* Nobody has that name and that password, and nobody can know them. */
static void
trial_is_random(void **state)
{
	char       first[64];
	struct buf b;

	(void)state;
	use_program(SCRIPT(""));
	open_checker();
	read_file("read", &b);
	assert_int_equal(b.len, 32 + 1 + 32 + 1 + 1);
	memcpy(first, b.p, sizeof first);
	assert_memory_not_equal(first, b.p + 33, 32);
	buf_finish(&b);
	checker_close(checker);
	open_checker();
	read_file("read", &b);
	assert_memory_not_equal(first, b.p, 32);
	buf_finish(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(how_it_is_started),
		TEST(long_passwords),
		TEST(many_at_once),
		TEST(running_is_not_cancelled),
		TEST(too_slow),
		TEST(trial),
		TEST(trial_is_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
