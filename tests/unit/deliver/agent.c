#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "deliver/agent.h"
#include "home.h"
#include "io/peer.h"
#include "mail/id.h"
#include "mail/outcome.h"
#include "mail/verdict.h"
#include "proto/message.h"

enum { WAIT_MS = 5000 };

static uv_loop_t     loop;
static struct users  users;
static struct agent *agent;
static int           queue = -1; /* our end */
static char          room[PEER_FRAME_MAX];
static struct config config = { .hostname = BYTES_INIT("mx.example.org") };

static void
changed(void)
{
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static struct bytes
receive(void)
{
	struct bytes frame = { NULL, 0 };
	int          fds[PEER_DESCRIPTORS];

	turn();
	assert_true(peer_receive_blocking(queue, room, &frame, fds, WAIT_MS));
	return frame;
}

/* A new queue: what the agent says first. */
static uint32_t
connect_queue(void)
{
	struct msg_hello m;
	int              pair[2];

	if (queue != -1)
		close(queue);
	turn();
	assert_int_equal(peer_pair(pair), 0);
	queue = pair[0];
	agent_connect(agent, pair[1]);
	assert_true(msg_hello_read(receive(), &m));
	return m.n;
}

static int
set_up(void **state)
{
	if (make_home(state) == -1 || uv_loop_init(&loop) != 0)
		return -1;
	agent = agent_new(&loop, &users, changed);
	agent_use(agent, &config);
	return users_add(&users, BYTES("joe"), bytes_of(home), BYTES("")) ? 0 : -1;
}

static int
tear_down(void **state)
{
	close(queue);
	queue = -1;
	agent_free(agent);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		return -1;
	users_finish(&users);
	users = (struct users){ 0 };
	return remove_home(state);
}

static struct id
id_of(uint8_t number)
{
	return id_make(1785369104123, (const uint8_t[ID_RANDOM]){ number });
}

static void
send_deliver(uint8_t number, uint64_t token, const char *user, enum colour colour)
{
	static const char  text[] = "Subject: a\n\nb\n";
	struct id          id = id_of(number);
	struct msg_deliver m = {
		.token = token,
		.id = { (const char *)id.bits, ID_BITS },
		.recipient = 1,
		.user = bytes_of(user),
		.address = BYTES("joe@example.org"),
		.colour = (uint8_t)colour,
		.size = sizeof text - 1,
	};
	struct buf b;
	int        fd = memfd_create("body", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	buf_init(&b, FRAME_MAX);
	msg_deliver_add(&b, &m);
	assert_true(peer_send_blocking(queue, buf_bytes(&b), &fd, 1));
	buf_finish(&b);
	close(fd);
}

static void
expect_outcome(uint8_t number, uint64_t token, enum outcome_kind kind)
{
	struct msg_outcome m;
	struct id          id = id_of(number);

	assert_true(msg_outcome_read(receive(), &m));
	assert_int_equal(m.token, token);
	assert_int_equal(m.kind, kind);
	assert_int_equal(m.id.n, ID_BITS);
	assert_memory_equal(m.id.p, id.bits, ID_BITS);
}

static void
send_finished(uint8_t number)
{
	struct id           id = id_of(number);
	struct msg_finished m = { { (const char *)id.bits, ID_BITS }, 1 };
	struct buf          b;

	buf_init(&b, FRAME_MAX);
	msg_finished_add(&b, &m);
	assert_true(peer_send_blocking(queue, buf_bytes(&b), NULL, 0));
	buf_finish(&b);
	turn();
}

static void
test_delivered(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(), 0);
	for (uint8_t i = 0; i < 100; i++)
		send_deliver(i, i + 1000U, "joe", COLOUR_GREEN);
	for (uint8_t i = 0; i < 100; i++)
		expect_outcome(i, i + 1000U, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 100);
	assert_int_equal(agent_kept(agent), 100);
	for (uint8_t i = 0; i < 100; i++)
		send_finished(i);
	assert_int_equal(agent_kept(agent), 0);
}

/* What was not acknowledged is said to the next queue, and not done again. */
static void
test_queue_lost(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(), 0);
	send_deliver(1, 11, "joe", COLOUR_NONE);
	send_deliver(2, 12, "joe", COLOUR_NONE);
	send_deliver(3, 13, "joe", COLOUR_NONE);
	expect_outcome(1, 11, OUTCOME_DELIVERED);
	expect_outcome(2, 12, OUTCOME_DELIVERED);
	send_finished(2);

	assert_int_equal(connect_queue(), 2);
	expect_outcome(1, 11, OUTCOME_DELIVERED);
	expect_outcome(3, 13, OUTCOME_DELIVERED);
	/* a queue that asks all the same gets the answer that is known */
	send_deliver(3, 23, "joe", COLOUR_NONE);
	expect_outcome(3, 23, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 3);
	send_finished(1);
	send_finished(3);
	assert_int_equal(agent_kept(agent), 0);
	assert_int_equal(connect_queue(), 0);
}

