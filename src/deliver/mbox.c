#include "deliver/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/beneath.h"
#include "deliver/message.h"
#include "deliver/quoting.h"
#include "io/file.h"

enum {
	PIECE_BYTES = 32 * 1024,
	ROOM_BYTES = 2 * PIECE_BYTES + 3 * TRACE_LINE,
	NAME_BYTES = 100, /* in a text */
	OPEN_FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK,
};

/* NULL: it is ours to write. Another name of the file may be somebody else's mail. */
static const char *
distrust(int mbox, struct stat *st)
{
	if (fstat(mbox, st) == -1)
		return strerror(errno);
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (st->st_uid != geteuid())
		return "belongs to somebody else";
	if (st->st_nlink != 1)
		return "has another name";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "may be written by its group or others";
	return NULL;
}

/* The folder of a new file must keep its name. 0, or an errno. */
static int
flush_folder(int home, struct bytes path)
{
	size_t       slash = bytes_find_last(path, '/');
	struct bytes folder =
	    slash == path.n ? BYTES(".") : bytes_first(path, slash);
	int fd = beneath_open(home, folder, O_RDONLY | O_DIRECTORY, 0);
	int error = 0;

	if (fd == -1)
		return errno;
	if (fsync(fd) == -1)
		error = errno;
	close(fd);
	return error;
}

/* -1 with errno. */
static int
open_or_make(int home, struct bytes path)
{
	int fd = beneath_open(home, path, OPEN_FLAGS, 0);
	int error;

	if (fd != -1 || errno != ENOENT)
		return fd;
	fd = beneath_open(home, path, OPEN_FLAGS | O_CREAT, 0600);
	if (fd == -1)
		return -1;
	error = flush_folder(home, path);
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

int
mbox_open(int home, struct bytes path, struct mbox_problem *problem)
{
	int         fd = open_or_make(home, path);
	struct stat st;
	const char *text;

	problem->error = fd == -1 ? errno : 0;
	text = fd == -1 ? beneath_problem(errno) : distrust(fd, &st);
	if (text == NULL)
		return fd;
	snprintf(problem->text, MBOX_TEXT, "%.*s: %s",
	    BYTES_ARG(bytes_first(path, NAME_BYTES)), text);
	if (fd != -1)
		close(fd);
	return -1;
}

/* 0, or an errno. */
static int
write_and_clear(int mbox, struct buf *b)
{
	int error = 0;

	if (b->failed)
		return EIO;
	if (file_write_all(mbox, buf_bytes(b)) == -1)
		error = errno;
	buf_clear(b);
	return error;
}

/* 0, or an errno. */
static int
append(int mbox, int body, uint64_t size_bytes, const struct trace *trace)
{
	/* one message at a time, in one thread */
	static char    piece[PIECE_BYTES], room[ROOM_BYTES];
	struct buf     b = { .p = room, .cap = ROOM_BYTES, .max = ROOM_BYTES - 1 };
	struct quoting quoting = { .held = 0 };
	int            error = 0;

	buf_add_string(&b, trace->from_line);
	buf_add_string(&b, trace->return_path);
	buf_add_string(&b, trace->delivered_to);
	for (uint64_t at = 0; at < size_bytes && error == 0; at += PIECE_BYTES) {
		uint64_t rest = size_bytes - at;
		size_t   n = rest < PIECE_BYTES ? (size_t)rest : PIECE_BYTES;

		error = message_read(body, at, piece, n);
		quoting_add(&quoting, (struct bytes){ piece, n }, &b);
		if (error == 0)
			error = write_and_clear(mbox, &b);
	}
	quoting_end(&quoting, &b);
	return error != 0 ? error : write_and_clear(mbox, &b);
}

/* 0, or an errno; then it is as long as it was. */
static int
append_whole(int mbox, off_t length, int body, uint64_t size_bytes,
    const struct trace *trace)
{
	int error = append(mbox, body, size_bytes, trace);

	if (error == 0 && fsync(mbox) == -1)
		error = errno;
	if (error != 0 && ftruncate(mbox, length) == -1)
		return errno;
	return error;
}

static enum mbox_result
defer(struct mbox_problem *problem, int error, const char *text)
{
	problem->error = error;
	snprintf(problem->text, MBOX_TEXT, "the mbox: %s",
	    error != 0 ? strerror(error) : text);
	return MBOX_DEFERRED;
}

enum mbox_result
mbox_deliver(int mbox, int body, uint64_t size_bytes, const struct trace *trace,
    struct mbox_problem *problem)
{
	struct stat st;
	const char *text;
	int         error;

	if (flock(mbox, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK || errno == EINTR
		    ? MBOX_LOCKED
		    : defer(problem, errno, NULL);
	/* while we waited it may have got another name */
	text = distrust(mbox, &st);
	if (text != NULL)
		return defer(problem, 0, text);
	error = append_whole(mbox, st.st_size, body, size_bytes, trace);
	return error == 0 ? MBOX_DELIVERED : defer(problem, error, NULL);
}
