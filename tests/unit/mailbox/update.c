#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags);

static int fsyncs;       /* counted */
static int fsync_error;  /* 0: none */
static int unlink_error;

int
__wrap_fsync(int fd)
{
	fsyncs++;
	if (fsync_error == 0)
		return __real_fsync(fd);
	errno = fsync_error;
	return -1;
}

int
__wrap_unlinkat(int folder, const char *name, int flags)
{
	if (unlink_error == 0)
		return __real_unlinkat(folder, name, flags);
	errno = unlink_error;
	return -1;
}

static int
set_up(void **state)
{
	fsyncs = 0;
	fsync_error = 0;
	unlink_error = 0;
	return make_maildir(state);
}

static int
tear_down(void **state)
{
	unlink_error = 0;
	return remove_home(state);
}

static void
mark(struct snapshot *s, size_t i)
{
	s->messages[i].state = MESSAGE_TO_REMOVE;
}

static void
test_removed_and_seen(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b,S=2,W=3", "2\n");
	put("Maildir/cur/3.c:2,FS", "3\n");
	put("Maildir/cur/4.d:2,S", "4\n");
	put("Maildir/dovecot-uidlist", "3 V1 N1\n");
	take(&s);
	put("Maildir/new/5.later", "5\n");
	mark(&s, 0);
	mark(&s, 3);
	assert_int_equal(snapshot_update(&s), 0);
	assert_int_equal(count("Maildir/new"), 1);
	assert_true(is_there("Maildir/new/5.later"));
	assert_int_equal(count("Maildir/cur"), 2);
	assert_true(is_there("Maildir/cur/2.b,S=2,W=3:2,"));
	assert_true(is_there("Maildir/cur/3.c:2,FS"));
	assert_true(is_there("Maildir/dovecot-uidlist"));
	assert_int_equal(fsyncs, 2); /* removed from both */
	snapshot_close(&s);
}

/* Nothing was removed: nothing need be on disk. */
static void
test_only_seen(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	take(&s);
	assert_int_equal(snapshot_update(&s), 0);
	assert_true(is_there("Maildir/cur/1.a:2,"));
	assert_int_equal(fsyncs, 0);
	snapshot_close(&s);
}

/* Flags changed meanwhile, or another session was first. */
static void
test_removed_elsewhere(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/cur/2.b:2,", "2\n");
	put("Maildir/cur/3.c:2,", "3\n");
	put("Maildir/new/4.d", "4\n");
	take(&s);
	move("Maildir/new/1.a", "Maildir/cur/1.a:2,S");
	move("Maildir/cur/2.b:2,", "Maildir/cur/2.b:2,RS");
	take_away("Maildir/cur/3.c:2,");
	for (size_t i = 0; i < 3; i++)
		mark(&s, i);
	assert_int_equal(snapshot_update(&s), 0);
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/cur"), 1);
	assert_true(is_there("Maildir/cur/4.d:2,"));
	snapshot_close(&s);
}

static void
test_two_sessions(void **state)
{
	struct snapshot one, other;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b", "2\n");
	take(&one);
	take(&other);
	mark(&one, 0);
	assert_int_equal(snapshot_update(&one), 0);
	expect_text(&other, 0, NULL);
	expect_text(&other, 1, "2\n"); /* in cur/ now */
	mark(&other, 0);
	mark(&other, 1);
	assert_int_equal(snapshot_update(&other), 0);
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/cur"), 0);
	snapshot_close(&one);
	snapshot_close(&other);
}

/* A move never goes over another file, and is no failure. */
static void
test_name_taken(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a", "new\n");
	take(&s);
	put("Maildir/cur/1.a:2,", "cur\n");
	assert_int_equal(snapshot_update(&s), 0);
	assert_true(is_there("Maildir/new/1.a"));
	snapshot_close(&s);
	take(&s);
	expect_text(&s, 0, "cur\n");
	snapshot_close(&s);
}

static void
test_failures(void **state)
{
	static const struct {
		int    unlink_error, fsync_error;
		size_t failed;
	} rows[] = {
		{ EACCES, 0, 2 },
		{ EIO, EIO, 2 },
		{ EROFS, 0, 2 },
		{ ENOENT, 0, 0 }, /* somebody else has */
		{ 0, EIO, 2 },    /* the disk may not know */
		{ 0, EINVAL, 0 },
		{ 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct snapshot s;
		bool            stays = rows[i].unlink_error != 0;

		put("Maildir/cur/1.a:2,", "1\n");
		put("Maildir/cur/2.b:2,", "2\n");
		take(&s);
		mark(&s, 0);
		mark(&s, 1);
		unlink_error = rows[i].unlink_error;
		fsync_error = rows[i].fsync_error;
		assert_int_equal(snapshot_update(&s), rows[i].failed);
		snapshot_close(&s);
		unlink_error = 0;
		assert_int_equal(count("Maildir/cur"), stays ? 2 : 0);
		if (stays) {
			take_away("Maildir/cur/1.a:2,");
			take_away("Maildir/cur/2.b:2,");
		}
	}
}

/* What took its name is not removed in its place. */
static void
test_folder_in_its_place(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a,W=1", "1\n");
	take(&s);
	take_away("Maildir/new/1.a,W=1");
	make_folder("Maildir/new/1.a,W=1");
	mark(&s, 0);
	assert_int_equal(snapshot_update(&s), 1);
	assert_true(is_there("Maildir/new/1.a,W=1"));
	snapshot_close(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_removed_and_seen),
		TEST(test_only_seen),
		TEST(test_removed_elsewhere),
		TEST(test_two_sessions),
		TEST(test_name_taken),
		TEST(test_failures),
		TEST(test_folder_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
