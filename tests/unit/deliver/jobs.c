/* What is kept, in which order, and how it is told. */
#include "fixture.h"

static void
hello_names_all_in_their_order(void **state)
{
	struct fixture     *f = *state;
	struct buf          frame;
	struct msg_hello    m;
	struct frame_reader r;

	for (unsigned i = 0; i < 3; i++)
		job_new(f, i, BYTES(BODY));
	job_end(f->jobs.first, OUTCOME_DELIVERED, STATUS(2, 0, 0), "delivered");
	buf_init(&frame, FRAME_MAX);
	jobs_add_hello(&frame, &f->jobs);
	assert_true(msg_hello_read(buf_bytes(&frame), &m));
	assert_int_equal(m.n, 3);
	r = frame_reader_of(m.jobs);
	for (unsigned i = 0; i < 3; i++) {
		struct id    id = id_number(i);
		struct bytes bits = frame_bytes(&r);

		assert_int_equal(bits.n, ID_BITS);
		assert_memory_equal(bits.p, id.bits, ID_BITS);
		assert_int_equal(frame_u32(&r), 3);
	}
	assert_true(frame_end(&r));
	buf_finish(&frame);
}

static void
removed_from_any_place(void **state)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 },
		{ 1, 0, 2 }, { 1, 2, 0 } };
	struct fixture       *f = *state;

	for (unsigned o = 0; o < 4; o++) {
		for (unsigned i = 0; i < 3; i++)
			job_new(f, i, BYTES(BODY));
		for (unsigned i = 0; i < 3; i++) {
			struct id id = id_number(orders[o][i]);

			assert_non_null(jobs_find(&f->jobs, &id, 3));
			assert_null(jobs_find(&f->jobs, &id, 4));
			jobs_remove(&f->jobs, &id, 4);
			assert_int_equal(f->jobs.n, 3 - i);
			jobs_remove(&f->jobs, &id, 3);
			assert_null(jobs_find(&f->jobs, &id, 3));
			/* the end of the list is where the next one goes */
			job_new(f, 50 + i, BYTES(BODY));
			id = id_number(50 + i);
			assert_non_null(jobs_find(&f->jobs, &id, 3));
			jobs_remove(&f->jobs, &id, 3);
			assert_int_equal(f->jobs.n, 2 - i);
		}
	}
}

static void
errors_have_their_status(void **state)
{
	static const struct {
		int           error;
		struct status status;
	} rows[] = {
		{ EDQUOT, { 4, 2, 2 } },
		{ ENOSPC, { 4, 3, 1 } },
		{ EIO, { 4, 3, 0 } },
		{ EACCES, { 4, 3, 0 } },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct job        *job = job_new(f, i, BYTES(BODY));
		struct buf         frame;
		struct msg_outcome m;

		job_defer(job, "what", rows[i].error);
		buf_init(&frame, FRAME_MAX);
		job_add_outcome(&frame, job);
		assert_true(msg_outcome_read(buf_bytes(&frame), &m));
		assert_int_equal(m.kind, OUTCOME_DEFERRED);
		assert_int_equal(m.token, i);
		assert_int_equal(m.class, rows[i].status.class);
		assert_int_equal(m.subject, rows[i].status.subject);
		assert_int_equal(m.detail, rows[i].status.detail);
		assert_true(bytes_start(m.text, BYTES("what: ")));
		buf_finish(&frame);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_names_all_in_their_order),
		T(removed_from_any_place),
		T(errors_have_their_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
