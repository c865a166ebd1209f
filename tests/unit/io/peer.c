#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer.h"

enum { TYPE_PLAIN = 1, TYPE_FD = 2, TYPE_NEVER = 3, TYPE_REFUSED = 4, TYPE_CLOSES = 5 };

/* What one end of a pair has seen. */
struct seen {
	struct peer *peer;
	unsigned     frames;
	unsigned     gone;
	char         why[128];
	char         last[64];
	int          fd; /* taken from the last TYPE_FD, or -1 */
};

static bool
handle_plain(struct peer *peer, struct bytes frame, int *fds, size_t n_fds, void *context)
{
	struct seen *seen = context;

	(void)fds;
	assert_ptr_equal(peer, seen->peer);
	assert_int_equal(n_fds, 0);
	seen->frames++;
	bytes_to_string(bytes_from(frame, 2), seen->last, sizeof seen->last);
	return true;
}

static bool
handle_fd(struct peer *peer, struct bytes frame, int *fds, size_t n_fds, void *context)
{
	struct seen *seen = context;

	(void)peer;
	(void)frame;
	seen->frames++;
	if (n_fds == 2) {
		seen->fd = fds[1];
		fds[1] = -1;
	}
	return true;
}

static bool
never(void *context)
{
	(void)context;
	return false;
}

static bool
handle_refused(struct peer *peer, struct bytes frame, int *fds, size_t n_fds, void *context)
{
	(void)peer, (void)frame, (void)fds, (void)n_fds, (void)context;
	return false;
}

static bool
handle_closes(struct peer *peer, struct bytes frame, int *fds, size_t n_fds, void *context)
{
	struct seen *seen = context;

	(void)frame, (void)fds, (void)n_fds;
	seen->frames++;
	peer_close(peer);
	/* What a careless owner does. */
	assert_false(peer_send(peer, BYTES("\1\0late"), NULL, 0));
	peer_close(peer);
	return false;
}

