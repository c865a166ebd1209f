#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/peer.h"
#include "proto/message.h"
#include "service/auth_client.h"

enum { MANY = 8 };

struct told {
	unsigned             times;
	unsigned             turn; /* of all answers, when this one came; from 1 */
	enum password_answer answer;
	char                 user[32];
};

/* The client in a loop; auth is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t           loop;
	struct auth_client *client;
	int                 auth;
	unsigned            before; /* open descriptors */
	struct told         told[MANY];
	unsigned            n_told;
	bool                asks_again; /* whoever is told, once */
} w;

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
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static void
connect_client(void)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	auth_client_connect(w.client, pair[0]);
	w.auth = pair[1];
}

static void
open_world(void)
{
	memset(&w, 0, sizeof w);
	w.auth = -1;
	w.before = open_fds();
	uv_loop_init(&w.loop);
	w.client = auth_client_new(&w.loop);
	assert_non_null(w.client);
}

static void
open_connected(void)
{
	open_world();
	connect_client();
}

/* Nothing is left open, and nobody was told twice. */
static void
close_world(void)
{
	auth_client_free(w.client);
	if (w.auth != -1)
		close(w.auth);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(open_fds(), w.before);
	for (size_t i = 0; i < MANY; i++)
		assert_true(w.told[i].times <= 1);
}

static struct auth_question *ask(size_t n, int mailbox);

static void
on_answer(enum password_answer answer, struct bytes user, void *context)
{
	struct told *told = context;

	told->times++;
	told->turn = ++w.n_told;
	told->answer = answer;
	assert_true(bytes_to_string(user, told->user, sizeof told->user));
	if (!w.asks_again)
		return;
	w.asks_again = false;
	ask(MANY - 1, -1);
}

static struct auth_question *
ask(size_t n, int mailbox)
{
	struct auth_question *q = auth_ask(w.client, BYTES("pop3s"),
	    BYTES("192.0.2.1"), BYTES("Alice"), BYTES("open sesame"), mailbox,
	    on_answer, &w.told[n]);

	assert_non_null(q);
	assert_int_equal(w.told[n].times, 0); /* never from inside the call */
	return q;
}

/* What auth got; fd, if it is wanted, else there was none. */
static uint64_t
receive(int *fd)
{
	static char             buffer[PEER_FRAME_MAX];
	struct msg_ask_password m;
	struct bytes            frame;
	int                     fds[PEER_DESCRIPTORS];

	assert_true(peer_receive_blocking(w.auth, buffer, &frame, fds, 1000));
	assert_true(msg_ask_password_read(frame, &m));
	assert_true(bytes_equal(m.listener, BYTES("pop3s")));
	assert_true(bytes_equal(m.address, BYTES("192.0.2.1")));
	assert_true(bytes_equal(m.user, BYTES("Alice")));
	assert_true(bytes_equal(m.password, BYTES("open sesame")));
	if (fd)
		*fd = fds[0];
	else
		assert_int_equal(fds[0], -1);
	memset(buffer, 0, sizeof buffer);
	return m.q;
}

static void
answer(uint64_t q, uint8_t what, struct bytes user)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_password_add(&frame, &(struct msg_password){ q, what, user });
	assert_true(
	    peer_send_blocking(w.auth, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
}

static void
assert_later(size_t n)
{
	assert_int_equal(w.told[n].times, 1);
	assert_int_equal(w.told[n].answer, PASSWORD_TRY_LATER);
	assert_string_equal(w.told[n].user, "");
}

/* --- the tests --- */

static void
answers_out_of_order(void **state)
{
	uint64_t q[3];

	(void)state;
	open_connected();
	for (size_t i = 0; i < 3; i++)
		ask(i, -1);
	for (size_t i = 0; i < 3; i++)
		q[i] = receive(NULL);
	answer(q[2], PASSWORD_TRY_LATER, BYTES(""));
	answer(q[1], PASSWORD_NO, BYTES(""));
	answer(q[0], PASSWORD_YES, BYTES("alice"));
	answer(q[0], PASSWORD_NO, BYTES("")); /* a second one counts for nothing */
	turn();
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(w.told[i].turn, 3 - i);
	assert_int_equal(w.told[0].answer, PASSWORD_YES);
	assert_string_equal(w.told[0].user, "alice");
	assert_int_equal(w.told[1].answer, PASSWORD_NO);
	assert_string_equal(w.told[1].user, "");
	assert_later(2);
	close_world();
}

/* The socket for the mailbox goes along, and stays the asker's. */
static void
socket_travels(void **state)
{
	int  pair[2], fd;
	char c;

	(void)state;
	open_connected();
	assert_int_equal(peer_pair(pair), 0);
	ask(0, pair[1]);
	receive(&fd);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pair[0], &c, 1), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(pair[0]), 0);
	assert_int_equal(close(pair[1]), 0);
	close_world();
}

static void
auth_dies(void **state)
{
	(void)state;
	open_connected();
	w.asks_again = true; /* while the other is being told */
	ask(0, -1);
	ask(1, -1);
	close(w.auth);
	w.auth = -1;
	turn();
	assert_later(0);
	assert_later(1);
	assert_later(MANY - 1); /* asked of nobody */
	close_world();
}

