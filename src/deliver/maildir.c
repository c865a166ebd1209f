#include "deliver/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "deliver/delivered_to.h"
#include "deliver/message.h"
#include "deliver/trace.h"
#include "io/file.h"
#include "proto/maildir_name.h"

enum {
	HEAD_MAX = 2 * 1024,      /* Return-Path and Delivered-To */
	PIECE_BYTES = 64 * 1024,
	HOST_BYTES = 128,         /* NAME_MAX must hold it and the sizes */
};

void
delivery_end(struct delivery *d, enum outcome_kind kind, struct status status,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->text, sizeof d->text, format, args);
	va_end(args);
	d->step = DELIVERY_ENDED;
	d->outcome = outcome_of(kind, status, bytes_of(d->text));
}

void
delivery_defer(struct delivery *d, int error, const char *what)
{
	struct status status = STATUS(4, 3, 0);

	if (error == ENOSPC)
		status = STATUS(4, 3, 1); /* RFC 3463: mail system full */
	else if (error == EDQUOT)
		status = STATUS(4, 2, 2); /* mailbox full */
	delivery_end(d, OUTCOME_DEFERRED, status, "%s: %s", what, strerror(error));
}

/* The file in tmp/ is of no use any more. */
static void
drop_file(struct delivery *d)
{
	if (d->file != -1)
		close(d->file);
	d->file = -1;
	unlinkat(d->folder->tmp, d->tmp_name, 0);
}

static void
give_up(struct delivery *d, int error, const char *what)
{
	drop_file(d);
	delivery_defer(d, error, what);
}

/* --- writing --- */

static void
add_head(struct buf *b, const struct delivery *d)
{
	buf_add_string(b, "Return-Path: <");
	trace_add_address(b, d->reverse_path);
	buf_add_string(b, ">\nDelivered-To: ");
	trace_add_address(b, d->address);
	buf_add_char(b, '\n');
}

static uint64_t
count_lines(struct bytes text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

/*
 * Head and body into the open file; a small message is one read and one write.
 * 0, or an errno.
 */
static int
copy_message(struct delivery *d, struct delivered_to *before)
{
	/* one batch at a time, in one thread */
	static char room[HEAD_MAX + PIECE_BYTES];
	struct buf  b = { .p = room, .cap = HEAD_MAX, .max = HEAD_MAX };
	uint64_t    offset = 0;

	add_head(&b, d);
	d->disk_bytes = b.len + d->size_bytes;
	d->wire_bytes = d->disk_bytes;
	do {
		uint64_t rest = d->size_bytes - offset;
		size_t   n = rest < PIECE_BYTES ? (size_t)rest : PIECE_BYTES;
		int      error = message_read(d->body, offset, room + b.len, n);

		if (error != 0)
			return error;
		delivered_to_feed(before, (struct bytes){ room + b.len, n });
		b.len += n;
		d->wire_bytes += count_lines(buf_bytes(&b));
		if (file_write_all(d->file, buf_bytes(&b)) == -1)
			return errno;
		offset += n;
		b.len = 0;
	} while (offset < d->size_bytes);
	return 0;
}

static void
write_file(const struct maildir_batch *batch, struct delivery *d)
{
	struct delivered_to before = { .recipient = d->address };
	struct buf          name = { .p = d->tmp_name, .cap = NAME_MAX,
		         .max = NAME_MAX };
	int                 error;

	maildir_name_add_tmp(&name, &d->id, d->recipient,
	    bytes_first(batch->hostname, HOST_BYTES), (*batch->attempt)++);
	d->tmp_name[name.len] = '\0';
	d->file = openat(d->folder->tmp, d->tmp_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->file == -1) {
		delivery_defer(d, errno, "Maildir/tmp");
		return;
	}
	error = copy_message(d, &before);
	if (error != 0) {
		give_up(d, error, "Maildir/tmp");
	} else if (delivered_to_end(&before)) {
		drop_file(d);
		delivery_end(d, OUTCOME_FAILED, STATUS(5, 4, 6),
		    "mail loop: it was delivered to this address before");
	} else {
		d->step = DELIVERY_WRITTEN;
	}
}

void
maildir_write(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->v[i]->step == DELIVERY_BEGUN)
			write_file(batch, batch->v[i]);
}

/* --- flushing --- */

static void
close_flushed(struct delivery *d)
{
	close(d->file);
	d->file = -1;
	d->step = DELIVERY_FLUSHED;
}

static void
end_delivered(struct delivery *d)
{
	delivery_end(d, OUTCOME_DELIVERED, STATUS(2, 0, 0), "delivered");
}

/* Whether one syncfs flushes both; of two in the same step. */
static bool
is_with(const struct delivery *d, const struct folder *f)
{
	return d->folder->has_syncfs && f->has_syncfs &&
	    d->folder->new_inode.device == f->new_inode.device;
}

/* Whether it would take more than one fsync: of each file, or of each new/. */
static bool
are_many(const struct maildir_batch *batch, size_t first)
{
	const struct delivery *f = batch->v[first];

	for (size_t i = first + 1; i < batch->n; i++) {
		const struct delivery *d = batch->v[i];

		if (d->step == f->step && is_with(d, f->folder) &&
		    (d->step == DELIVERY_WRITTEN || d->folder != f->folder))
			return true;
	}
	return false;
}

