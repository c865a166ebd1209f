#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "mailbox/octets.h"
#include "mailbox/snapshot.h"
#include "mailbox/uid.h"
#include "proto/maildir_name.h"
#include "proto/maildrop.h"

enum {
	PIECE_BYTES = 64 * 1024,
	PIECE_RECORDS = PIECE_BYTES / MAILDROP_RECORD,
	LIST_TIMEOUT_MS = 120 * 1000, /* a client does not wait longer for its login */
};

/* A list in the making. */
struct list {
	struct snapshot *snapshot;
	char            *piece; /* PIECE_BYTES to read into */
	uint64_t         deadline_ms;
	struct buf       records;
	int              fd;
};

/* -1 with errno: EFBIG, it is no message; ETIMEDOUT. */
static int
count(struct list *l, int fd, uint64_t *octets)
{
	struct octets o = { 0 };
	ssize_t       got;

	do {
		if (clock_monotonic_ms() >= l->deadline_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		got = read(fd, l->piece, PIECE_BYTES);
		if (got > 0)
			octets_feed(&o, (struct bytes){ l->piece, (size_t)got });
	} while (got > 0 || (got == -1 && errno == EINTR));
	*octets = octets_end(&o);
	if (got == 0 && *octets > MAILDROP_OCTETS_MAX) {
		errno = EFBIG;
		return -1;
	}
	return got == 0 ? 0 : -1;
}

/* From the name, else from the file. -1 with errno. */
static int
measure(struct list *l, size_t i, uint64_t *octets)
{
	struct snapshot *s = l->snapshot;
	int              fd, counted, error;

	if (maildir_name_wire_bytes(
	        snapshot_name(s, &s->messages[i]), octets) &&
	    *octets <= MAILDROP_OCTETS_MAX)
		return 0;
	fd = snapshot_open(s, i);
	if (fd == -1)
		return -1;
	counted = count(l, fd, octets);
	error = errno;
	close(fd);
	errno = error;
	return counted;
}

static int
write_records(struct list *l)
{
	int put = memfile_write(l->fd, buf_bytes(&l->records));

	buf_clear(&l->records);
	return put;
}

static int
add(struct list *l, const struct message *m, uint64_t octets)
{
	struct bytes name = snapshot_name(l->snapshot, m);
	char         room[MAILDROP_UID_MAX];

	maildrop_add(&l->records, &(struct maildrop_message){
		.octets = octets,
		.uid = uid_of(bytes_first(name, m->base_len), room),
	});
	if (l->records.failed) {
		errno = ENOMEM;
		return -1;
	}
	return l->records.len < PIECE_RECORDS * MAILDROP_RECORD ? 0
	                                                        : write_records(l);
}

/* Of the process, not of the message: then there can be no list. */
static bool
is_grave(int error)
{
	return error == ETIMEDOUT || error == ENOMEM || error == EMFILE ||
	    error == ENFILE;
}

/* Numbers are given when all are known: until then the messages stay sorted. */
static void
drop_unreadable(struct snapshot *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->messages[i].state != MESSAGE_UNREADABLE)
			s->messages[kept++] = s->messages[i];
	s->n = kept;
}

/* -1 with errno. */
static int
add_all(struct list *l)
{
	struct snapshot *s = l->snapshot;

	snapshot_begin_batch(s);
	for (size_t i = 0; i < s->n; i++) {
		struct message *m = &s->messages[i];
		uint64_t        octets;

		if (measure(l, i, &octets) == 0) {
			if (add(l, m, octets) == -1)
				return -1;
		} else if (is_grave(errno)) {
			return -1;
		} else {
			m->state = MESSAGE_UNREADABLE;
		}
	}
	drop_unreadable(s);
	return write_records(l);
}

int
snapshot_list(struct snapshot *s)
{
	struct list l = {
		.snapshot = s,
		.piece = malloc(PIECE_BYTES),
		.deadline_ms = clock_monotonic_ms() + LIST_TIMEOUT_MS,
		.fd = memfile_new("maildrop"),
	};
	int error = 0;

	buf_init(&l.records, PIECE_BYTES);
	buf_room(&l.records, PIECE_BYTES); /* at once, and gone at once: see main.c */
	if (l.piece == NULL || l.fd == -1 || add_all(&l) == -1 ||
	    memfile_seal(l.fd) == -1)
		error = errno;
	buf_finish(&l.records);
	free(l.piece);
	if (error != 0 && l.fd != -1) {
		close(l.fd);
		l.fd = -1;
	}
	errno = error;
	return l.fd;
}
