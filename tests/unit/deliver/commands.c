#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/commands.h"
#include "deliver/tail.h"
#include "home.h"
#include "io/memfile.h"

static uv_loop_t        loop;
static struct commands *commands;
static int              home_fd;

struct seen {
	unsigned            n;
	enum command_result result;
	char                text[512];
};

static void
on_ended(const struct command_end *end, void *context)
{
	struct seen *seen = context;

	seen->n++;
	seen->result = end->result;
	assert_true(bytes_to_string(end->text, seen->text, sizeof seen->text));
}

static int
set_up(void **state)
{
	if (make_home(state) == -1 || uv_loop_init(&loop) != 0)
		return -1;
	home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
	commands = commands_new(&loop);
	return commands == NULL || home_fd == -1;
}

static int
tear_down(void **state)
{
	commands_free(commands);
	close(home_fd);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0 || waitpid(-1, NULL, WNOHANG) != -1)
		return -1;
	return remove_home(state);
}

static struct command *
run(const char *line, int body, uint64_t timeout_ms, struct seen *seen)
{
	static const char *const  env[] = { "PATH=/bin:/usr/bin", "A=b c", NULL };
	const struct command_spec spec = {
		.line = line,
		.env = env,
		.home = home_fd,
		.body = body,
		.size_bytes = 12,
		.timeout_ms = timeout_ms,
	};

	*seen = (struct seen){ 0 };
	return commands_run(commands, &spec, on_ended, seen);
}

static int
body_of(const char *text)
{
	return memfile_of("body", bytes_of(text));
}

static void
test_ends(void **state)
{
	static const struct {
		const char         *line;
		enum command_result result;
		const char         *text;
	} rows[] = {
		{ ":", COMMAND_DONE, "the program exited 0" },
		{ "exit 99", COMMAND_DONE_FOR_ALL, "the program exited 99" },
		{ "exit 100", COMMAND_FAILED, "the program exited 100" },
		{ "exit 64", COMMAND_FAILED, "the program exited 64" },
		{ "exit 65", COMMAND_FAILED, "the program exited 65" },
		{ "exit 70", COMMAND_FAILED, "the program exited 70" },
		{ "exit 76", COMMAND_FAILED, "the program exited 76" },
		{ "exit 77", COMMAND_FAILED, "the program exited 77" },
		{ "exit 78", COMMAND_FAILED, "the program exited 78" },
		{ "exit 112", COMMAND_FAILED, "the program exited 112" },
		{ "exit 111", COMMAND_DEFERRED, "the program exited 111" },
		{ "exit 1", COMMAND_DEFERRED, "the program exited 1" },
		{ "exit 255", COMMAND_DEFERRED, "the program exited 255" },
		{ "/nonexistent 2>/dev/null", COMMAND_DEFERRED,
		    "the program exited 127" },
		{ "kill -9 $$", COMMAND_DEFERRED, "the program was killed by signal 9" },
		/* what it says is the outcome's text, on one line */
		{ "echo no such list; echo sorry >&2; exit 100", COMMAND_FAILED,
		    "no such list sorry" },
		{ "printf 'a\\001b\\377c\\r\\n'; exit 100", COMMAND_FAILED,
		    "a?b?c" },
		{ "echo $A; exit 100", COMMAND_FAILED, "b c" },
		{ "cat; exit 100", COMMAND_FAILED, "Hello: world" },
		{ "pwd >/dev/null; test -f here && exit 100", COMMAND_FAILED,
		    "the program exited 100" },
		{ "umask; exit 100", COMMAND_FAILED, "0077" },
		{ "ulimit -Sn; exit 100", COMMAND_FAILED, "1024" },
		{ "ls /proc/$$/fd; exit 100", COMMAND_FAILED, "0 1 2" },
		/* signals are as new */
		{ "kill -PIPE $$; exit 100", COMMAND_DEFERRED,
		    "the program was killed by signal 13" },
	};
	char path[PATH_TEXT];
	int  body = body_of("Hello: world");

	(void)state;
	umask(077);
	path_at(path, "here");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seen seen;

		assert_non_null(run(rows[i].line, body, 20000, &seen));
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(seen.n, 1);
		assert_string_equal(seen.text, rows[i].text);
		assert_int_equal(seen.result, rows[i].result);
	}
	close(body);
}

