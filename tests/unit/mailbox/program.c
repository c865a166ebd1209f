/* The program itself: we are its supervisor and its pop3d. argv[1] is its path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "io/memfile.h"
#include "io/peer.h"
#include "maildir.h"
#include "proto/maildrop.h"
#include "proto/message.h"

enum { WAIT_MS = 20 * 1000, NOBODY = 65534, MEMORY_MAX_KB = 80 };

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const char *program;
static pid_t       child;
static int         control = -1, peer = -1;
static char        room[PEER_FRAME_MAX];
static int         fds[PEER_DESCRIPTORS];

/* --- the process --- */

static int
start(void **state)
{
	char *const environment[] = { NULL }; /* of tests: it costs memory */
	int         pair[2];

	if (make_maildir(state) == -1 || peer_pair(pair) == -1)
		return -1;
	child = fork();
	if (child == 0) {
		if (dup2(pair[1], 3) == 3)
			execle(program, "ampel-mailbox", (char *)NULL, environment);
		_exit(127);
	}
	close(pair[1]);
	control = pair[0];
	return child == -1 ? -1 : 0;
}

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static int
finish(void **state)
{
	close_one(&control);
	close_one(&peer);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return remove_home(state);
}

static void
expect_exit(int code)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	child = -1;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

/* --- frames --- */

/* Empty: the socket was closed. */
static struct bytes
receive(int socket)
{
	struct bytes frame = { NULL, 0 };

	if (!peer_receive_blocking(socket, room, &frame, fds, WAIT_MS))
		return (struct bytes){ NULL, 0 };
	return frame;
}

#define SEND(socket, name, fd, ...) \
	do { \
		struct buf b_; \
\
		buf_init(&b_, FRAME_MAX); \
		msg_##name##_add(&b_, &(struct msg_##name){ __VA_ARGS__ }); \
		assert_false(b_.failed); \
		peer_send_blocking( \
		    socket, buf_bytes(&b_), (int[]){ fd }, fd == -1 ? 0 : 1); \
		buf_finish(&b_); \
	} while (0)

static void
send_config(uint64_t generation, bool drop, uint32_t uid, bool chroot)
{
	int fd = memfile_of("config", BYTES(""));

	assert_true(fd != -1);
	SEND(control, config, fd, .generation = generation, .drop = drop,
	    .uid = uid, .gid = uid, .chroot = chroot, .name = BYTES("joe"));
	close(fd);
}

static void
send_peer(enum peer_role role)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	peer = pair[0];
	SEND(control, peer, pair[1], .role = (uint8_t)role, .serial = 7,
	    .name = BYTES("pop3s"));
	close(pair[1]);
}

static void
prepare_as(bool drop, uint32_t uid)
{
	struct msg_prepared m;

	send_config(4, drop, uid, false);
	assert_true(msg_prepared_read(receive(control), &m));
	assert_int_equal(m.generation, 4);
}

/* Up to READY. */
static void
begin(void)
{
	struct msg_ready m;

	prepare_as(false, 0);
	SEND(control, user, -1, .name = BYTES("joe"), .home = bytes_of(home), .login = BYTES(""));
	send_peer(ROLE_POP3D);
	SEND(control, use, -1, .generation = 4);
	assert_true(msg_ready_read(receive(control), &m));
	assert_int_equal(m.generation, 4);
}

static void
expect_maildrop(uint32_t n)
{
	struct msg_maildrop m;
	struct buf          list;
	uint64_t            size;

	assert_true(msg_maildrop_read(receive(peer), &m));
	assert_int_equal(m.ok, 1);
	assert_int_equal(m.n, n);
	if (n == 0) {
		assert_int_equal(fds[0], -1);
		return;
	}
	assert_int_equal(memfile_check(fds[0], UINT32_MAX, &size), MEMFILE_SEALED);
	buf_init(&list, UINT32_MAX);
	assert_int_equal(memfile_read(fds[0], 0, &list), 0);
	assert_true(maildrop_is_list(buf_bytes(&list), n));
	buf_finish(&list);
	close(fds[0]);
}

static void
put_three(void)
{
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b", "2\n");
	put("Maildir/cur/3.c:2,S", "3\n");
}

static void
expect_untouched(void)
{
	assert_int_equal(count("Maildir/new"), 2);
	assert_int_equal(count("Maildir/cur"), 1);
}

/* --- what pop3d gets --- */