static void
test_deferred(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(), 0);
	send_deliver(1, 1, "ann", COLOUR_GREEN);
	expect_outcome(1, 1, OUTCOME_DEFERRED);
	send_finished(1);
	assert_true(users_add(&users, BYTES("joe"), BYTES("/nonexistent"), BYTES("")));
	send_deliver(2, 2, "joe", COLOUR_GREEN);
	expect_outcome(2, 2, OUTCOME_DEFERRED);
	/* and what is well goes on beside it */
	assert_true(users_add(&users, BYTES("joe"), bytes_of(home), BYTES("")));
	send_deliver(3, 3, "ann", COLOUR_GREEN);
	send_deliver(4, 4, "joe", COLOUR_GREEN);
	expect_outcome(3, 3, OUTCOME_DEFERRED);
	expect_outcome(4, 4, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 1);
}

static void
test_yellow(void **state)
{
	static struct config with_folder = {
		.hostname = BYTES_INIT("mx.example.org"),
		.yellow_folder = BYTES_INIT("Junk"),
	};

	(void)state;
	assert_int_equal(connect_queue(), 0);
	send_deliver(1, 1, "joe", COLOUR_YELLOW);
	expect_outcome(1, 1, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 1);
	agent_use(agent, &with_folder);
	send_deliver(2, 2, "joe", COLOUR_YELLOW);
	send_deliver(3, 3, "joe", COLOUR_GREEN);
	expect_outcome(2, 2, OUTCOME_DELIVERED);
	expect_outcome(3, 3, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 2);
	assert_int_equal(count("Maildir/.Junk/new"), 1);
}

/* A queue that was restarted may acknowledge HELLO and outcome: the second is nothing. */
static void
test_finished_twice(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(), 0);
	send_deliver(1, 1, "joe", COLOUR_GREEN);
	send_deliver(2, 2, "joe", COLOUR_GREEN);
	expect_outcome(1, 1, OUTCOME_DELIVERED);
	expect_outcome(2, 2, OUTCOME_DELIVERED);
	send_finished(1);
	send_finished(1);
	assert_true(agent_is_connected(agent));
	assert_int_equal(agent_kept(agent), 1);
}

/* It was in the store before the queue died, and so is no work any more. */
static void
test_finished_before_begun(void **state)
{
	(void)state;
	agent_use(agent, NULL); /* nothing is delivered yet */
	assert_int_equal(connect_queue(), 0);
	send_deliver(1, 1, "joe", COLOUR_GREEN);
	send_deliver(2, 2, "joe", COLOUR_GREEN);
	turn();
	assert_int_equal(connect_queue(), 2);
	send_finished(1);
	assert_true(agent_is_connected(agent));
	assert_int_equal(agent_kept(agent), 1);
	agent_use(agent, &config);
	expect_outcome(2, 2, OUTCOME_DELIVERED);
	assert_int_equal(count("Maildir/new"), 1);
}

static void
test_stop(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(), 0);
	agent_stop(agent);
	send_deliver(1, 1, "joe", COLOUR_GREEN);
	turn();
	assert_int_equal(agent_kept(agent), 0);
	assert_true(agent_is_connected(agent));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_delivered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_queue_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_deferred, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_yellow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_finished_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_finished_before_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