/* Of a lot of output the last whole lines. */
static void
test_much_output(void **state)
{
	struct seen seen;
	int         body = body_of("Hello: world");
	size_t      n;

	(void)state;
	run("seq 100000; exit 100", body, 20000, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	n = strlen(seen.text);
	assert_true(n > TAIL_TEXT - 20 && n <= TAIL_TEXT);
	assert_string_equal(seen.text + n - 12, "99999 100000");
	assert_memory_equal(seen.text, "99", 2);
	run("head -c 100000 /dev/zero | tr '\\0' x; exit 100", body, 20000, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(strlen(seen.text), TAIL_TEXT);
	close(body);
}

/* Each has the message from its beginning, however much another one has read. */
static void
test_own_offset(void **state)
{
	struct seen first, second;
	int         body = body_of("Hello: world");

	(void)state;
	run("head -c 5; exit 100", body, 20000, &first);
	run("cat; exit 100", body, 20000, &second);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(first.text, "Hello");
	assert_string_equal(second.text, "Hello: world");
	assert_int_equal(lseek(body, 0, SEEK_CUR), 12);
	close(body);
}

/* A body that is not sealed, and longer: a program gets a copy of the message alone. */
static void
test_copy(void **state)
{
	struct seen seen;
	int         body = memfd_create("body", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(body, "Hello: world, and more", 22), 22);
	run("cat; echo x 2>/dev/null >/proc/self/fd/0; exit 100", body, 20000, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(seen.text, "Hello: world");
	assert_int_equal(lseek(body, 0, SEEK_END), 22);
	close(body);
}

static void
test_deadline(void **state)
{
	struct seen seen;
	int         body = body_of("Hello: world");

	(void)state;
	run("sleep 60", body, 1000, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.result, COMMAND_DEFERRED);
	assert_string_equal(
	    seen.text, "the program ran for more than 1 s and was stopped");
	/* who does not hear is killed */
	run("trap '' TERM; sleep 60 & wait; sleep 60", body, 100, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.result, COMMAND_DEFERRED);
	/* and one that would have said 0 in answer has not delivered */
	run("trap 'exit 0' TERM; sleep 60 & wait", body, 100, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.result, COMMAND_DEFERRED);
	close(body);
}

/* --- files that programs make --- */

static bool
is_there(const char *name)
{
	char path[PATH_TEXT];

	path_at(path, name);
	return access(path, F_OK) == 0;
}

static void
wait_for(const char *name)
{
	for (int i = 0; i < 500 && !is_there(name); i++)
		usleep(10 * 1000);
	assert_true(is_there(name));
}

/* What it left in the background is not waited for, and lives on. */
static void
test_background(void **state)
{
	struct seen seen;
	int         body = body_of("Hello: world");

	(void)state;
	run("(sleep 0.5; touch done) & exit 0", body, 20000, &seen);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.result, COMMAND_DONE);
	assert_false(is_there("done"));
	wait_for("done");
	close(body);
}

static void
test_at_once(void **state)
{
	enum { N = COMMANDS_AT_ONCE + 5 };
	struct seen     seen[N];
	struct command *c[N];
	int             body = body_of("Hello: world");

	(void)state;
	for (size_t i = 0; i < N; i++)
		c[i] = run(i < COMMANDS_AT_ONCE ? "sleep 0.2" : "touch late",
		    body, 20000, &seen[i]);
	assert_int_equal(commands_busy(commands), COMMANDS_AT_ONCE);
	/* one that waits is forgotten */
	command_cancel(c[N - 1]);
	uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < N - 1; i++)
		assert_int_equal(seen[i].n, 1);
	assert_int_equal(seen[N - 1].n, 0);
	assert_true(is_there("late"));
	close(body);
}

/* After a stop those who wait do not begin, but for those who go on. */
static void
test_stop(void **state)
{
	static const char *const env[] = { NULL };
	struct seen              seen[COMMANDS_AT_ONCE], late, further;
	int                      body = body_of("Hello: world");
	struct command          *waits;
	struct command_spec      spec = {
		             .line = "exit 0",
		             .env = env,
		             .home = home_fd,
		             .body = body,
		             .size_bytes = 12,
		             .timeout_ms = 20000,
		             .goes_on = true,
	};

	(void)state;
	for (size_t i = 0; i < COMMANDS_AT_ONCE; i++)
		run("sleep 0.1", body, 20000, &seen[i]);
	waits = run("touch late", body, 20000, &late);
	further = (struct seen){ 0 };
	assert_non_null(commands_run(commands, &spec, on_ended, &further));
	commands_stop(commands);
	assert_int_equal(commands_busy(commands), COMMANDS_AT_ONCE + 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(further.n, 1);
	assert_int_equal(late.n, 0);
	assert_false(is_there("late"));
	assert_int_equal(commands_busy(commands), 0);
	command_cancel(waits);
	close(body);
}

/* Our end is theirs, TERM first; with it goes what they started. */
static void
test_end(void **state)
{
	struct seen     seen[2];
	struct command *c[2];
	int             body = body_of("Hello: world");

	(void)state;
	c[0] = run("trap 'touch told; exit' TERM; touch a; sleep 60 & wait", body,
	    60000, &seen[0]);
	c[1] = run("trap '' TERM; touch b; (sleep 3; touch never) & sleep 60", body,
	    60000, &seen[1]);
	wait_for("a");
	wait_for("b");
	commands_end(commands);
	command_cancel(c[0]);
	command_cancel(c[1]);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(is_there("told"));
	assert_int_equal(seen[0].n + seen[1].n, 0);
	sleep(2);
	assert_false(is_there("never"));
	close(body);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(test_ends),
		IN_HOME(test_much_output),
		IN_HOME(test_own_offset),
		IN_HOME(test_copy),
		IN_HOME(test_deadline),
		IN_HOME(test_background),
		IN_HOME(test_at_once),
		IN_HOME(test_stop),
		IN_HOME(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