/* One MESSAGE: n of them from number on, with the texts of their numbers. */
static void
expect_messages(uint32_t number, uint8_t n)
{
	struct msg_message m;

	assert_true(msg_message_read(receive(peer), &m));
	assert_int_equal(m.number, number);
	assert_int_equal(m.n, n);
	for (uint8_t i = 0; i < PEER_DESCRIPTORS; i++) {
		char text[16], expected[16];

		assert_int_equal(fds[i] != -1, i < n);
		if (i >= n)
			continue;
		snprintf(expected, sizeof expected, "%u\n", number + i);
		assert_int_equal(
		    read(fds[i], text, sizeof text), strlen(expected));
		assert_memory_equal(text, expected, strlen(expected));
		assert_int_equal(write(fds[i], "x", 1), -1);
		close(fds[i]);
	}
}

static void
test_session(void **state)
{
	static const char numbers[] = "\2\0\0\0\4\0\0\0\2\0\0\0";
	struct msg_updated m;

	(void)state;
	for (int i = 1; i <= 7; i++) {
		char below[PATH_TEXT], text[16];

		snprintf(below, sizeof below, "Maildir/new/%d.a", i);
		snprintf(text, sizeof text, "%d\n", i);
		put(below, text);
	}
	begin();
	expect_maildrop(7);
	take_away("Maildir/new/3.a");
	move("Maildir/new/4.a", "Maildir/cur/4.a:2,F");
	SEND(peer, ask_message, -1, .number = 1, .n = 7);
	expect_messages(1, 2);
	expect_messages(3, 0);
	expect_messages(4, 4);
	SEND(peer, ask_message, -1, .number = 7, .n = 1);
	expect_messages(7, 1);
	SEND(peer, remove, -1, { numbers, sizeof numbers - 1 });
	SEND(peer, remove, -1, { "\3\0\0\0", 4 });
	/* marked, not gone */
	SEND(peer, ask_message, -1, .number = 2, .n = 1);
	expect_messages(2, 1);
	SEND(peer, update, -1, 0);
	assert_true(msg_updated_read(receive(peer), &m));
	assert_int_equal(m.failed, 0);
	assert_int_equal(receive(peer).n, 0);
	expect_exit(0);
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/cur"), 4);
	assert_false(is_there("Maildir/cur/2.a:2,"));
	assert_true(is_there("Maildir/cur/7.a:2,"));
}

/* However it ends without UPDATE, nothing has happened. */
static void
test_no_update(void **state)
{
	(void)state;
	put_three();
	begin();
	expect_maildrop(3);
	SEND(peer, remove, -1, { "\1\0\0\0\3\0\0\0", 8 });
	SEND(peer, ask_message, -1, .number = 3, .n = 1);
	expect_messages(3, 1);
	close_one(&peer);
	expect_exit(0);
	expect_untouched();
}

static void
test_stop(void **state)
{
	(void)state;
	put_three();
	begin();
	expect_maildrop(3);
	SEND(peer, remove, -1, { "\1\0\0\0", 4 });
	SEND(control, stop, -1, 0);
	expect_exit(0);
	expect_untouched();
}

static void
test_supervisor_gone(void **state)
{
	(void)state;
	put_three();
	begin();
	expect_maildrop(3);
	SEND(peer, remove, -1, { "\1\0\0\0", 4 });
	close_one(&control);
	expect_exit(1);
	expect_untouched();
}

/* Ask until it takes nothing more: it waits for us to read its answers. */
static void
ask_without_end(void)
{
	struct buf b;
	int        refused = 0;

	buf_init(&b, FRAME_MAX);
	msg_ask_message_add(&b, &(struct msg_ask_message){ 1, 3 });
	assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	while (refused < 20)
		if (peer_send_blocking(peer, buf_bytes(&b), NULL, 0)) {
			refused = 0;
		} else {
			assert_int_equal(errno, EAGAIN);
			refused++;
			usleep(10 * 1000);
		}
	buf_finish(&b);
}

/* A pop3d that does not read does not keep us from hearing the supervisor. */
static void
test_stop_while_sending(void **state)
{
	(void)state;
	put_three();
	begin();
	expect_maildrop(3);
	ask_without_end();
	SEND(control, stop, -1, 0);
	expect_exit(0);
	expect_untouched();
}

static void
test_empty(void **state)
{
	(void)state;
	begin();
	expect_maildrop(0);
	SEND(peer, ask_message, -1, .number = 1, .n = 1);
	assert_int_equal(receive(peer).n, 0);
	expect_exit(1);
}