static const struct peer_permit permits[] = {
	{ TYPE_PLAIN, NULL, handle_plain, 0 },
	{ TYPE_FD, NULL, handle_fd, 2 },
	{ TYPE_NEVER, never, handle_plain, 0 },
	{ TYPE_REFUSED, NULL, handle_refused, 0 },
	{ TYPE_CLOSES, NULL, handle_closes, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct seen *seen = context;

	assert_ptr_equal(peer, seen->peer);
	seen->gone++;
	snprintf(seen->why, sizeof seen->why, "%s", why);
}

static void
seen_on(uv_loop_t *loop, int socket, struct seen *at)
{
	at->peer = peer_open(
	    loop, socket, permits, sizeof permits / sizeof permits[0], on_gone, at);
	assert_non_null(at->peer);
}

static void
turn(uv_loop_t *loop, unsigned turns)
{
	while (turns-- > 0)
		uv_run(loop, UV_RUN_NOWAIT);
}

static void
finish(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static unsigned
open_fds(void)
{
	DIR     *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void
descriptors_arrive(void **state)
{
	struct seen a = { .fd = -1 }, b = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2], pipes[2], send[2];
	char        text[4] = "";
	uint32_t    uid;
	unsigned    before;

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	assert_int_equal(pipe(pipes), 0);
	seen_on(&loop, pair[0], &a);
	seen_on(&loop, pair[1], &b);
	before = open_fds();
	send[0] = send[1] = pipes[0];
	assert_true(peer_send(a.peer, BYTES("\2\0"), send, 2));
	assert_true(peer_send(b.peer, BYTES("\1\0hello"), NULL, 0));
	turn(&loop, 2);
	assert_int_equal(b.frames, 1);
	assert_string_equal(a.last, "hello");
	/* One was taken, the other was closed behind the handler's back. */
	assert_int_not_equal(b.fd, -1);
	assert_int_equal(open_fds(), before + 1);
	assert_int_equal(fcntl(b.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(pipes[1], "ja", 2), 2);
	assert_int_equal(read(b.fd, text, sizeof text), 2);
	assert_string_equal(text, "ja");
	assert_true(peer_uid(a.peer, &uid));
	assert_int_equal(uid, getuid());
	close(b.fd);
	close(pipes[0]);
	close(pipes[1]);
	peer_close(a.peer);
	turn(&loop, 2);
	assert_int_equal(b.gone, 1);
	assert_string_equal(b.why, "closed");
	assert_int_equal(a.gone, 0);
	assert_false(peer_send(b.peer, BYTES("\1\0"), NULL, 0));
	peer_close(b.peer);
	peer_close(NULL);
	finish(&loop);
}

/* 10,000 frames, some with a descriptor, before the other end reads the first. */
static void
burst_keeps_its_order(void **state)
{
	enum { FRAMES = 10000, WITH_FD = 50 };
	static char   buffer[PEER_FRAME_MAX];
	struct seen   a = { .fd = -1 };
	uv_loop_t     loop;
	int           pair[2], fds[PEER_DESCRIPTORS];
	unsigned char frame[512] = { TYPE_PLAIN, 0 };
	struct bytes  got;

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[0], &a);
	for (unsigned i = 0; i < FRAMES; i++) {
		memcpy(frame + 2, &i, sizeof i);
		assert_true(peer_send(a.peer, (struct bytes){ (char *)frame, sizeof frame },
		    &pair[0], i % WITH_FD == 0));
	}
	assert_true(peer_is_sending(a.peer));
	for (unsigned i = 0; i < FRAMES; i++) {
		unsigned number;

		assert_true(peer_receive_blocking(pair[1], buffer, &got, fds, 1000));
		assert_int_equal(got.n, sizeof frame);
		memcpy(&number, got.p + 2, sizeof number);
		assert_int_equal(number, i);
		assert_int_equal(fds[0] != -1, i % WITH_FD == 0);
		if (fds[0] != -1)
			close(fds[0]);
		if (i % 7 == 0)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_false(peer_is_sending(a.peer));
	assert_int_equal(a.gone, 0);
	peer_close(a.peer);
	close(pair[1]);
	finish(&loop);
}

static void
handlers_share_the_loop(void **state)
{
	struct seen b = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2];

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[1], &b);
	for (int i = 0; i < 200; i++)
		assert_true(peer_send_blocking(pair[0], BYTES("\1\0"), NULL, 0));
	turn(&loop, 1);
	assert_int_equal(b.frames, 64);
	turn(&loop, 3);
	assert_int_equal(b.frames, 200);
	peer_close(b.peer);
	close(pair[0]);
	finish(&loop);
}

static void
queue_is_bounded(void **state)
{
	static char frame[PEER_FRAME_MAX] = { TYPE_PLAIN };
	struct seen a = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2];
	unsigned    sent = 0;

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[0], &a);
	while (peer_send(a.peer, (struct bytes){ frame, sizeof frame }, NULL, 0))
		assert_true(++sent < 2 * (PEER_QUEUE_MAX / PEER_FRAME_MAX));
	assert_true(sent >= PEER_QUEUE_MAX / PEER_FRAME_MAX - 1);
	assert_int_equal(a.gone, 0); /* never from inside peer_send */
	assert_false(peer_send(a.peer, BYTES("\1\0"), NULL, 0));
	turn(&loop, 3);
	assert_int_equal(a.gone, 1);
	assert_string_equal(a.why, "cannot send: No buffer space available");
	peer_close(a.peer);
	close(pair[1]);
	finish(&loop);
}

static void
frame_too_large_is_not_sent(void **state)
{
	static char frame[PEER_FRAME_MAX + 1] = { TYPE_PLAIN };
	struct seen a = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2];

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[0], &a);
	assert_false(peer_send(a.peer, (struct bytes){ frame, sizeof frame }, NULL, 0));
	assert_false(peer_send_blocking(pair[1], BYTES(""), NULL, 0));
	turn(&loop, 2);
	assert_int_equal(a.gone, 1);
	assert_string_equal(a.why, "cannot send: Message too long");
	peer_close(a.peer);
	close(pair[1]);
	finish(&loop);
}

