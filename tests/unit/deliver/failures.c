/*
 * What the kernel may answer: fsync, syncfs, write and renameat2 are ours here
 * (ld --wrap) and fail when they are told to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "deliver/mbox.h"
#include "fixture.h"

int     __real_fsync(int fd);
int     __wrap_fsync(int fd);
int     __real_syncfs(int fd);
int     __wrap_syncfs(int fd);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags);

/* The next calls fail with error; the first `well` of them do not. */
struct failing {
	int well;
	int times;
	int error;
	int calls; /* counted */
};

static struct failing fsyncs, syncfss, writes, renames;

static bool
fails(struct failing *f)
{
	f->calls++;
	if (f->well > 0) {
		f->well--;
		return false;
	}
	if (f->times == 0)
		return false;
	f->times--;
	errno = f->error;
	return true;
}

int
__wrap_fsync(int fd)
{
	return fails(&fsyncs) ? -1 : __real_fsync(fd);
}

int
__wrap_syncfs(int fd)
{
	return fails(&syncfss) ? -1 : __real_syncfs(fd);
}

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	return fails(&writes) ? -1 : __real_write(fd, p, n);
}

int
__wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	return fails(&renames) ? -1 : __real_renameat2(from, a, to, b, flags);
}

static const struct {
	struct failing    fsyncs, writes, renames;
	enum outcome_kind kind;
	struct status     status;
	size_t            n_new;
} rows[] = {
	/* the file is written anew, once */
	{ { 0, 1, EIO, 0 }, { 0 }, { 0 }, OUTCOME_DELIVERED, { 2, 0, 0 }, 1 },
	{ { 0, 2, EIO, 0 }, { 0 }, { 0 }, OUTCOME_DEFERRED, { 4, 3, 0 }, 0 },
	{ { 0, 2, ENOSPC, 0 }, { 0 }, { 0 }, OUTCOME_DEFERRED, { 4, 3, 1 }, 0 },
	/* the folder: nobody may say that it stays, so it is taken back */
	{ { 1, 1, EIO, 0 }, { 0 }, { 0 }, OUTCOME_DEFERRED, { 4, 3, 0 }, 0 },
	/* a full disk, a full quota */
	{ { 0 }, { 1, 1, ENOSPC, 0 }, { 0 }, OUTCOME_DEFERRED, { 4, 3, 1 }, 0 },
	{ { 0 }, { 1, 1, EDQUOT, 0 }, { 0 }, OUTCOME_DEFERRED, { 4, 2, 2 }, 0 },
	{ { 0 }, { 1, 1, EINTR, 0 }, { 0 }, OUTCOME_DELIVERED, { 2, 0, 0 }, 1 },
	{ { 0 }, { 0 }, { 0, 1, ENOSPC, 0 }, OUTCOME_DEFERRED, { 4, 3, 1 }, 0 },
	/* a file system without RENAME_NOREPLACE */
	{ { 0 }, { 0 }, { 0, 1, EINVAL, 0 }, OUTCOME_DELIVERED, { 2, 0, 0 }, 1 },
};

static void
test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct folder        f;
		struct delivery      d;
		struct maildir_batch batch = batch_of(&d);
		char                 name[NAME_MAX + 1], path[2 * PATH_TEXT];

		open_inbox(&f);
		d = delivery_of(&f, (uint8_t)i, "");
		/* two pieces, so that a write can fail behind one that did not */
		assert_int_equal(ftruncate(d.body, 100 * 1000), 0);
		d.size_bytes = 100 * 1000;
		fsyncs = rows[i].fsyncs;
		writes = rows[i].writes;
		renames = rows[i].renames;
		maildir_deliver(&batch);
		fsyncs = writes = renames = (struct failing){ 0 };
		expect_outcome(&d, rows[i].kind, rows[i].status);
		assert_int_equal(count("Maildir/tmp"), 0);
		assert_int_equal(count_files("Maildir/new", name), rows[i].n_new);
		if (rows[i].n_new > 0) {
			snprintf(path, sizeof path, "%s/Maildir/new/%s", home,
			    name);
			unlink(path);
		}
		close(d.body);
		folder_close(&f);
	}
}

/* Of a batch only that one suffers whose file fails. */
static void
test_one_of_batch(void **state)
{
	static struct delivery d[3];
	struct maildir_batch   batch = batch_of(d);
	struct folder          f;

	(void)state;
	open_inbox(&f);
	for (uint8_t i = 0; i < 3; i++) {
		d[i] = delivery_of(&f, i, "a\n");
		batch.v[i] = &d[i];
	}
	batch.n = 3;
	writes = (struct failing){ 1, 1, ENOSPC, 0 };
	maildir_deliver(&batch);
	expect_outcome(&d[0], OUTCOME_DELIVERED, STATUS(2, 0, 0));
	expect_outcome(&d[1], OUTCOME_DEFERRED, STATUS(4, 3, 1));
	expect_outcome(&d[2], OUTCOME_DELIVERED, STATUS(2, 0, 0));
	assert_int_equal(count("Maildir/new"), 2);
	for (size_t i = 0; i < 3; i++)
		close(d[i].body);
	folder_close(&f);
}

/* --- flushed together --- */

enum { DELIVERIES = 6, HOMES = 2 };

/* Six deliveries in turn for each of the homes, on a file system with syncfs or not. */
struct together {
	bool              has_syncfs;
	size_t            n_homes;
	struct failing    fsyncs, syncfss;
	int               n_fsyncs, n_syncfss; /* calls expected */
	enum outcome_kind kinds[DELIVERIES];
	size_t            n_new; /* in the first home */
};

