/* That Maildir, and a snapshot of it. */
#ifndef AMPEL_TESTS_MAILBOX_FIXTURE_H
#define AMPEL_TESTS_MAILBOX_FIXTURE_H

#include "mailbox/snapshot.h"
#include "maildir.h"

static void
take(struct snapshot *s)
{
	const char *what;

	assert_int_equal(snapshot_take(s, home, &what), 0);
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