/* A frame as a broken or hostile program sends it. */
static void
send_raw(int socket, const void *p, size_t n, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char           space[CMSG_SPACE(sizeof(int) * 16)];
	} control = { .align = { 0 } };
	static char     copy[PEER_FRAME_MAX + 1];
	struct iovec    part = { copy, n };
	struct msghdr   message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *rights = &control.align;

	memcpy(copy, p, n < 64 ? n : 64);
	if (n_fds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &socket, sizeof socket);
	}
	assert_int_equal(sendmsg(socket, &message, 0), n);
}

static void
broken_frames_end_the_peer(void **state)
{
	static const struct {
		char        frame[64];
		size_t      n, n_fds;
		const char *why; /* NULL: it is fine */
	} rows[] = {
		{ "\1\0", 2, 0, NULL },
		{ "\1\0", PEER_FRAME_MAX, 0, NULL },
		{ "\2\0", 2, 2, NULL },
		{ "\1\0", PEER_FRAME_MAX + 1, 0,
		    "sent a frame that is too large or has too many descriptors" },
		{ "\2\0", 2, 5,
		    "sent a frame that is too large or has too many descriptors" },
		{ "\2\0", 2, 16,
		    "sent a frame that is too large or has too many descriptors" },
		{ "\2\0", 2, 3, "sent 3 descriptors with a frame of type 2" },
		{ "\1\0", 2, 1, "sent 1 descriptors with a frame of type 1" },
		{ "\6\0", 2, 0, "sent a frame of an unknown type" },
		{ "\1\1", 2, 0, "sent a frame of an unknown type" },
		{ "\0\0", 2, 0, "sent a frame of an unknown type" },
		{ "\1", 1, 0, "sent a frame of an unknown type" },
		{ "\3\0", 2, 0, "sent a frame of type 3 out of turn" },
		{ "\4\0", 2, 0, "sent a frame of type 4 that was refused" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct seen b = { .fd = -1 };
		uv_loop_t   loop;
		int         pair[2];
		unsigned    before;

		uv_loop_init(&loop);
		assert_int_equal(peer_pair(pair), 0);
		seen_on(&loop, pair[1], &b);
		turn(&loop, 1);
		before = open_fds();
		send_raw(pair[0], rows[i].frame, rows[i].n, rows[i].n_fds);
		send_raw(pair[0], "\1\0", 2, 0);
		turn(&loop, 3);
		if (b.fd != -1)
			close(b.fd);
		assert_int_equal(open_fds(), before);
		assert_int_equal(b.gone, rows[i].why != NULL);
		assert_int_equal(b.frames, rows[i].why ? 0 : 2);
		if (rows[i].why) {
			assert_string_equal(b.why, rows[i].why);
			/* The other end learns of it, though b is not closed yet. */
			assert_false(peer_send_blocking(pair[0], BYTES("\1\0"), NULL, 0));
		}
		peer_close(b.peer);
		close(pair[0]);
		finish(&loop);
	}
}

static void
handler_may_close_its_peer(void **state)
{
	struct seen b = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2];

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[1], &b);
	send_raw(pair[0], "\5\0", 2, 0);
	send_raw(pair[0], "\5\0", 2, 0);
	finish(&loop);
	assert_int_equal(b.frames, 1);
	assert_int_equal(b.gone, 0);
	close(pair[0]);
}

static void
gone_may_close_its_peer(struct peer *peer, const char *why, void *context)
{
	unsigned *gone = context;

	(void)why;
	(*gone)++;
	assert_false(peer_send(peer, BYTES("\1\0"), NULL, 0));
	peer_close(peer);
}

static void
closing_when_gone(void **state)
{
	unsigned  gone = 0;
	uv_loop_t loop;
	int       pair[2];

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	assert_non_null(peer_open(&loop, pair[1], permits, 1, gone_may_close_its_peer, &gone));
	close(pair[0]);
	finish(&loop);
	assert_int_equal(gone, 1);
}

/*
 * The other end sent three frames and died, with frames of ours unread (the kernel then
 * reports a reset before the frames). They are handled all the same.
 */
