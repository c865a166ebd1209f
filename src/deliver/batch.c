#include "deliver/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deliver/letter.h"
#include "io/clock.h"
#include "proto/maildir_name.h"

_Static_assert((int)BATCH_MAX <= (int)HOMES_OPEN,
    "the folders of a batch must stay open");

enum {
	HOST_MAX = 100,   /* of a name, so that the rest of it has room */
	TOGETHER_MIN = 2, /* files for which syncfs is the cheaper flush */
};

void
batch_begin(struct batch *b, struct homes *homes, struct bytes hostname)
{
	b->homes = homes;
	b->hostname = bytes_first(hostname, HOST_MAX);
	random_fill(&b->attempt, sizeof b->attempt);
	b->n = 0;
	homes_begin(homes);
}

bool
batch_add(struct batch *b, struct job *job)
{
	struct batch_entry *e = &b->entries[b->n];

	if (b->n == BATCH_MAX)
		return false;
	b->n++;
	e->job = job;
	e->folder = NULL;
	e->file = -1;
	e->is_flushed = e->is_in_place = e->is_renamed = false;
	return true;
}

/* Neither has it an outcome, nor does it lie where it should. */
static bool
is_under_way(const struct batch_entry *e)
{
	return !e->job->is_done && !e->is_in_place;
}

static void
find_folders(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->entries[i].folder =
		    homes_folder(b->homes, b->entries[i].job);
}

/* --- what an earlier attempt has done --- */

struct search {
	struct batch         *batch;
	const struct maildir *folder;
};

static bool
is_wanted(const struct search *s, const struct batch_entry *e)
{
	return e->folder == s->folder && e->job->repeated && !e->job->is_done;
}

static bool
on_seen(struct bytes name, void *context)
{
	struct search *s = context;

	for (size_t i = 0; i < s->batch->n; i++) {
		struct batch_entry *e = &s->batch->entries[i];

		if (is_wanted(s, e) &&
		    maildir_name_matches(name, &e->job->id, e->job->recipient)) {
			e->is_in_place = true;
			return true;
		}
	}
	return false;
}

/* Not knowing is not an answer: to write it then might be once too often. */
static void
defer_wanted(const struct search *s, int error)
{
	for (size_t i = 0; i < s->batch->n; i++)
		if (is_wanted(s, &s->batch->entries[i]))
			job_defer(s->batch->entries[i].job,
			    "the user's Maildir cannot be read", error);
}

/* Whether an entry before this one had the same folder read. */
static bool
was_read(const struct search *s, size_t i)
{
	while (i-- > 0)
		if (is_wanted(s, &s->batch->entries[i]))
			return true;
	return false;
}

static void
look_for_earlier(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct search s = { b, b->entries[i].folder };

		if (!is_wanted(&s, &b->entries[i]) || was_read(&s, i))
			continue;
		if (maildir_look(b->entries[i].folder, on_seen, &s) == -1)
			defer_wanted(&s, errno);
	}
}

/* --- the files --- */

/* One byte is left for the NUL. */
static struct buf
name_in(char room[BATCH_NAME])
{
	return (struct buf){ .p = room, .cap = BATCH_NAME, .max = BATCH_NAME - 1 };
}

static void
name_tmp(struct batch *b, struct batch_entry *e)
{
	struct buf name = name_in(e->tmp);

	maildir_name_add_tmp(
	    &name, &e->job->id, e->job->recipient, b->hostname, ++b->attempt);
	buf_string(&name);
}

static void
name_final(const struct batch *b, struct batch_entry *e, const struct letter *l)
{
	struct buf name = name_in(e->name);

	maildir_name_add(&name, &e->job->id, e->job->recipient, b->hostname,
	    l->size_bytes, l->wire_bytes);
	buf_string(&name);
}

/* Nothing of it is left in tmp/. errno stays. */
static void
drop_file(struct batch_entry *e)
{
	int error = errno;

	if (e->file != -1) {
		unlinkat(e->folder->tmp, e->tmp, 0);
		close(e->file);
	}
	e->file = -1;
	errno = error;
}

