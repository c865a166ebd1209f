#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "service/checker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/file.h"

/*
 * What it reads goes into the file "read", behind the names in "asked". It answers by
 * the name: "exitN", "killed", "hangs", "alice" with her password.
 */
#define HEAD \
	"#!/bin/sh\n" \
	"cat <&3 >\"$1/read\"\n" \
	"user=$(tr '\\0' '\\n' <\"$1/read\" | sed -n 1p)\n" \
	"password=$(tr '\\0' '\\n' <\"$1/read\" | sed -n 2p)\n" \
	"echo \"$user:$password\" >>\"$1/asked\"\n"
#define TAIL \
	"case $user in\n" \
	"exit*) exit ${user#exit};;\n" \
	"killed) kill -9 $$;;\n" \
	"hangs) sleep 60 & echo $! >\"$1/sleeper\"; wait;;\n" \
	"esac\n" \
	"[ \"$user:$password\" = alice:alice-secret ] || exit 1\n" \
	"shift\n" \
	"[ $# = 0 ] || exec \"$@\"\n"
#define SCRIPT(more) HEAD more TAIL

enum {
	SHORT_MS = 300,       /* of what hangs anyway */
	STARTED_MS = 2000,    /* of what is to have started something by then */
	LONG_MS = 20 * 1000,  /* of what does not hang, on a busy machine */
};

static char root[] = "/tmp/ampel-checker.XXXXXX";
static char program[64];
static char why[200];

static struct bytes
path_of(const char *name)
{
	static char path[128];

	return (struct bytes){ path,
		(size_t)snprintf(path, sizeof path, "%s/%s", root, name) };
}

static void
write_program(const char *text)
{
	int fd;

	snprintf(program, sizeof program, "%s/check", root);
	unlink(program);
	unlink(path_of("asked").p);
	fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_int_not_equal(fd, -1);
	assert_int_equal(file_write_all(fd, bytes_of(text)), 0);
	close(fd);
}

static void
read_file(const char *name, struct buf *b)
{
	buf_init(b, 64 * 1024);
	assert_int_equal(file_read(path_of(name).p, b, NULL), 0);
}

static void
assert_file(const char *name, struct bytes text)
{
	struct buf b;

	read_file(name, &b);
	assert_int_equal(b.len, text.n);
	assert_memory_equal(b.p, text.p, text.n);
	buf_finish(&b);
}

/* One question to a checker that has proved nothing yet. */
static enum password_answer
ask_in(int timeout_ms, const char *user, const char *password)
{
	char *const    argv[] = { program, root, NULL };
	struct checker c = { .argv = argv, .timeout_ms = timeout_ms };

	why[0] = '\0';
	return checker_ask(&c, bytes_of(user), bytes_of(password), why, sizeof why);
}

static enum password_answer
ask_new(const char *user, const char *password)
{
	return ask_in(LONG_MS, user, password);
}

static void
assert_why(const char *text)
{
	char expected[200];

	snprintf(expected, sizeof expected, "%s: %s", program, text);
	assert_string_equal(why, expected);
}

static void
answers(void **state)
{
	static const struct {
		struct bytes         user, password;
		enum password_answer answer;
		const char          *why;
	} rows[] = {
		{ BYTES_INIT("alice"), BYTES_INIT("alice-secret"), PASSWORD_YES, "" },
		{ BYTES_INIT("alice"), BYTES_INIT("wrong"), PASSWORD_NO, "" },
		{ BYTES_INIT("alice"), BYTES_INIT(""), PASSWORD_NO, "" },
		{ BYTES_INIT("exit1"), BYTES_INIT("x"), PASSWORD_NO, "" },
		{ BYTES_INIT("exit2"), BYTES_INIT("x"), PASSWORD_TRY_LATER, "exit code 2" },
		{ BYTES_INIT("exit111"), BYTES_INIT("x"), PASSWORD_TRY_LATER,
		    "exit code 111" },
		{ BYTES_INIT("killed"), BYTES_INIT("x"), PASSWORD_TRY_LATER,
		    "killed by signal 9" },
		/* these are not even asked */
		{ BYTES_INIT(""), BYTES_INIT("alice-secret"), PASSWORD_NO, "" },
		{ BYTES_INIT("alice"), BYTES_INIT("alice-secret\0"), PASSWORD_NO, "" },
		{ BYTES_INIT("alice\0alice-secret"), BYTES_INIT("x"), PASSWORD_NO, "" },
	};
	char          *argv[] = { program, root, NULL };
	struct checker c = { .argv = argv };

	(void)state;
	write_program(SCRIPT(""));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		why[0] = '\0';
		assert_int_equal(checker_ask(&c, rows[i].user, rows[i].password, why,
		                     sizeof why), rows[i].answer);
		assert_true(c.is_proved);
		if (rows[i].why[0] != '\0')
			assert_why(rows[i].why);
		else
			assert_string_equal(why, "");
	}
}