#define D OUTCOME_DELIVERED
#define L OUTCOME_DEFERRED

static const struct together together[] = {
	{ true, 1, { 0 }, { 0 }, 1, 1, { D, D, D, D, D, D }, 6 },
	{ true, 2, { 0 }, { 0 }, 0, 2, { D, D, D, D, D, D }, 3 },
	{ false, 1, { 0 }, { 0 }, 7, 0, { D, D, D, D, D, D }, 6 },
	{ false, 2, { 0 }, { 0 }, 8, 0, { D, D, D, D, D, D }, 3 },
	/* it failed for somebody: all are asked, and it was none of ours */
	{ true, 1, { 0 }, { 0, 1, EIO, 0 }, 7, 1, { D, D, D, D, D, D }, 6 },
	/* it was the third, which is written anew */
	{ true, 1, { 2, 1, EIO, 0 }, { 0, 1, EIO, 0 }, 8, 1,
	    { D, D, D, D, D, D }, 6 },
	/* and fails again */
	{ true, 1, { 2, 2, EIO, 0 }, { 0, 1, EIO, 0 }, 8, 1,
	    { D, D, L, D, D, D }, 5 },
	/* of the folders: each is asked, and one says no */
	{ true, 2, { 0 }, { 1, 1, EIO, 0 }, 2, 2, { D, D, D, D, D, D }, 3 },
	{ true, 2, { 0, 1, EIO, 0 }, { 1, 1, EIO, 0 }, 2, 2,
	    { L, D, L, D, L, D }, 0 },
};

static void
open_homes(struct folder folders[HOMES], bool has_syncfs)
{
	const char *what;
	char        other[PATH_TEXT];

	open_inbox(&folders[0]);
	path_at(other, "other");
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(folder_open(&folders[1], other, BYTES(""), &what), 0);
	folders[0].has_syncfs = folders[1].has_syncfs = has_syncfs;
}

static void
expect_together(const struct together *row)
{
	static struct delivery d[DELIVERIES];
	struct maildir_batch   batch = batch_of(d);
	struct folder          folders[HOMES];

	open_homes(folders, row->has_syncfs);
	for (uint8_t i = 0; i < DELIVERIES; i++) {
		d[i] = delivery_of(&folders[i % row->n_homes], i, "a\n");
		batch.v[i] = &d[i];
	}
	batch.n = DELIVERIES;
	fsyncs = row->fsyncs;
	syncfss = row->syncfss;
	maildir_deliver(&batch);
	assert_int_equal(fsyncs.calls, row->n_fsyncs);
	assert_int_equal(syncfss.calls, row->n_syncfss);
	fsyncs = syncfss = (struct failing){ 0 };
	for (size_t i = 0; i < DELIVERIES; i++) {
		assert_int_equal(d[i].step, DELIVERY_ENDED);
		assert_int_equal(d[i].outcome.kind, row->kinds[i]);
		close(d[i].body);
	}
	assert_int_equal(count("Maildir/new"), row->n_new);
	assert_int_equal(count("Maildir/tmp"), 0);
	assert_int_equal(count("other/Maildir/tmp"), 0);
	folder_close(&folders[0]);
	folder_close(&folders[1]);
}

static void
test_together(void **state)
{
	for (size_t i = 0; i < sizeof together / sizeof together[0]; i++) {
		assert_int_equal(make_home(state), 0);
		expect_together(&together[i]);
		assert_int_equal(remove_home(state), 0);
	}
}

/* What the mbox was it is again. */
static void
test_mbox(void **state)
{
	static const struct {
		struct failing   fsyncs, writes;
		enum mbox_result result;
	} mboxes[] = {
		{ { 0 }, { 0, 1, ENOSPC, 0 }, MBOX_DEFERRED },
		{ { 0 }, { 2, 1, EDQUOT, 0 }, MBOX_DEFERRED },
		{ { 0, 1, EIO, 0 }, { 0 }, MBOX_DEFERRED },
		{ { 0 }, { 1, 1, EINTR, 0 }, MBOX_DELIVERED },
	};
	struct mbox_problem problem;
	struct trace        trace;
	struct stat         st;
	int                 in = open(home, O_PATH | O_DIRECTORY);

	(void)state;
	trace_make(&trace, BYTES("ann@far.example"), BYTES("joe@x.example"), 0);
	for (size_t i = 0; i < sizeof mboxes / sizeof mboxes[0]; i++) {
		int mbox = mbox_open(in, BYTES("Mailbox"), &problem);
		int body = body_of("", 0);

		assert_int_equal(ftruncate(body, 100 * 1000), 0);
		assert_int_equal(ftruncate(mbox, 0), 0);
		assert_int_equal(__real_write(mbox, "old\n", 4), 4);
		fsyncs = mboxes[i].fsyncs;
		writes = mboxes[i].writes;
		assert_int_equal(mbox_deliver(mbox, body, 100 * 1000, &trace,
		    &problem), mboxes[i].result);
		assert_int_equal(fstat(mbox, &st), 0);
		if (mboxes[i].result == MBOX_DEFERRED) {
			assert_int_equal(st.st_size, 4);
			assert_int_equal(problem.error,
			    mboxes[i].fsyncs.error | mboxes[i].writes.error);
		} else {
			assert_true(st.st_size > 100 * 1000);
		}
		close(body);
		close(mbox);
	}
	close(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together),
		cmocka_unit_test_setup_teardown(
		    test_failures, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_one_of_batch, make_home, remove_home),
		cmocka_unit_test_setup_teardown(test_mbox, make_home, remove_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