static void
test_unreadable(void **state)
{
	struct msg_maildrop m;
	char                path[PATH_TEXT];

	(void)state;
	path_at(path, "Maildir/cur");
	assert_int_equal(rmdir(path), 0);
	put("Maildir/cur", "");
	begin();
	assert_true(msg_maildrop_read(receive(peer), &m));
	assert_int_equal(m.ok, 0);
	assert_int_equal(m.n, 0);
	assert_int_equal(fds[0], -1);
	assert_true(bytes_equal(
	    m.text, BYTES("Maildir/cur cannot be read: Not a directory")));
	assert_int_equal(receive(peer).n, 0);
	expect_exit(0);
}

/* --- what pop3d must not send --- */

static void
hostile_pop3d(size_t row)
{
	static const struct {
		const char *frame;
		size_t      n;
	} rows[] = {
#define ROW(literal) { literal, sizeof(literal) - 1 }
		ROW("x"),
		ROW("\0\0"),
		ROW("\xff\xff\0\0"),
	};
	static const struct msg_ask_message asked[] = {
		{ 0, 1 },
		{ 1, 0 },
		{ 1, 4 },
		{ 4, 1 },
		{ 3, 2 },
		{ 1, 33 },
		{ UINT32_MAX, 2 },
		{ 2, UINT32_MAX },
	};
	static const struct bytes removed[] = {
		BYTES_INIT("\0\0\0\0"),
		BYTES_INIT("\4\0\0\0"),
		BYTES_INIT("\1\0\0\0\xff\xff\xff\xff"),
		BYTES_INIT("\1\0\0"),
		BYTES_INIT("\1\0\0\0\2"),
	};

	if (row < LENGTH(rows)) {
		struct bytes frame = { rows[row].frame, rows[row].n };

		peer_send_blocking(peer, frame, NULL, 0);
		return;
	}
	row -= LENGTH(rows);
	if (row < LENGTH(asked)) {
		SEND(peer, ask_message, -1, asked[row].number, asked[row].n);
		return;
	}
	row -= LENGTH(asked);
	if (row < LENGTH(removed)) {
		SEND(peer, remove, -1, removed[row]);
		return;
	}
	row -= LENGTH(removed);
	if (row == 0) /* what only the supervisor may say, and what we say */
		SEND(peer, user, -1, BYTES("ann"), BYTES("/home/ann"), BYTES(""));
	else
		SEND(peer, maildrop, -1, .ok = 1);
}

enum { HOSTILE_ROWS = 3 + 8 + 5 + 2 };

static void
test_hostile_pop3d(void **state)
{
	for (size_t row = 0; row < HOSTILE_ROWS; row++) {
		if (row > 0)
			assert_int_equal(start(state), 0);
		put_three();
		begin();
		expect_maildrop(3);
		SEND(peer, remove, -1, { "\1\0\0\0", 4 });
		hostile_pop3d(row);
		SEND(peer, update, -1, 0);
		assert_int_equal(receive(peer).n, 0);
		expect_exit(1);
		expect_untouched();
		assert_int_equal(finish(state), 0);
	}
	assert_int_equal(make_home(state), 0);
}

/* Descriptors that nobody asked for are closed, however many come. */
static void
test_unwanted_descriptors(void **state)
{
	const int four[] = { 0, 0, 0, 0 };

	(void)state;
	put_three();
	begin();
	expect_maildrop(3);
	for (int i = 0; i < 10000; i++) {
		struct buf b;

		buf_init(&b, FRAME_MAX);
		msg_remove_add(&b, &(struct msg_remove){ BYTES("") });
		assert_true(peer_send_blocking(peer, buf_bytes(&b), four, 4));
		buf_finish(&b);
	}
	SEND(peer, ask_message, -1, .number = 1, .n = 3);
	expect_messages(1, 3);
}

/* --- the supervisor --- */

static void
test_reload_and_stats(void **state)
{
	struct msg_prepared prepared;
	struct msg_ready    ready;
	struct msg_stats    stats;

	(void)state;
	begin();
	expect_maildrop(0);
	send_config(5, false, 0, false);
	assert_true(msg_prepared_read(receive(control), &prepared));
	assert_int_equal(prepared.generation, 5);
	SEND(control, use, -1, .generation = 5);
	assert_true(msg_ready_read(receive(control), &ready));
	assert_int_equal(ready.generation, 5);
	SEND(control, stats, -1, .q = 99);
	assert_true(msg_stats_read(receive(control), &stats));
	assert_int_equal(stats.q, 99);
	SEND(peer, ask_message, -1, .number = 1, .n = 1);
	expect_exit(1);
}