/* Somebody whom nobody has, first, and once in a session. */
static void
is_asked_at_random_first(void **state)
{
	char          *argv[] = { program, root, NULL };
	struct checker c = { .argv = argv };
	struct buf     first, second;
	size_t         end;

	(void)state;
	write_program(SCRIPT(""));
	for (int i = 0; i < 2; i++)
		assert_int_equal(checker_ask(&c, BYTES("alice"), BYTES("alice-secret"),
		                     why, sizeof why), PASSWORD_YES);
	read_file("asked", &first);
	end = bytes_find(buf_bytes(&first), '\n');
	assert_int_equal(end, 32 + 1 + 32);
	assert_int_equal(first.p[32], ':');
	assert_memory_not_equal(first.p, first.p + 33, 32);
	assert_true(bytes_equal(bytes_from(buf_bytes(&first), end + 1),
	    BYTES("alice:alice-secret\nalice:alice-secret\n")));

	/* another session, another name */
	unlink(path_of("asked").p);
	assert_int_equal(ask_new("alice", "alice-secret"), PASSWORD_YES);
	read_file("asked", &second);
	assert_memory_not_equal(first.p, second.p, 32);
	buf_finish(&first);
	buf_finish(&second);
}

/* Those that cannot be used: whatever is asked, nobody is let in. */
static void
is_not_believed(void **state)
{
	static const struct {
		const char *program, *why;
		int         timeout_ms;
	} rows[] = {
		{ "#!/bin/sh\n",
		    "accepts any password: are its arguments in the wrong place?", LONG_MS },
		{ "#!/bin/sh\nexit 111\n", "exit code 111", LONG_MS },
		{ "#!/bin/sh\nexit 2\n", "exit code 2", LONG_MS },
		{ "#!/bin/sh\nkill -11 $$\n", "killed by signal 11", LONG_MS },
		{ "#!/bin/sh\nsleep 60\n", "no answer in time", SHORT_MS },
		{ "#!/nowhere/sh\n", "No such file or directory", LONG_MS },
		/* it knows alice, and is not sure about others */
		{ SCRIPT("[ $user = alice ] || exit 100\n"), "exit code 100", LONG_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		write_program(rows[i].program);
		assert_int_equal(ask_in(rows[i].timeout_ms, "alice", "alice-secret"),
		    PASSWORD_TRY_LATER);
		assert_why(rows[i].why);
	}
	unlink(program);
	assert_int_equal(ask_new("alice", "alice-secret"), PASSWORD_TRY_LATER);
	assert_why("No such file or directory");
	write_program("#!/bin/sh\nexit 1\n");
	chmod(program, 0600);
	assert_int_equal(ask_new("alice", "alice-secret"), PASSWORD_TRY_LATER);
	assert_why("Permission denied");
}

/* Trouble that passes: the next question is preceded by the random one again. */
static void
proves_itself_later(void **state)
{
	char          *argv[] = { program, root, NULL };
	struct checker c = { .argv = argv };

	(void)state;
	write_program("#!/bin/sh\nexit 111\n");
	assert_int_equal(checker_ask(&c, BYTES("alice"), BYTES("alice-secret"), why,
	                     sizeof why), PASSWORD_TRY_LATER);
	assert_false(c.is_proved);
	write_program(SCRIPT(""));
	assert_int_equal(checker_ask(&c, BYTES("alice"), BYTES("alice-secret"), why,
	                     sizeof why), PASSWORD_YES);
	assert_true(c.is_proved);
}

/* Killed with what it has started. */
static void
hangs(void **state)
{
	uint64_t   began_ms = clock_monotonic_ms();
	struct buf sleeper;
	pid_t      pid;

	(void)state;
	write_program(SCRIPT(""));
	assert_int_equal(ask_in(STARTED_MS, "hangs", "x"), PASSWORD_TRY_LATER);
	assert_why("no answer in time");
	assert_true(clock_monotonic_ms() - began_ms < 20 * 1000);
	read_file("sleeper", &sleeper);
	pid = (pid_t)strtol(buf_string(&sleeper), NULL, 10);
	buf_finish(&sleeper);
	assert_true(pid > 1);
	/* whoever inherited it may take a moment to reap it */
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
		char stat[64], state_of = '?';
		FILE *f;

		snprintf(stat, sizeof stat, "/proc/%ld/stat", (long)pid);
		f = fopen(stat, "re");
		if (f) {
			if (fscanf(f, "%*d %*s %c", &state_of) != 1)
				state_of = '?';
			fclose(f);
		}
		if (state_of == 'Z')
			return;
		usleep(10 * 1000);
	}
	assert_int_equal(kill(pid, 0), -1);
}

