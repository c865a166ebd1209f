#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/memfile.h"
#include "io/peer.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "service/jobs.h"

enum { WAIT_MS = 5000, RECIPIENT = 7 };

struct task {
	struct job job;
	int        body;
};

/* The program's side in a loop; the queue is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t    loop;
	struct jobs *jobs;
	int          queue;
	unsigned     begun, freed, lost, changed;
	bool         drops; /* what waits, when the queue is lost */
	char         room[PEER_FRAME_MAX];
} w;

static struct job *
read_task(struct bytes frame, int *fd, void *context)
{
	struct msg_remote m;
	struct task      *t = calloc(1, sizeof *t);

	assert_ptr_equal(context, &w);
	assert_non_null(t);
	if (!msg_remote_read(frame, &m) || !id_read(m.id, &t->job.id)) {
		free(t);
		return NULL;
	}
	t->job.recipient = m.recipient;
	t->job.token = m.token;
	t->body = *fd;
	*fd = -1;
	return &t->job;
}

static void
begin_task(struct job *job, void *context)
{
	(void)context;
	assert_int_equal(job->state, JOB_WAITING);
	w.begun++;
}

static void
free_task(struct job *job, void *context)
{
	struct task *t = (struct task *)job;

	(void)context;
	close(t->body);
	free(t);
	w.freed++;
}

static struct id
id_of(unsigned number)
{
	return id_make(1785369104123,
	    (const uint8_t[ID_RANDOM]){ (uint8_t)number, (uint8_t)(number >> 8) });
}

static struct job *known[JOBS_MAX + 1];

static void
remember_task(struct job *job, void *context)
{
	begin_task(job, context);
	for (unsigned i = 0; i <= JOBS_MAX; i++) {
		struct id id = id_of(i);

		if (id_equal(&id, &job->id))
			known[i] = job;
	}
}

static void
on_lost(void *context)
{
	(void)context;
	w.lost++;
	for (unsigned i = 0; w.drops && i < JOBS_MAX; i++) {
		if (known[i] && known[i]->state == JOB_WAITING) {
			jobs_drop(w.jobs, known[i]);
			known[i] = NULL;
		}
	}
}

static void
on_changed(void *context)
{
	(void)context;
	w.changed++;
}

static const struct jobs_calls calls = {
	.read = read_task,
	.begin = remember_task,
	.free = free_task,
	.lost = on_lost,
	.changed = on_changed,
};

