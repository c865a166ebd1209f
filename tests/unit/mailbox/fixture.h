/* Maildirs in a home of their own, and what a snapshot of them says. */
#ifndef AMPEL_TESTS_MAILBOX_FIXTURE_H
#define AMPEL_TESTS_MAILBOX_FIXTURE_H

#include <errno.h>
#include <fcntl.h>

#include "../deliver/home.h"
#include "io/memfile.h"
#include "mailbox/snapshot.h"
#include "proto/maildrop.h"

static void
make_folder(const char *below)
{
	char path[PATH_TEXT];

	path_at(path, below);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int
make_maildir(void **state)
{
	if (make_home(state) == -1)
		return -1;
	make_folder("Maildir");
	make_folder("Maildir/tmp");
	make_folder("Maildir/new");
	make_folder("Maildir/cur");
	return 0;
}

static void
put(const char *below, const char *text)
{
	char path[PATH_TEXT];
	int  fd;

	path_at(path, below);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool
is_there(const char *below)
{
	char        path[PATH_TEXT];
	struct stat st;

	path_at(path, below);
	return lstat(path, &st) == 0;
}

static void
move(const char *from, const char *to)
{
	char old[PATH_TEXT], new[PATH_TEXT];

	path_at(old, from);
	path_at(new, to);
	assert_int_equal(rename(old, new), 0);
}

static void
take_away(const char *below)
{
	char path[PATH_TEXT];

	path_at(path, below);
	assert_int_equal(unlink(path), 0);
}

static void
take(struct snapshot *s)
{
	const char *what;

	assert_int_equal(snapshot_take(s, home, &what), 0);
}

/* Of a sealed list. */
static void
read_list(int fd, size_t n, struct buf *list)
{
	uint64_t size;

	assert_true(fd != -1);
	assert_int_equal(memfile_check(fd, UINT32_MAX, &size), MEMFILE_SEALED);
	buf_init(list, UINT32_MAX);
	assert_int_equal(memfile_read(fd, 0, list), 0);
	assert_true(maildrop_is_list(buf_bytes(list), n));
	close(fd);
}

/* That message opens and holds that text; NULL: it is gone. */
static void
expect_text(struct snapshot *s, size_t i, const char *text)
{
	char    room[256];
	int     fd;
	ssize_t n;

	snapshot_begin_batch(s);
	fd = snapshot_open(s, i);
	if (text == NULL) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_true(fd != -1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	n = read(fd, room, sizeof room);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(room, text, strlen(text));
	close(fd);
}

#endif