/* 0; -1 with errno, no file is then left. */
static int
write_file(struct batch *b, struct batch_entry *e, struct letter *l)
{
	name_tmp(b, e);
	e->file = openat(e->folder->tmp, e->tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (e->file == -1)
		return -1;
	if (letter_write(l, e->job, e->file) == 0) {
		name_final(b, e, l);
		return 0;
	}
	drop_file(e);
	return -1;
}

/* A message that could not be written in once may be written in a second file. */
static void
write_entry(struct batch *b, struct batch_entry *e)
{
	struct letter l;

	if (letter_begin(&l, e->job) == -1) {
		job_defer(e->job, "the message cannot be read", errno);
		return;
	}
	if (letter_has_been_at(&l, e->job->address)) {
		job_end(e->job, OUTCOME_FAILED, STATUS(5, 4, 6),
		    "mail loop: it was delivered to this address before");
		return;
	}
	if (write_file(b, e, &l) == 0)
		return;
	if (letter_begin(&l, e->job) == -1 || write_file(b, e, &l) == -1)
		job_defer(e->job, "the message cannot be written", errno);
}

static void
write_all(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (is_under_way(&b->entries[i]))
			write_entry(b, &b->entries[i]);
}

/*
 * After a failed flush the kernel may hold what it lost to be clean, and the next
 * flush of the same file would say yes: the message is written anew, once.
 */
static void
flush_entry(struct batch *b, struct batch_entry *e)
{
	struct letter l;

	if (fdatasync(e->file) == 0)
		return;
	drop_file(e);
	if (letter_begin(&l, e->job) == 0 && write_file(b, e, &l) == 0 &&
	    fdatasync(e->file) == 0)
		return;
	drop_file(e);
	job_defer(e->job, "the message cannot be written", errno);
}

static bool
is_on_device(const struct batch_entry *e, dev_t device)
{
	return is_under_way(e) && e->folder->has_syncfs &&
	    e->folder->new_inode.device == device;
}

/* The first of a device and all behind it. False: syncfs failed. */
static bool
flush_device(struct batch *b, size_t first)
{
	struct batch_entry *end = b->entries + b->n;
	dev_t               device = b->entries[first].folder->new_inode.device;
	size_t              n = 0;

	for (struct batch_entry *e = &b->entries[first]; e < end; e++)
		n += is_on_device(e, device);
	if (n < TOGETHER_MIN)
		return true;
	/*
	 * Its file was opened before any other of them was written, so that its
	 * descriptor hears of every error.
	 */
	if (syncfs(b->entries[first].file) == -1)
		return false;
	for (struct batch_entry *e = &b->entries[first]; e < end; e++)
		e->is_flushed |= is_on_device(e, device);
	return true;
}

/*
 * All that is dirty on the file system, which is ours mostly. Of a failure we do not
 * know whose it is: then each file is asked, which hears of its own errors still.
 */
static void
flush_together(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct batch_entry *e = &b->entries[i];

		if (is_under_way(e) && !e->is_flushed && e->folder->has_syncfs &&
		    !flush_device(b, i))
			return;
	}
}

static void
flush_all(struct batch *b)
{
	flush_together(b);
	for (size_t i = 0; i < b->n; i++) {
		struct batch_entry *e = &b->entries[i];

		if (is_under_way(e) && !e->is_flushed)
			flush_entry(b, e);
	}
}

static void
rename_entry(struct batch_entry *e)
{
	if (renameat2(e->folder->tmp, e->tmp, e->folder->new, e->name,
	        RENAME_NOREPLACE) == 0) {
		e->is_in_place = e->is_renamed = true;
		close(e->file);
		e->file = -1;
	} else {
		int error = errno;

		drop_file(e);
		if (error == EEXIST) /* delivered by an attempt that died then */
			e->is_in_place = true;
		else
			job_defer(e->job, "the message cannot be renamed", error);
	}
	e->folder->is_changed |= e->is_in_place;
}

static void
rename_all(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (is_under_way(&b->entries[i]))
			rename_entry(&b->entries[i]);
}

/*
 * Its name may be lost, and a second flush would not tell: what is not surely
 * delivered is taken away, so that it is written anew later.
 */
static void
undo_folder(struct batch *b, const struct maildir *folder, int error)
{
	for (size_t i = 0; i < b->n; i++) {
		struct batch_entry *e = &b->entries[i];

		if (e->folder != folder || e->job->is_done)
			continue;
		if (e->is_renamed)
			unlinkat(folder->new, e->name, 0);
		job_defer(e->job, "the user's Maildir cannot be written", error);
	}
}

/* Messages for many users: their folders are flushed as one, as the files were. */
static void
settle_together(struct batch *b)
{
	const struct maildir *first = NULL;
	bool                  is_alone = true;

	for (size_t i = 0; i < b->n; i++) {
		const struct maildir *m = b->entries[i].folder;

		if (b->entries[i].job->is_done || !m->is_changed)
			continue;
		if (first == NULL)
			first = m;
		if (!m->has_syncfs ||
		    m->new_inode.device != first->new_inode.device)
			return;
		is_alone = is_alone && m == first;
	}
	if (is_alone || syncfs(first->new) == -1)
		return;
	for (size_t i = 0; i < b->n; i++)
		if (!b->entries[i].job->is_done)
			b->entries[i].folder->is_changed = false;
}

static void
settle_all(struct batch *b)
{
	settle_together(b);
	for (size_t i = 0; i < b->n; i++) {
		struct batch_entry *e = &b->entries[i];

		if (!e->job->is_done && maildir_sync(e->folder) == -1)
			undo_folder(b, e->folder, errno);
		if (!e->job->is_done)
			job_end(e->job, OUTCOME_DELIVERED, STATUS(2, 0, 0),
			    "delivered");
	}
}

void
batch_run(struct batch *b, enum batch_step first, enum batch_step last)
{
	static void (*const steps[BATCH_STEPS])(struct batch *) = {
		[BATCH_FOLDERS] = find_folders,
		[BATCH_LOOK] = look_for_earlier,
		[BATCH_WRITE] = write_all,
		[BATCH_FLUSH] = flush_all,
		[BATCH_RENAME] = rename_all,
		[BATCH_SETTLE] = settle_all,
	};

	for (int i = (int)first; i <= (int)last; i++)
		steps[i](b);
}

void
batch_deliver(struct batch *b)
{
	batch_run(b, BATCH_FOLDERS, BATCH_SETTLE);
}
