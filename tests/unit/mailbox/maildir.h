/* A Maildir in a home of its own. */
#ifndef AMPEL_TESTS_MAILBOX_MAILDIR_H
#define AMPEL_TESTS_MAILBOX_MAILDIR_H

#include <errno.h>
#include <fcntl.h>

#include "../deliver/home.h"

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

#endif