/* What DJB's interface promises, and nothing beside. */
static void
how_it_is_started(void **state)
{
	struct buf b;
	int        open_fds[2];

	(void)state;
	write_program(SCRIPT(
	    "for fd in 0 1 2; do fds=\"$fds $(readlink /proc/$$/fd/$fd)\"; done\n"
	    "echo $fds >\"$1/fds\"\n"
	    "ls /proc/$$/fd | tr '\\n' ' ' >\"$1/open\"\n"
	    "echo \"$TCPREMOTEIP\" >\"$1/env\"\n"
	    "[ $(ps -o pgid= -p $$) = $$ ] || exit 3\n"
	    /* glibc's own two are not ours to judge */
	    "grep -Eq 'SigIgn:\t0000000[01][08]0000000$' /proc/$$/status || exit 4\n"
	    "grep -q 'SigBlk:\t0000000000000000' /proc/$$/status || exit 5\n"));
	assert_int_equal(pipe(open_fds), 0); /* without close-on-exec */
	setenv("TCPREMOTEIP", "192.0.2.1", 1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(ask_new("alice", "alice-secret"), PASSWORD_YES);
	close(open_fds[0]);
	close(open_fds[1]);
	assert_file("read", BYTES("alice\0alice-secret\0\0"));
	assert_file("env", BYTES("192.0.2.1\n"));
	assert_file("fds", BYTES("/dev/null /dev/null /dev/null\n"));
	/* 10 and up are the shell's own: its script */
	read_file("open", &b);
	assert_true(bytes_start(buf_bytes(&b), BYTES("0 1 ")));
	assert_null(strstr(buf_string(&b), " 4 "));
	buf_finish(&b);
}

/* 512 bytes with the three NULs, as everybody does. */
static void
long_passwords(void **state)
{
	static char    password[600];
	char          *argv[] = { program, root, NULL };
	struct checker c = { .argv = argv };
	struct buf     b;

	(void)state;
	write_program(SCRIPT("[ ${#password} = 504 ] && exit 0\n"));
	memset(password, 'x', sizeof password - 1);
	assert_int_equal(checker_ask(&c, BYTES("alice"),
	    bytes_first(bytes_of(password), 504), why, sizeof why), PASSWORD_YES);
	assert_int_equal(checker_ask(&c, BYTES("alice"),
	    bytes_first(bytes_of(password), 505), why, sizeof why), PASSWORD_NO);
	read_file("read", &b); /* of the first */
	assert_int_equal(b.len, 512);
	buf_finish(&b);
}

/* Without a '/' it is searched. */
static void
is_searched(void **state)
{
	char          *argv[] = { (char[]){ "check" }, root, NULL };
	struct checker c = { .argv = argv };
	const char    *was = getenv("PATH");
	char           path[512];

	(void)state;
	write_program(SCRIPT(""));
	assert_int_equal(checker_ask(&c, BYTES("alice"), BYTES("alice-secret"), why,
	                     sizeof why), PASSWORD_TRY_LATER);
	assert_string_equal(why, "check: No such file or directory");
	snprintf(path, sizeof path, "%s:%s", root, was);
	setenv("PATH", path, 1);
	assert_int_equal(checker_ask(&c, BYTES("alice"), BYTES("alice-secret"), why,
	                     sizeof why), PASSWORD_YES);
	snprintf(path, sizeof path, "%s", strchr(getenv("PATH"), ':') + 1);
	setenv("PATH", path, 1);
}

/* --- who goes on --- */

struct conversation {
	struct checker     checker;
	struct checker_run run;
	int                ours, theirs;
};

static enum password_answer
start_with(struct conversation *t, char *const *argv, const char *user,
    const char *password)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	t->checker = (struct checker){ .argv = argv, .timeout_ms = LONG_MS };
	t->ours = pair[0];
	why[0] = '\0';
	t->theirs = pair[1];
	return checker_start(&t->checker, bytes_of(user), bytes_of(password),
	    t->theirs, &t->run, why, sizeof why);
}

static void
hang_up(struct conversation *t)
{
	close(t->ours);
	close(t->theirs);
}

