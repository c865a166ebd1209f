#include "deliver/letter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/printable.h"
#include "deliver/jobs.h"
#include "io/file.h"
#include "mail/address.h"
#include "mail/header.h"

enum {
	TOP_MAX = 256 * 1024,
	PIECE_MAX = 64 * 1024,
	HEADER_MAX = 64 * 1024, /* looked at for a loop; hops end the others */
	PATH_MAX_BYTES = 1024,
	OURS_MAX = 4096,
};

static char top[TOP_MAX];

/* n bytes of the body. -1 with errno. */
static int
read_body(const struct job *job, uint64_t offset, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(job->body, p, n, (off_t)offset);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

/* What was a path on the wire cannot end a line here, whoever let it in. */
static void
add_ours(struct buf *b, const struct job *job)
{
	buf_add_string(b, "Return-Path: <");
	printable_add(b, job->reverse_path, PATH_MAX_BYTES);
	buf_add_string(b, ">\nDelivered-To: ");
	printable_add(b, job->address, PATH_MAX_BYTES);
	buf_add_char(b, '\n');
}

/* How many bytes of the body are in the first part. */
static size_t
top_body(const struct letter *l)
{
	return l->top.n - l->n_ours;
}

int
letter_begin(struct letter *l, const struct job *job)
{
	struct buf b = { .p = top, .cap = sizeof top, .max = OURS_MAX };
	size_t     n;

	add_ours(&b, job);
	n = sizeof top - b.len; /* ours are printable and short: b cannot fail */
	if (n > job->size_bytes)
		n = (size_t)job->size_bytes;
	*l = (struct letter){ .top = { top, b.len + n }, .n_ours = b.len };
	return read_body(job, 0, top + b.len, n);
}

static bool
is_same_address(struct bytes value, struct bytes address)
{
	char           room[ADDRESS_LOCAL_MAX + ADDRESS_DOMAIN_MAX + 2];
	struct buf     canonical = { .p = room, .cap = sizeof room,
		    .max = sizeof room - 1 };
	struct address parsed;

	value = bytes_trim(value);
	if (bytes_equal_nocase(value, address))
		return true;
	if (!address_parse(value, &parsed))
		return false;
	address_add_canonical(&canonical, &parsed);
	return !canonical.failed &&
	    bytes_equal_nocase(buf_bytes(&canonical), address);
}

bool
letter_has_been_at(const struct letter *l, struct bytes address)
{
	struct bytes rest =
	    bytes_first(bytes_from(l->top, l->n_ours), HEADER_MAX);
	struct header_field field;

	while (header_next(&rest, &field))
		if (bytes_equal_nocase(field.name, BYTES("Delivered-To")) &&
		    is_same_address(field.value, address))
			return true;
	return false;
}

static uint64_t
count_lines(struct bytes b)
{
	const char *end = b.p + b.n, *p = b.p;
	uint64_t    n = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		n++;
		p++;
	}
	return n;
}

static int
write_piece(struct letter *l, int fd, struct bytes piece)
{
	l->size_bytes += piece.n;
	l->wire_bytes += piece.n + count_lines(piece);
	return file_write_all(fd, piece);
}

int
letter_write(struct letter *l, const struct job *job, int fd)
{
	uint64_t at = top_body(l);

	l->size_bytes = l->wire_bytes = 0;
	if (write_piece(l, fd, l->top) == -1)
		return -1;
	while (at < job->size_bytes) {
		uint64_t rest = job->size_bytes - at;
		size_t   n = rest < PIECE_MAX ? (size_t)rest : PIECE_MAX;

		if (read_body(job, at, top, n) == -1 ||
		    write_piece(l, fd, (struct bytes){ top, n }) == -1)
			return -1;
		at += n;
	}
	return 0;
}
