#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){ .max = max_bytes };
}

void
buf_finish(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_finish(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Make cap at least need. */
static bool
grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	char  *p;

	while (cap < need)
		cap *= 2;
	p = realloc(b->p, cap);
	if (p == NULL)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

char *
buf_room(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	/* one byte more than asked for: the NUL of buf_addf and buf_string */
	if (n > b->max - b->len ||
	    (n >= b->cap - b->len && !grow(b, b->len + n + 1))) {
		b->failed = true;
		return NULL;
	}
	return b->p + b->len;
}

void
buf_grew(struct buf *b, size_t n)
{
	b->len += n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *room;

	if (n == 0)
		return;
	room = buf_room(b, n);
	if (room == NULL)
		return;
	memcpy(room, p, n);
	b->len += n;
}

void
buf_add_bytes(struct buf *b, struct bytes bytes)
{
	buf_add(b, bytes.p, bytes.n);
}

void
buf_add_string(struct buf *b, const char *string)
{
	buf_add(b, string, strlen(string));
}

void
buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_add_number(struct buf *b, uint64_t number)
{
	char   digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	buf_add(b, digits + at, sizeof digits - at);
}

void
buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;
	int     n;
	char   *room;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		b->failed = true;
		return;
	}
	room = buf_room(b, (size_t)n);
	if (room == NULL)
		return;
	va_start(args, format);
	vsnprintf(room, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (n > 0)
		memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

struct bytes
buf_bytes(const struct buf *b)
{
	return (struct bytes){ b->p, b->len };
}

const char *
buf_string(struct buf *b)
{
	if (b->cap == b->len && !grow(b, b->len + 1))
		return "";
	b->p[b->len] = '\0';
	return b->p;
}