/* Passwords do not wait for the next auth. */
static void
without_auth(void **state)
{
	struct auth_question *forgotten;
	char                  byte;

	(void)state;
	open_world();
	ask(0, -1);
	forgotten = ask(1, -1);
	auth_forget(forgotten);
	connect_client();
	turn();
	assert_later(0);
	assert_int_equal(w.told[1].times, 0);
	assert_int_equal(recv(w.auth, &byte, 1, MSG_DONTWAIT), -1);
	close(w.auth); /* the loop has not yet said so */
	w.auth = -1;
	ask(2, -1);
	turn();
	assert_later(2);
	close_world();
}

static void
auth_is_replaced(void **state)
{
	int old;

	(void)state;
	open_connected();
	ask(0, -1);
	turn();
	old = w.auth;
	connect_client();
	assert_later(0);
	ask(1, -1);
	answer(receive(NULL), PASSWORD_YES, BYTES("alice"));
	turn();
	assert_string_equal(w.told[1].user, "alice");
	close(old);
	close_world();
}

static void
forgotten(void **state)
{
	struct auth_question *question;

	(void)state;
	auth_forget(NULL);
	open_connected();
	question = ask(0, -1);
	ask(1, -1);
	auth_forget(question);
	answer(receive(NULL), PASSWORD_NO, BYTES("")); /* no fault of auth */
	answer(receive(NULL), PASSWORD_NO, BYTES(""));
	turn();
	assert_int_equal(w.told[0].times, 0);
	assert_int_equal(w.told[1].times, 1);
	close_world();
}

static void
the_end_tells_nobody(void **state)
{
	(void)state;
	open_connected();
	ask(0, -1);
	turn();
	close_world();
	assert_int_equal(w.n_told, 0);
}

/* Never taken for a yes: the connection ends, the question is "try later". */
static void
garbled_answers(void **state)
{
	static const struct {
		uint8_t      answer;
		struct bytes user;
	} rows[] = {
		{ PASSWORD_YES, BYTES_INIT("") },
		{ PASSWORD_NO, BYTES_INIT("alice") },
		{ PASSWORD_TRY_LATER, BYTES_INIT("alice") },
		{ PASSWORD_TRY_LATER + 1, BYTES_INIT("") },
		{ 255, BYTES_INIT("alice") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		open_connected();
		ask(0, -1);
		answer(receive(NULL), rows[i].answer, rows[i].user);
		turn();
		assert_later(0);
		assert_false(peer_send_blocking(w.auth, BYTES("\1\0"), NULL, 0));
		close_world();
	}
}

static void
question_too_large(void **state)
{
	static char  user[FRAME_MAX];
	struct bytes large = { user, sizeof user };

	(void)state;
	open_connected();
	assert_null(auth_ask(w.client, BYTES("smtps"), BYTES("192.0.2.1"), large,
	    BYTES(""), -1, on_answer, &w.told[0]));
	turn();
	assert_int_equal(w.told[0].times, 0);
	close_world();
}

/* How often text stands on the heap, where freed memory is too. */
static size_t
on_heap(const char *text)
{
	FILE  *maps = fopen("/proc/self/maps", "r");
	size_t n = 0;
	char   line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps)) {
		uintptr_t   from, to;
		const char *p, *end;

		if (!strstr(line, "[heap]") ||
		    sscanf(line, "%zx-%zx", &from, &to) != 2)
			continue;
		p = (const char *)from;
		end = (const char *)to;
		while ((p = memmem(p, (size_t)(end - p), text, strlen(text)))) {
			n++;
			p++;
		}
	}
	fclose(maps);
	return n;
}

/* Not that of a sanitizer, which has another. */
static bool
heap_is_seen(void)
{
	char *mark = strdup("a mark on the heap, seen if it is seen at all");
	bool  is_seen = on_heap(mark) > 0;

	free(mark);
	return is_seen;
}

/* Frames that are sent at once, that wait, that are lost: no password is left behind. */
static void
passwords_are_wiped(void **state)
{
	char secret[] = "iVxyzzy-shazam-abracadabra-hocuspocus";

	(void)state;
	if (!heap_is_seen())
		skip();
	mallopt(M_PERTURB, 0); /* nobody but us is to wipe */
	open_connected();
	secret[0] = 's'; /* so that no copy of it is made by the compiler */
	for (size_t i = 0; i < 20000; i++)
		assert_non_null(auth_ask(w.client, BYTES("smtps"),
		    BYTES("192.0.2.1"), BYTES("alice"), bytes_of(secret), -1,
		    on_answer, &w.told[0]));
	close(w.auth);
	w.auth = -1;
	auth_client_free(w.client);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(on_heap(secret), 0);
}

/* The first loop of a process opens descriptors that stay. */
static int
first_loop(void **state)
{
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	return uv_loop_close(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_out_of_order),
		cmocka_unit_test(socket_travels),
		cmocka_unit_test(auth_dies),
		cmocka_unit_test(without_auth),
		cmocka_unit_test(auth_is_replaced),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(the_end_tells_nobody),
		cmocka_unit_test(garbled_answers),
		cmocka_unit_test(question_too_large),
		cmocka_unit_test(passwords_are_wiped),
	};

	return cmocka_run_group_tests(tests, first_loop, NULL);
}
