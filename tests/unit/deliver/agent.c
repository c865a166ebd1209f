/* The conversation with the queue, played by the test at the other end of the pair. */
#include "fixture.h"

#include <uv.h>

#include "deliver/agent.h"
#include "io/peer.h"

struct talk {
	struct fixture *f;
	uv_loop_t       loop;
	struct agent   *agent;
	int             queue; /* our end */
	char            frame[PEER_FRAME_MAX];
};

static unsigned changes;

static void
on_changed(struct agent *a)
{
	(void)a;
	changes++;
}

static void
connect_queue(struct talk *t)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	t->queue = pair[0];
	agent_connect(t->agent, pair[1]);
}

static int
setup(void **state)
{
	struct talk *t = calloc(1, sizeof *t);
	void        *f;

	assert_non_null(t);
	fixture_setup(&f);
	t->f = f;
	assert_int_equal(uv_loop_init(&t->loop), 0);
	t->agent = agent_new(&t->loop, t->f->homes, on_changed);
	assert_non_null(t->agent);
	agent_use(t->agent, BYTES("mx.example.org"));
	changes = 0;
	connect_queue(t);
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct talk *t = *state;
	void        *f = t->f;

	if (t->queue != -1)
		close(t->queue);
	agent_free(t->agent);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	fixture_teardown(&f);
	free(t);
	return 0;
}

static void
turn(struct talk *t)
{
	uv_run(&t->loop, UV_RUN_NOWAIT);
}

static struct bytes
receive(struct talk *t)
{
	struct bytes frame;
	int          fds[PEER_DESCRIPTORS];

	assert_true(peer_receive_blocking(t->queue, t->frame, &frame, fds, 2000));
	return frame;
}

static void
expect_hello(struct talk *t, uint32_t n)
{
	struct msg_hello m;

	assert_true(msg_hello_read(receive(t), &m));
	assert_int_equal(m.n, n);
}

static void
expect_outcome(struct talk *t, unsigned n, uint64_t token)
{
	struct msg_outcome m;
	struct id          id = id_number(n);

	assert_true(msg_outcome_read(receive(t), &m));
	assert_int_equal(m.kind, OUTCOME_DELIVERED);
	assert_int_equal(m.token, token);
	assert_int_equal(m.recipient, 3);
	assert_int_equal(m.id.n, ID_BITS);
	assert_memory_equal(m.id.p, id.bits, ID_BITS);
}

static void
give(struct talk *t, unsigned n, uint64_t token)
{
	struct id  id = id_number(n);
	int        body = memfile_of("body", BYTES(BODY));
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_deliver_add(&frame,
	    &(struct msg_deliver){
	        .token = token,
	        .id = { (const char *)id.bits, ID_BITS },
	        .recipient = 3,
	        .user = BYTES("joe"),
	        .address = BYTES(ADDRESS),
	        .size = strlen(BODY),
	    });
	assert_true(
	    peer_send_blocking(t->queue, buf_bytes(&frame), &body, 1));
	buf_finish(&frame);
	close(body);
}

static void
finish(struct talk *t, unsigned n)
{
	struct id  id = id_number(n);
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_finished_add(&frame,
	    &(struct msg_finished){ { (const char *)id.bits, ID_BITS }, 3 });
	assert_true(peer_send_blocking(t->queue, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
}

static void
burst_is_delivered_and_forgotten(void **state)
{
	struct talk *t = *state;

	expect_hello(t, 0);
	for (unsigned i = 0; i < 5; i++)
		give(t, i, 100 + i);
	turn(t);
	assert_int_equal(count(t->f, "Maildir/new", NULL), 5);
	for (unsigned i = 0; i < 5; i++)
		expect_outcome(t, i, 100 + i);
	for (unsigned i = 0; i < 5; i++)
		finish(t, i);
	assert_int_equal(agent_jobs(t->agent), 5);
	turn(t);
	assert_int_equal(agent_jobs(t->agent), 0);
	assert_int_equal(changes, 5);
}

static void
new_queue_hears_of_what_is_kept(void **state)
{
	struct talk *t = *state;

	expect_hello(t, 0);
	for (unsigned i = 0; i < 3; i++)
		give(t, i, i);
	turn(t);
	for (unsigned i = 0; i < 3; i++)
		expect_outcome(t, i, i);
	finish(t, 1);
	turn(t);
	close(t->queue);
	turn(t);
	assert_false(agent_is_connected(t->agent));
	assert_int_equal(agent_jobs(t->agent), 2);

	connect_queue(t);
	expect_hello(t, 2);
	expect_outcome(t, 0, 0);
	expect_outcome(t, 2, 2);
	finish(t, 0);
	finish(t, 2);
	finish(t, 77); /* nothing of ours: no matter */
	turn(t);
	assert_int_equal(agent_jobs(t->agent), 0);
	assert_true(agent_is_connected(t->agent));
}

/* What the old queue had given out but nobody read is not done: HELLO lacks it. */
static void
replaced_connection_is_not_read_any_more(void **state)
{
	struct talk *t = *state;
	int          old = t->queue;

	expect_hello(t, 0);
	give(t, 1, 1);
	connect_queue(t);
	close(old);
	expect_hello(t, 0);
	turn(t);
	assert_int_equal(agent_jobs(t->agent), 0);
	assert_int_equal(count(t->f, "Maildir/new", NULL), -1);
}

/* A lease that ran out, say: the answer comes in the name of the new one. */
static void
job_that_is_kept_is_not_delivered_again(void **state)
{
	struct talk *t = *state;

	expect_hello(t, 0);
	give(t, 1, 10);
	turn(t);
	expect_outcome(t, 1, 10);
	give(t, 1, 20);
	turn(t);
	expect_outcome(t, 1, 20);
	assert_int_equal(agent_jobs(t->agent), 1);
	assert_int_equal(count(t->f, "Maildir/new", NULL), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(burst_is_delivered_and_forgotten),
		T(new_queue_hears_of_what_is_kept),
		T(replaced_connection_is_not_read_any_more),
		T(job_that_is_kept_is_not_delivered_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