static void
turn(void)
{
	for (int i = 0; i < 64; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	memset(known, 0, sizeof known);
	w.queue = -1;
	uv_loop_init(&w.loop);
	w.jobs = jobs_new(&w.loop, MSG_REMOTE, &calls, &w);
	return w.jobs ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	if (w.queue != -1)
		close(w.queue);
	jobs_free(w.jobs);
	turn();
	return uv_loop_close(&w.loop);
}

static struct bytes
receive(void)
{
	struct bytes frame = { NULL, 0 };
	int          fds[PEER_DESCRIPTORS];

	turn();
	assert_true(peer_receive_blocking(w.queue, w.room, &frame, fds, WAIT_MS));
	return frame;
}

/* A new queue; the numbers that HELLO names are marked. */
static uint32_t
connect_queue(bool *named)
{
	struct msg_hello    m;
	struct frame_reader r;
	int                 pair[2];

	if (w.queue != -1)
		close(w.queue);
	turn();
	assert_int_equal(peer_pair(pair), 0);
	w.queue = pair[0];
	jobs_connect(w.jobs, pair[1]);
	assert_true(msg_hello_read(receive(), &m));
	r = frame_reader_of(m.jobs);
	for (uint32_t i = 0; i < m.n; i++) {
		struct id id;

		assert_true(id_read(frame_bytes(&r), &id));
		assert_int_equal(frame_u32(&r), RECIPIENT);
		for (unsigned n = 0; named && n < JOBS_MAX; n++) {
			struct id other = id_of(n);

			named[n] |= id_equal(&id, &other);
		}
	}
	assert_true(frame_end(&r));
	return m.n;
}

static void
send_job(unsigned number, uint64_t token)
{
	struct id         id = id_of(number);
	struct msg_remote m = {
		.token = token,
		.id = id_bytes(&id),
		.recipient = RECIPIENT,
		.address = BYTES("joe@far.example"),
	};
	struct buf b;
	int        fd = memfd_create("body", MFD_CLOEXEC);

	buf_init(&b, FRAME_MAX);
	msg_remote_add(&b, &m);
	assert_true(peer_send_blocking(w.queue, buf_bytes(&b), &fd, 1));
	buf_finish(&b);
	close(fd);
	turn();
}

static void
send_finished(unsigned number)
{
	struct id           id = id_of(number);
	struct msg_finished m = { id_bytes(&id), RECIPIENT };
	struct buf          b;

	buf_init(&b, FRAME_MAX);
	msg_finished_add(&b, &m);
	assert_true(peer_send_blocking(w.queue, buf_bytes(&b), NULL, 0));
	buf_finish(&b);
	turn();
}

static void
end_job(unsigned number)
{
	char           text[] = "250 2.0.0 ok";
	struct outcome o = {
		.kind = OUTCOME_DELIVERED,
		.status = STATUS(2, 1, 5),
		.text = { text, sizeof text - 1 },
		.host = BYTES("mx.far.example [192.0.2.1]"),
		.protection = BYTES("TLSv1.3, DANE"),
		.is_reply = true,
		.is_handed_on = true,
		.is_down = true,
	};

	assert_non_null(known[number]);
	jobs_end(w.jobs, known[number], &o);
	memset(text, 'x', sizeof text); /* it was copied */
}

static void
expect_outcome(unsigned number, uint64_t token)
{
	struct msg_outcome m;
	struct id          id = id_of(number), got;

	assert_true(msg_outcome_read(receive(), &m));
	assert_true(id_read(m.id, &got) && id_equal(&id, &got));
	assert_int_equal(m.token, token);
	assert_int_equal(m.recipient, RECIPIENT);
	assert_int_equal(m.kind, OUTCOME_DELIVERED);
	assert_int_equal(m.class, 2);
	assert_int_equal(m.subject, 1);
	assert_int_equal(m.detail, 5);
	assert_true(bytes_equal(m.text, BYTES("250 2.0.0 ok")));
	assert_true(bytes_equal(m.host, BYTES("mx.far.example [192.0.2.1]")));
	assert_true(bytes_equal(m.protection, BYTES("TLSv1.3, DANE")));
	assert_true(m.is_reply == 1 && m.is_handed_on == 1 && m.is_down == 1);
}

static void
outcomes_are_repeated_until_they_are_finished(void **state)
{
	(void)state;
	assert_int_equal(connect_queue(NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		send_job(i, 100 + i);
	end_job(0);
	expect_outcome(0, 100);
	end_job(1);
	expect_outcome(1, 101);
	send_finished(1);
	assert_int_equal(jobs_kept(w.jobs), 2);
	assert_int_equal(jobs_waiting(w.jobs), 1);

	for (int times = 0; times < 2; times++) {
		bool named[JOBS_MAX] = { false };

		assert_int_equal(connect_queue(named), 2);
		assert_true(named[0] && named[2] && !named[1]);
		expect_outcome(0, 100);
	}
	assert_int_equal(w.lost, 2);
	send_finished(0);
	assert_int_equal(connect_queue(NULL), 1);
	assert_int_equal(w.freed, 2);
}

/* It is done without a queue; the next one hears of it. */
static void
outcomes_wait_for_a_queue(void **state)
{
	(void)state;
	connect_queue(NULL);
	send_job(5, 1);
	close(w.queue);
	w.queue = -1;
	turn();
	assert_false(jobs_is_connected(w.jobs));
	end_job(5);
	assert_int_equal(connect_queue(NULL), 1);
	expect_outcome(5, 1);
}

static void
a_job_wanted_again_gets_its_new_token(void **state)
{
	(void)state;
	connect_queue(NULL);
	send_job(1, 10);
	send_job(2, 20);
	end_job(2);
	expect_outcome(2, 20);
	send_job(1, 11); /* it is not done yet */
	send_job(2, 21); /* what is known is said at once */
	expect_outcome(2, 21);
	end_job(1);
	expect_outcome(1, 11);
	assert_int_equal(w.begun, 2);
	assert_int_equal(jobs_kept(w.jobs), 2);
}

/* The same message for another recipient is another job. */
static void
finished_is_of_one(void **state)
{
	(void)state;
	connect_queue(NULL);
	send_job(1, 10);
	send_finished(3); /* is not there: nothing */
	assert_true(jobs_is_connected(w.jobs));
	assert_int_equal(jobs_kept(w.jobs), 1);
	send_finished(1); /* waiting: given up */
	assert_int_equal(jobs_kept(w.jobs), 0);
	assert_int_equal(jobs_waiting(w.jobs), 0);
	assert_int_equal(w.freed, 1);
	send_finished(1);
	assert_true(jobs_is_connected(w.jobs));
}

static void
what_is_dropped_is_given_anew(void **state)
{
	bool named[JOBS_MAX] = { false };

	(void)state;
	connect_queue(NULL);
	send_job(1, 10);
	send_job(2, 20);
	end_job(2);
	w.drops = true;
	assert_int_equal(connect_queue(named), 1);
	assert_true(named[2] && !named[1]);
	expect_outcome(2, 20);
	send_job(1, 12);
	assert_int_equal(w.begun, 3);
	end_job(1);
	expect_outcome(1, 12);
}

static void
as_many_as_hello_can_name(void **state)
{
	bool named[JOBS_MAX] = { false };

	(void)state;
	connect_queue(NULL);
	for (unsigned i = 0; i < JOBS_MAX; i++)
		send_job(i, i);
	assert_int_equal(connect_queue(named), JOBS_MAX);
	for (unsigned i = 0; i < JOBS_MAX; i++)
		assert_true(named[i]);
	/* one more, and the queue is not that which we know */
	send_job(JOBS_MAX, 1);
	assert_false(jobs_is_connected(w.jobs));
	assert_int_equal(jobs_kept(w.jobs), JOBS_MAX);
}

static void
nothing_is_taken_after_stop(void **state)
{
	(void)state;
	connect_queue(NULL);
	send_job(1, 10);
	jobs_stop(w.jobs);
	send_job(2, 20);
	assert_int_equal(jobs_kept(w.jobs), 1);
	assert_true(jobs_is_connected(w.jobs));
	end_job(1);
	expect_outcome(1, 10);
}

/* --- forwards --- */

static struct buf
targets_of(unsigned n)
{
	struct buf list;

	buf_init(&list, 1024 * 1024);
	for (unsigned i = 0; i < n; i++) {
		char address[64];

		snprintf(address, sizeof address, "joe%u@far.example", i);
		frame_add_bytes(&list, bytes_of(address));
	}
	return list;
}

/* Everything but the file is a copy: it is overwritten behind the call. */
static void
forward_job(unsigned number, unsigned n)
{
	struct outcome     o = outcome_of(OUTCOME_DELIVERED, STATUS(2, 0, 0), BYTES("ok"));
	char               path[] = "list-@here.example-@[]";
	struct buf         list = targets_of(n);
	struct job_forward forward = {
		.id = id_of(1000 + number),
		.reverse_path = { path, sizeof path - 1 },
		.targets = buf_bytes(&list),
		.n = n,
		.message = memfile_of("message", BYTES("Subject: x\n\n")),
		.size_bytes = 12,
	};

	assert_non_null(known[number]);
	jobs_end_forwarding(w.jobs, known[number], &o, &forward);
	memset(path, 'x', sizeof path);
	memset(list.p, 'x', list.len);
	buf_finish(&list);
}

static void
expect_content(int fd, struct bytes content)
{
	struct buf b;
	uint64_t   size_bytes;

	assert_int_equal(
	    memfile_check(fd, UINT64_MAX, &size_bytes), MEMFILE_SEALED);
	buf_init(&b, 1024 * 1024);
	assert_int_equal(memfile_read(fd, 0, &b), 0);
	assert_true(bytes_equal(buf_bytes(&b), content));
	buf_finish(&b);
}

static void
expect_forward(unsigned number, unsigned n, bool is_large)
{
	struct buf         list = targets_of(n);
	struct id          id = id_of(1000 + number), got;
	int                fds[PEER_DESCRIPTORS] = { -1, -1, -1, -1 };
	struct bytes       frame;
	struct msg_outcome m;

	turn();
	assert_true(peer_receive_blocking(w.queue, w.room, &frame, fds, WAIT_MS));
	assert_true(msg_outcome_read(frame, &m));
	assert_int_equal(m.kind, OUTCOME_DELIVERED);
	assert_true(id_read(m.forward_id, &got) && id_equal(&id, &got));
	assert_true(bytes_equal(m.forward_path, BYTES("list-@here.example-@[]")));
	assert_int_equal(m.forward_size, 12);
	assert_int_equal(m.n, n);
	assert_int_equal(m.is_large, is_large);
	expect_content(fds[0], BYTES("Subject: x\n\n"));
	if (is_large) {
		expect_content(fds[1], buf_bytes(&list));
		assert_int_equal(m.targets.n, 0);
		close(fds[1]);
	} else {
		assert_true(bytes_equal(m.targets, buf_bytes(&list)));
		assert_true(fds[1] == -1);
	}
	close(fds[0]);
	buf_finish(&list);
}

static void
a_forward_is_kept_with_its_outcome(void **state)
{
	/* 20 bytes each: the last one does not fit into a frame */
	static const struct {
		unsigned n;
		bool     is_large;
	} rows[] = { { 1, false }, { 2000, false }, { 3000, true } };

	(void)state;
	connect_queue(NULL);
	for (unsigned i = 0; i < 3; i++) {
		send_job(i, i);
		forward_job(i, rows[i].n);
		expect_forward(i, rows[i].n, rows[i].is_large);
	}
	send_finished(1);
	/* a queue that was restarted hears of what it has not acknowledged */
	assert_int_equal(connect_queue(NULL), 2);
	expect_forward(0, rows[0].n, rows[0].is_large);
	expect_forward(2, rows[2].n, rows[2].is_large);
	send_finished(0);
	send_finished(2);
	assert_int_equal(jobs_kept(w.jobs), 0);
}

static unsigned
open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
the_files_of_a_forward_go_with_it(void **state)
{
	unsigned before;

	(void)state;
	connect_queue(NULL);
	before = open_files();
	send_job(1, 10);
	forward_job(1, 3000);
	expect_forward(1, 3000, true);
	assert_int_equal(open_files(), before + 3); /* the task's body, and two */
	send_finished(1);
	assert_int_equal(open_files(), before);
}

static rlim_t
lowest_free(void)
{
	int fd = dup(w.queue);

	close(fd);
	return (rlim_t)fd;
}

/* Where no list can be made it is not as if there were none. */
static void
without_its_list_nothing_is_delivered(void **state)
{
	struct rlimit      was, none;
	struct msg_outcome m;
	unsigned           before;

	(void)state;
	connect_queue(NULL);
	send_job(1, 10);
	before = open_files();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = lowest_free() + 1; /* for the message alone */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	forward_job(1, 3000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(msg_outcome_read(receive(), &m));
	assert_int_equal(m.kind, OUTCOME_DEFERRED);
	assert_int_equal(m.forward_id.n, 0);
	assert_int_equal(open_files(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(outcomes_are_repeated_until_they_are_finished),
		TEST(outcomes_wait_for_a_queue),
		TEST(a_job_wanted_again_gets_its_new_token),
		TEST(finished_is_of_one),
		TEST(what_is_dropped_is_given_anew),
		TEST(as_many_as_hello_can_name),
		TEST(nothing_is_taken_after_stop),
		TEST(a_forward_is_kept_with_its_outcome),
		TEST(the_files_of_a_forward_go_with_it),
		TEST(without_its_list_nothing_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