static void
last_words_are_heard(void **state)
{
	for (int send_first = 0; send_first < 2; send_first++) {
		struct seen b = { .fd = -1 };
		uv_loop_t   loop;
		int         pair[2];

		(void)state;
		uv_loop_init(&loop);
		assert_int_equal(peer_pair(pair), 0);
		seen_on(&loop, pair[1], &b);
		assert_true(peer_send(b.peer, BYTES("\1\0unread"), NULL, 0));
		for (int i = 0; i < 3; i++)
			send_raw(pair[0], "\1\0bye", 5, 0);
		close(pair[0]);
		if (send_first)
			assert_false(peer_send(b.peer, BYTES("\1\0"), NULL, 0));
		assert_int_equal(b.gone, 0);
		turn(&loop, 4);
		assert_int_equal(b.frames, 3);
		assert_string_equal(b.last, "bye");
		assert_int_equal(b.gone, 1);
		assert_string_equal(b.why, "closed");
		peer_close(b.peer);
		finish(&loop);
	}
}

/* It reads no more but keeps its end open: that must not leave the peer half alive. */
static void
half_closed_is_gone(void **state)
{
	struct seen b = { .fd = -1 };
	uv_loop_t   loop;
	int         pair[2];

	(void)state;
	uv_loop_init(&loop);
	assert_int_equal(peer_pair(pair), 0);
	seen_on(&loop, pair[1], &b);
	shutdown(pair[0], SHUT_RD);
	assert_false(peer_send(b.peer, BYTES("\1\0"), NULL, 0));
	turn(&loop, 3);
	assert_int_equal(b.gone, 1);
	peer_close(b.peer);
	close(pair[0]);
	finish(&loop);
}

static void
blocking_calls(void **state)
{
	static char  buffer[PEER_FRAME_MAX];
	int          pair[2], fds[PEER_DESCRIPTORS], again[PEER_DESCRIPTORS];
	struct bytes frame;

	(void)state;
	assert_int_equal(peer_pair(pair), 0);
	assert_false(peer_receive_blocking(pair[1], buffer, &frame, fds, 20));
	fds[0] = fds[1] = fds[2] = fds[3] = pair[0];
	assert_true(peer_send_blocking(pair[0], BYTES("\1\0ab"), fds, 4));
	assert_true(peer_receive_blocking(pair[1], buffer, &frame, again, 0));
	assert_true(bytes_equal(frame, BYTES("\1\0ab")));
	for (int i = 0; i < PEER_DESCRIPTORS; i++)
		assert_int_equal(close(again[i]), 0);
	assert_false(peer_send_blocking(pair[0], BYTES("\1\0"), fds, 5));
	send_raw(pair[0], "\1\0", 2, 5);
	assert_false(peer_receive_blocking(pair[1], buffer, &frame, again, 1000));
	assert_int_equal(again[0], -1);
	close(pair[0]);
	assert_false(peer_receive_blocking(pair[1], buffer, &frame, again, 1000));
	assert_false(peer_send_blocking(pair[1], BYTES("\1\0"), NULL, 0));
	close(pair[1]);
}

static void
no_socket_no_peer(void **state)
{
	uv_loop_t loop;
	int       fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	uv_loop_init(&loop);
	close(fd);
	assert_null(peer_open(&loop, fd, permits, 1, on_gone, NULL));
	assert_int_equal(errno, EBADF);
	finish(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_arrive),
		cmocka_unit_test(burst_keeps_its_order),
		cmocka_unit_test(handlers_share_the_loop),
		cmocka_unit_test(queue_is_bounded),
		cmocka_unit_test(frame_too_large_is_not_sent),
		cmocka_unit_test(broken_frames_end_the_peer),
		cmocka_unit_test(handler_may_close_its_peer),
		cmocka_unit_test(closing_when_gone),
		cmocka_unit_test(last_words_are_heard),
		cmocka_unit_test(half_closed_is_gone),
		cmocka_unit_test(blocking_calls),
		cmocka_unit_test(no_socket_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