/*
 * One flush for all that are as far as the first on its file system. The file of the
 * first was opened before another was written, and so hears of every error.
 */
static bool
flush_device(struct maildir_batch *batch, size_t first)
{
	const struct folder     *folder = batch->v[first]->folder;
	const enum delivery_step step = batch->v[first]->step;
	int fd = step == DELIVERY_WRITTEN ? batch->v[first]->file : folder->new;

	if (syncfs(fd) == -1)
		return false;
	for (size_t i = first; i < batch->n; i++) {
		struct delivery *d = batch->v[i];

		if (d->step != step || !is_with(d, folder))
			continue;
		if (step == DELIVERY_WRITTEN)
			close_flushed(d);
		else
			end_delivered(d);
	}
	return true;
}

/*
 * A failure may be anybody's. Then each file or folder is flushed by itself, which
 * still hears of errors of its own; a second syncfs would perhaps not.
 */
static void
flush_together(struct maildir_batch *batch, enum delivery_step step)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->v[i]->step == step && are_many(batch, i) &&
		    !flush_device(batch, i))
			return;
}

/*
 * After a failed fsync the kernel may call the lost pages clean: another fsync of
 * that file would lie. It is written anew, once.
 */
static void
flush_file(const struct maildir_batch *batch, struct delivery *d)
{
	while (d->step == DELIVERY_WRITTEN) {
		if (fsync(d->file) == 0) {
			close_flushed(d);
		} else if (d->is_second_try) {
			give_up(d, errno, "Maildir/tmp");
		} else {
			drop_file(d);
			d->is_second_try = true;
			write_file(batch, d);
		}
	}
}

void
maildir_flush(struct maildir_batch *batch)
{
	flush_together(batch, DELIVERY_WRITTEN);
	for (size_t i = 0; i < batch->n; i++)
		flush_file(batch, batch->v[i]);
}

/* --- publishing --- */

static void
name_in_new(const struct maildir_batch *batch, const struct delivery *d,
    char name[NAME_MAX + 1])
{
	struct buf b = { .p = name, .cap = NAME_MAX, .max = NAME_MAX };

	maildir_name_add(&b, &d->id, d->recipient,
	    bytes_first(batch->hostname, HOST_BYTES), d->disk_bytes,
	    d->wire_bytes);
	name[b.len] = '\0';
}

static void
publish(const struct maildir_batch *batch, struct delivery *d)
{
	char name[NAME_MAX + 1];
	int  error = 0;

	name_in_new(batch, d, name);
	if (file_move(d->folder->tmp, d->tmp_name, d->folder->new, name) == -1)
		error = errno;
	d->is_moved = error == 0;
	if (error == EEXIST) /* an earlier attempt was this far */
		drop_file(d);
	else if (error != 0)
		give_up(d, error, "Maildir/new");
	if (d->step == DELIVERY_FLUSHED)
		d->step = DELIVERY_IN_NEW;
}

void
maildir_publish(struct maildir_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->v[i]->step == DELIVERY_FLUSHED)
			publish(batch, batch->v[i]);
}

/* --- settling --- */

/* 0, or an errno. */
static int
flush_folder(const struct folder *f, enum delivery_step step)
{
	int error = 0;
	int cur;

	if (step == DELIVERY_IN_NEW)
		return fsync(f->new) == 0 ? 0 : errno;
	cur = folder_open_cur(f);
	if (cur == -1)
		return errno;
	if (fsync(cur) == -1)
		error = errno;
	close(cur);
	return error;
}

/*
 * The name may be lost in a crash, and the next attempt's flush would not tell: what
 * it must not find is taken away.
 */
static void
take_back(const struct maildir_batch *batch, struct delivery *d, int error)
{
	char name[NAME_MAX + 1];

	if (d->is_moved) {
		name_in_new(batch, d, name);
		unlinkat(d->folder->new, name, 0);
	}
	delivery_defer(d, error, "Maildir/new");
}

/* Flush the folder that a delivery is in; all that are in it end. */
static void
settle(struct maildir_batch *batch, size_t first)
{
	const struct folder *folder = batch->v[first]->folder;
	enum delivery_step   step = batch->v[first]->step;
	int                  error = flush_folder(folder, step);

	for (size_t i = first; i < batch->n; i++) {
		struct delivery *d = batch->v[i];

		if (d->folder != folder || d->step != step)
			continue;
		if (error != 0)
			take_back(batch, d, error);
		else
			end_delivered(d);
	}
}

void
maildir_settle(struct maildir_batch *batch)
{
	flush_together(batch, DELIVERY_IN_NEW);
	for (size_t i = 0; i < batch->n; i++)
		if (batch->v[i]->step == DELIVERY_IN_NEW ||
		    batch->v[i]->step == DELIVERY_IN_CUR)
			settle(batch, i);
}

void
maildir_deliver(struct maildir_batch *batch)
{
	maildir_find_repeated(batch);
	maildir_write(batch);
	maildir_flush(batch);
	maildir_publish(batch);
	maildir_settle(batch);
}
