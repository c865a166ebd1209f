#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

#include "deliver/desk.h"
#include "home.h"
#include "proto/message.h"

enum { WAIT_MS = 5000 };

static uv_loop_t    loop;
static struct users users;
static struct desk  desk;
static int          lookup = -1; /* our end */
static unsigned     n_asked;
static char         room[PEER_FRAME_MAX];

static void
asked(void)
{
	n_asked++;
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

/* A new lookup. */
static void
connect_lookup(void)
{
	int pair[2];

	if (lookup != -1)
		close(lookup);
	assert_int_equal(peer_pair(pair), 0);
	lookup = pair[0];
	desk_connect(&desk, &loop, pair[1]);
}

static void
make_file(const char *name)
{
	char path[PATH_TEXT];
	int  fd;

	path_at(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	close(fd);
}

static int
set_up(void **state)
{
	desk = (struct desk){ .users = &users, .asked = asked };
	n_asked = 0;
	return make_home(state) == 0 && uv_loop_init(&loop) == 0 &&
	        users_add(&users, BYTES("joe"), bytes_of(home), BYTES("")) &&
	        users_add(&users, BYTES("gone"), BYTES("/nonexistent/gone"), BYTES(""))
	    ? 0
	    : -1;
}

static int
tear_down(void **state)
{
	close(lookup);
	lookup = -1;
	desk_finish(&desk);
	uv_run(&loop, UV_RUN_DEFAULT);
	users_finish(&users);
	users = (struct users){ 0 };
	return uv_loop_close(&loop) == 0 ? remove_home(state) : -1;
}

static void
send_question(uint64_t q, const char *user, const char *extension)
{
	struct msg_ask_extension m = { q, bytes_of(user), BYTES("-"),
		bytes_of(extension) };
	struct buf               b;

	buf_init(&b, FRAME_MAX);
	msg_ask_extension_add(&b, &m);
	assert_true(peer_send_blocking(lookup, buf_bytes(&b), NULL, 0));
	buf_finish(&b);
}

static enum extension_answer
receive_answer(uint64_t q)
{
	struct msg_extension m;
	struct bytes         frame;
	int                  fds[PEER_DESCRIPTORS];

	turn();
	assert_true(peer_receive_blocking(lookup, room, &frame, fds, WAIT_MS));
	assert_true(msg_extension_read(frame, &m));
	assert_int_equal(m.q, q);
	return (enum extension_answer)m.answer;
}

static enum extension_answer
ask(const char *user, const char *extension)
{
	send_question(9, user, extension);
	return receive_answer(9);
}

static void
test_answers(void **state)
{
	(void)state;
	connect_lookup();
	make_file(".qmail-list");
	make_file(".qmail-ann-default");
	assert_int_equal(ask("joe", "list"), EXTENSION_YES);
	assert_int_equal(ask("joe", "ann-2026"), EXTENSION_YES);
	assert_int_equal(ask("joe", "nothing"), EXTENSION_NO);
	assert_int_equal(n_asked, 3);
	/* nobody told us of the one; the other's home cannot be looked at */
	assert_int_equal(ask("jim", "list"), EXTENSION_TRY_LATER);
	assert_int_equal(ask("gone", "list"), EXTENSION_TRY_LATER);
}

static void
test_next_lookup(void **state)
{
	(void)state;
	connect_lookup();
	make_file(".qmail-list");
	send_question(1, "joe", "list");
	connect_lookup();
	assert_int_equal(ask("joe", "list"), EXTENSION_YES);
	/* one that ends; then the next */
	close(lookup);
	lookup = -1;
	turn();
	connect_lookup();
	assert_int_equal(ask("joe", "list"), EXTENSION_YES);
}

/* Nothing else may be asked: the desk ends the talk. */
static void
test_only_extensions(void **state)
{
	struct bytes frame;
	struct buf   b;
	int          fds[PEER_DESCRIPTORS];

	(void)state;
	connect_lookup();
	buf_init(&b, FRAME_MAX);
	msg_extension_add(&b, &(struct msg_extension){ 1, EXTENSION_YES });
	assert_true(peer_send_blocking(lookup, buf_bytes(&b), NULL, 0));
	buf_finish(&b);
	turn();
	assert_false(peer_receive_blocking(lookup, room, &frame, fds, WAIT_MS));
	assert_int_equal(n_asked, 0);
	connect_lookup();
	assert_int_equal(ask("joe", "nothing"), EXTENSION_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_next_lookup, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_only_extensions, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
