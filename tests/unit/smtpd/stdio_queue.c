/* Programs in the place of qmail-queue that no test of the whole waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/file.h"
#include "io/memfile.h"
#include "smtpd/stdio_queue.h"

enum { LATE_MS = 500, SOON_MS = 30 * 1000 };

static char folder[] = "/tmp/ampel-stdio-queue-XXXXXX";
static char program[sizeof folder + 16];

/* What a shell does in that place; it stands in the folder. */
static struct stdio_queue_end
run(const char *script, int timeout_ms)
{
	const struct stdio_queue q = { .program = program, .folder = folder,
		.timeout_ms = timeout_ms };
	int message = memfile_of("message", BYTES("Subject: one\n"));
	int envelope = memfile_of("envelope", BYTES("Fa@b\0Tc@d\0\0"));
	struct stdio_queue_end end;
	char                   text[1024];

	snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
	assert_int_equal(file_replace(program, bytes_of(text), 0700), 0);
	assert_true(message != -1 && envelope != -1);
	end = stdio_queue_run(&q, message, envelope);
	close(message);
	close(envelope);
	return end;
}

static bool
is_there(const char *name)
{
	struct stat st;
	char        path[sizeof folder + 32];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &st) == 0;
}

static void
test_ends(void **state)
{
	static const struct {
		const char *script;
		int         code;
		const char *text;
	} rows[] = {
		{ "exit 0", 0, "" },
		{ "exit 31", 31, "" },
		{ "exit 255", 255, "" },
		{ "kill -9 $$", QMAIL_QUEUE_CRASHED, "" },
		{ "kill -15 $$", QMAIL_QUEUE_CRASHED, "" },
		{ "printf 'D5.7.1 no' >&6; exit 82", 82, "D5.7.1 no" },
		{ "printf 'D5.7.1 ' >&6; printf no >&6; exit 82", 82, "D5.7.1 no" },
		{ "exec 6>&-; exit 82", 82, "" },
		{ "exec 6>&-; sleep 0.1; exit 3", 3, "" },
		/* read from their beginnings, once the one and then the other */
		{ "exec 5<&1; test \"$(cat)\" = 'Subject: one' || exit 1; "
		  "test \"$(tr '\\0' . <&5)\" = Fa@b.Tc@d.. || exit 2; exit 0", 0, "" },
		/* what it was given cannot be spoilt */
		{ "echo x >&1 && exit 1; exit 0", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct stdio_queue_end end = run(rows[i].script, SOON_MS);

		if (end.code != rows[i].code ||
		    !bytes_equal((struct bytes){ end.text, end.text_bytes },
		        bytes_of(rows[i].text)))
			fail_msg("%s: %d \"%.*s\"", rows[i].script, end.code,
			    (int)end.text_bytes, end.text);
		assert_true(end.pid > 0);
	}
}

/* More than it may say is read and dropped: it does not hang. */
static void
test_long_text(void **state)
{
	struct stdio_queue_end end =
	    run("head -c 300000 /dev/zero | tr '\\0' x >&6; exit 82", SOON_MS);

	(void)state;
	assert_int_equal(end.code, 82);
	assert_int_equal(end.text_bytes, QMAIL_QUEUE_TEXT_MAX);
	for (size_t i = 0; i < end.text_bytes; i++)
		assert_int_equal(end.text[i], 'x');
}

/* It is killed, and so is what it has started. */
static void
test_late(void **state)
{
	uint64_t               began_ms = clock_monotonic_ms();
	struct stdio_queue_end end = run("trap '' TERM\n"
	    "(sleep 2; touch survived) &\n"
	    "printf Dtoo >&6\nsleep 600; exit 0", LATE_MS);

	(void)state;
	assert_int_equal(end.code, QMAIL_QUEUE_TIMEOUT);
	assert_true(clock_monotonic_ms() - began_ms >= LATE_MS);
	assert_true(clock_monotonic_ms() - began_ms < SOON_MS);
	sleep(3);
	assert_false(is_there("survived"));
}

/* What it leaves behind may hold descriptor 6 and live on; its own end counts. */
static void
test_left_behind(void **state)
{
	uint64_t               began_ms = clock_monotonic_ms();
	struct stdio_queue_end end = run("sleep 600 &\necho $! > left\n"
	    "printf Zlater >&6\nexit 82", SOON_MS);
	char                   path[sizeof folder + 32];
	struct buf             pid;

	(void)state;
	assert_int_equal(end.code, 82);
	assert_true(bytes_equal(
	    (struct bytes){ end.text, end.text_bytes }, BYTES("Zlater")));
	assert_true(clock_monotonic_ms() - began_ms < SOON_MS);
	snprintf(path, sizeof path, "%s/left", folder);
	buf_init(&pid, 32);
	assert_int_equal(file_read(path, &pid, NULL), 0);
	assert_int_equal(kill(atoi(buf_string(&pid)), SIGKILL), 0);
	buf_finish(&pid);
}

static void
test_not_run(void **state)
{
	static char            missing[] = "/nonexistent/queue";
	struct stdio_queue     q = { .program = missing, .timeout_ms = SOON_MS };
	int                    fd = memfile_of("empty", BYTES(""));
	struct stdio_queue_end end = stdio_queue_run(&q, fd, fd);

	(void)state;
	assert_int_equal(end.code, QMAIL_QUEUE_NOT_RUN);
	q.program = program;
	q.folder = missing;
	end = stdio_queue_run(&q, fd, fd);
	assert_int_equal(end.code, QMAIL_QUEUE_NOT_RUN);
	close(fd);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(program, sizeof program, "%s/queue", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	char command[sizeof folder + 16];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_not_run),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