/* Nothing comes to a process that has not dropped its privileges. */
static void
test_out_of_turn(void **state)
{
	for (int row = 0; row < 6; row++) {
		if (row > 0)
			assert_int_equal(start(state), 0);
		if (row > 1)
			prepare_as(false, 0);
		switch (row) {
		case 0:
			SEND(control, user, -1, BYTES("joe"), bytes_of(home), BYTES(""));
			break;
		case 1:
			send_peer(ROLE_POP3D);
			break;
		case 2: /* without a user */
			send_peer(ROLE_POP3D);
			SEND(control, use, -1, .generation = 4);
			break;
		case 3: /* without a peer */
			SEND(control, user, -1, BYTES("joe"), bytes_of(home), BYTES(""));
			SEND(control, use, -1, .generation = 4);
			break;
		case 4:
			send_peer(ROLE_SMTPD);
			break;
		default:
			SEND(control, user, -1, BYTES("joe"), bytes_of(home), BYTES(""));
			SEND(control, user, -1, BYTES("ann"), BYTES("/"), BYTES(""));
		}
		expect_exit(1);
		assert_int_equal(finish(state), 0);
	}
	assert_int_equal(make_home(state), 0);
}

static void
test_refused(void **state)
{
	struct msg_refused m;

	(void)state;
	send_config(1, true, 0, false);
	assert_true(msg_refused_read(receive(control), &m));
	assert_true(bytes_equal(m.text, BYTES("will not run as root")));
	send_config(2, false, 0, true);
	assert_true(msg_refused_read(receive(control), &m));
	assert_int_equal(m.generation, 2);
	SEND(control, stop, -1, 0);
	expect_exit(0);
}

/* --- what it is and what it takes --- */

/* A number of /proc/PID/file behind that word; of several, the first. */
static long
proc_number(const char *file, const char *word)
{
	char  path[64], line[256];
	FILE *f;
	long  number = -1;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)child, file);
	f = fopen(path, "r");
	assert_non_null(f);
	while (number == -1 && fgets(line, sizeof line, f))
		if (strncmp(line, word, strlen(word)) == 0)
			number = strtol(line + strlen(word), NULL, 10);
	fclose(f);
	return number;
}

static bool
is_plain_build(void)
{
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
	return false;
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return true;
#endif
}

/* As joe it does not get into a Maildir that is not his. */
static void
test_runs_as_user(void **state)
{
	struct msg_ready    ready;
	struct msg_maildrop drop;

	(void)state;
	if (geteuid() != 0)
		skip();
	put_three();
	assert_int_equal(chmod(home, 0755), 0);
	prepare_as(true, NOBODY);
	assert_int_equal(proc_number("status", "Uid:"), NOBODY);
	assert_int_equal(proc_number("status", "NoNewPrivs:"), 1);
	SEND(control, user, -1, .name = BYTES("joe"), .home = bytes_of(home), .login = BYTES(""));
	send_peer(ROLE_POP3D);
	SEND(control, use, -1, .generation = 4);
	assert_true(msg_ready_read(receive(control), &ready));
	assert_true(msg_maildrop_read(receive(peer), &drop));
	assert_int_equal(drop.ok, 0);
	expect_exit(0);
	expect_untouched();
}

/* A thousand of them idle on a small machine. */
static void
test_memory(void **state)
{
	long own_kb;

	(void)state;
	if (!is_plain_build() || geteuid() != 0)
		skip(); /* it is not dumpable: root alone sees this */
	for (int i = 0; i < 200; i++) {
		char below[PATH_TEXT];

		snprintf(below, sizeof below,
		    "Maildir/new/1785000%03d.M1P12345.mx.example.org,S=12,W=13", i);
		put(below, "");
	}
	begin();
	expect_maildrop(200);
	SEND(peer, ask_message, -1, .number = 1, .n = 1);
	receive(peer);
	close(fds[0]);
	/* private pages of the file may be so only because it was just linked */
	own_kb = proc_number("smaps_rollup", "Anonymous:");
	print_message("idle with 200 messages: %ld kB\n", own_kb);
	assert_in_range(own_kb, 1, MEMORY_MAX_KB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_session),
		TEST(test_no_update),
		TEST(test_stop),
		TEST(test_supervisor_gone),
		TEST(test_stop_while_sending),
		TEST(test_empty),
		TEST(test_unreadable),
		TEST(test_hostile_pop3d),
		TEST(test_unwanted_descriptors),
		TEST(test_reload_and_stats),
		TEST(test_out_of_turn),
		TEST(test_refused),
		TEST(test_runs_as_user),
		TEST(test_memory),
	};

	if (argc < 2)
		return 1;
	program = argv[1];
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