/* Its program has the socket for input and output, and nothing of ours. */
static void
goes_on(void **state)
{
	char *const argv[] = { program, root, (char[]){ "sh" }, (char[]){ "-c" },
		(char[]){ "echo hello; read word; echo \"$word\"; ls /proc/$$/fd | wc -l; exit 7" },
		NULL };
	struct conversation t;
	char                packet[32] = "";

	(void)state;
	write_program(SCRIPT("exec 3<&-\n"));
	assert_int_equal(start_with(&t, argv, "alice", "alice-secret"), PASSWORD_YES);
	close(t.theirs);
	assert_int_equal(recv(t.ours, packet, sizeof packet, 0), 6);
	assert_memory_equal(packet, "hello\n", 6);
	for (const char *p = "word\n"; *p != '\0'; p++) /* the shell reads it so */
		assert_int_equal(send(t.ours, p, 1, 0), 1);
	assert_int_equal(recv(t.ours, packet, sizeof packet, 0), 5);
	assert_memory_equal(packet, "word\n", 5);
	assert_int_equal(recv(t.ours, packet, sizeof packet, 0), 2);
	assert_memory_equal(packet, "3\n", 2);
	assert_int_equal(checker_end(&t.run, LONG_MS, why, sizeof why), PASSWORD_TRY_LATER);
	assert_why("exit code 7");
	assert_int_equal(t.run.pidfd, -1);
	close(t.ours);
}

static void
does_not_go_on(void **state)
{
	char *const argv[] = { program, root, (char[]){ "echo" }, (char[]){ "hello" },
		NULL };
	static const struct {
		const char          *user;
		enum password_answer answer;
		const char          *why;
		int                  timeout_ms;
	} rows[] = {
		{ "bob", PASSWORD_NO, NULL, LONG_MS },
		{ "exit111", PASSWORD_TRY_LATER, "exit code 111", LONG_MS },
		{ "killed", PASSWORD_TRY_LATER, "killed by signal 9", LONG_MS },
		{ "hangs", PASSWORD_TRY_LATER, "no answer in time", SHORT_MS },
	};

	(void)state;
	write_program(SCRIPT(""));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conversation t;
		char                byte;

		assert_int_equal(
		    start_with(&t, argv, rows[i].user, "x"), PASSWORD_YES);
		assert_int_equal(
		    checker_end(&t.run, rows[i].timeout_ms, why, sizeof why),
		    rows[i].answer);
		if (rows[i].why)
			assert_why(rows[i].why);
		close(t.theirs);
		assert_int_equal(recv(t.ours, &byte, 1, 0), 0); /* not a word */
		close(t.ours);
	}
}

/* One that lets in everybody is found out by what it lets in, or by its end. */
static void
goes_on_with_everybody(void **state)
{
	static const char *const programs[] = {
		"#!/bin/sh\nshift; exec \"$@\"\n",
		"#!/bin/sh\nshift; \"$@\"; exit 1\n",
		"#!/bin/sh\nexit 0\n",
	};
	char *const argv[] = { program, root, (char[]){ "echo" }, (char[]){ "hello" },
		NULL };

	(void)state;
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		struct conversation t;

		write_program(programs[i]);
		assert_int_equal(start_with(&t, argv, "alice", "alice-secret"),
		    PASSWORD_TRY_LATER);
		assert_why("accepts any password: are its arguments in the wrong place?");
		assert_int_equal(t.run.pidfd, -1);
		assert_int_equal(checker_end(&t.run, SHORT_MS, why, sizeof why),
		    PASSWORD_TRY_LATER);
		hang_up(&t);
	}
}

static void
is_not_started(void **state)
{
	char *const argv[] = { program, root, NULL };
	struct conversation t;

	(void)state;
	write_program(SCRIPT(""));
	assert_int_equal(start_with(&t, argv, "", "alice-secret"), PASSWORD_NO);
	assert_int_equal(t.run.pidfd, -1);
	hang_up(&t);
	unlink(program);
	assert_int_equal(
	    start_with(&t, argv, "alice", "alice-secret"), PASSWORD_TRY_LATER);
	assert_why("No such file or directory");
	hang_up(&t);
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "check", "read", "asked", "fds", "open",
		"env", "sleeper" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]).p);
	return rmdir(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(is_asked_at_random_first),
		cmocka_unit_test(is_not_believed),
		cmocka_unit_test(proves_itself_later),
		cmocka_unit_test(hangs),
		cmocka_unit_test(how_it_is_started),
		cmocka_unit_test(long_passwords),
		cmocka_unit_test(is_searched),
		cmocka_unit_test(goes_on),
		cmocka_unit_test(does_not_go_on),
		cmocka_unit_test(goes_on_with_everybody),
		cmocka_unit_test(is_not_started),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
