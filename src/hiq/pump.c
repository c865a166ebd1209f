#include "hiq/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/file.h"

enum {
	PIECE = 32 * 1024,
	ROUNDS = 16,
	/* A pipe holds at most this (pipe-max-size of pipe(7)). */
	PIPE_MAX = 1024 * 1024,
};

/* One end with its handle, which outlives it until libuv has let go of it. */
struct end {
	uv_poll_t poll;
	int       fd; /* -1: closed, or there was none */
};

struct pump {
	struct end       from, to;
	struct pump_spec spec;
	pump_ended      *ended;
	void            *context;
	uint64_t         total;
	uint64_t         last;    /* the highest total when writer_is_gone */
	size_t           handles; /* that libuv still has */
	bool             has_ended;
	bool             writer_is_gone;
	bool             is_closed;
	struct bytes     pending; /* in piece, on its way to the reader */
	char             piece[PIECE];
};

static void
on_handle_closed(uv_handle_t *handle)
{
	struct pump *p = handle->data;

	if (--p->handles == 0 && p->is_closed)
		free(p);
}

static void
close_end(struct end *end)
{
	if (end->fd == -1)
		return;
	uv_close((uv_handle_t *)&end->poll, on_handle_closed);
	close(end->fd);
	end->fd = -1;
}

static void
finish(struct pump *p, enum pump_end how)
{
	close_end(&p->from);
	close_end(&p->to);
	p->has_ended = true;
	p->ended(how, p->context);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Wait until the reader takes more or, with nothing pending, the writer has more. */
static void
watch(struct pump *p)
{
	bool waits_for_reader = p->pending.n > 0;

	if (p->to.fd != -1 && !waits_for_reader)
		uv_poll_stop(&p->to.poll);
	if (waits_for_reader) {
		uv_poll_stop(&p->from.poll);
		uv_poll_start(&p->to.poll, UV_WRITABLE, on_ready);
	} else {
		uv_poll_start(&p->from.poll, UV_READABLE, on_ready);
	}
}

/* Put a piece that came where it belongs. False: it could not be stored. */
static bool
store(struct pump *p, struct bytes piece)
{
	struct buf *kept = p->spec.kept;

	if (kept)
		buf_add_bytes(kept, bytes_first(piece, kept->max - kept->len));
	if (p->spec.file != -1 && file_write_all(p->spec.file, piece) == -1)
		return false;
	if (p->to.fd != -1)
		p->pending = piece;
	return true;
}

/* Whether there is more to do at once. */
static bool
fill(struct pump *p)
{
	ssize_t got = 0;

	/* A descendant that escaped may go on writing; that is not the filter. */
	if (!p->writer_is_gone || p->total < p->last)
		got = read(p->from.fd, p->piece, sizeof p->piece);
	if (got == -1 && errno == EINTR)
		return true;
	if (got == -1 && errno == EAGAIN && !p->writer_is_gone) {
		watch(p);
		return false;
	}
	if (got == 0 || (got == -1 && errno == EAGAIN)) {
		finish(p, PUMP_WHOLE);
		return false;
	}
	if (got == -1) {
		finish(p, PUMP_FAILED);
		return false;
	}
	p->total += (uint64_t)got;
	if (p->total > p->spec.max_bytes) {
		finish(p, PUMP_TOO_LARGE);
		return false;
	}
	if (!store(p, (struct bytes){ p->piece, (size_t)got })) {
		finish(p, PUMP_FAILED);
		return false;
	}
	return true;
}

/* Whether there is more to do at once. */
static bool
flush(struct pump *p)
{
	ssize_t put = write(p->to.fd, p->pending.p, p->pending.n);

	if (put == -1 && errno == EAGAIN) {
		watch(p);
		return false;
	}
	if (put == -1 && errno != EINTR) {
		/* EPIPE: the reader wants no more, which is its right. */
		close_end(&p->to);
		p->pending.n = 0;
	}
	if (put > 0)
		p->pending = bytes_from(p->pending, (size_t)put);
	return true;
}

static void
move(struct pump *p)
{
	/* With the writer gone no event would bring us back, but the end is near. */
	for (size_t i = 0; i < ROUNDS || p->writer_is_gone; i++)
		if (!(p->pending.n > 0 ? flush(p) : fill(p)))
			return;
	watch(p); /* let others have their turn */
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	/* Whatever it is, read and write find out. */
	(void)status;
	(void)events;
	move(poll->data);
}

static int
open_end(struct pump *p, uv_loop_t *loop, struct end *end, int fd)
{
	int error;

	end->fd = -1;
	if (fd == -1)
		return 0;
	error = uv_poll_init(loop, &end->poll, fd); /* makes it non-blocking */
	if (error != 0) {
		close(fd);
		return error;
	}
	end->poll.data = p;
	end->fd = fd;
	p->handles++;
	return 0;
}

struct pump *
pump_open(uv_loop_t *loop, const struct pump_spec *spec, pump_ended *ended,
    void *context)
{
	struct pump *p = malloc(sizeof *p);
	int          error;

	if (p == NULL) {
		close(spec->from);
		if (spec->to != -1)
			close(spec->to);
		errno = ENOMEM;
		return NULL;
	}
	*p = (struct pump){ .spec = *spec, .ended = ended, .context = context };
	error = open_end(p, loop, &p->from, spec->from);
	if (error == 0)
		error = open_end(p, loop, &p->to, spec->to);
	else if (spec->to != -1)
		close(spec->to);
	if (error != 0) {
		pump_close(p);
		errno = -error;
		return NULL;
	}
	watch(p);
	return p;
}

void
pump_writer_is_gone(struct pump *p)
{
	if (p == NULL || p->has_ended)
		return;
	p->writer_is_gone = true;
	p->last = p->total + PIPE_MAX;
	move(p);
}

void
pump_reader_is_gone(struct pump *p)
{
	if (p == NULL || p->has_ended || p->to.fd == -1)
		return;
	close_end(&p->to);
	p->pending.n = 0;
	move(p);
}

uint64_t
pump_total(const struct pump *p)
{
	return p->total;
}

void
pump_close(struct pump *p)
{
	if (p == NULL)
		return;
	close_end(&p->from);
	close_end(&p->to);
	p->is_closed = true;
	if (p->handles == 0)
		free(p);
}
