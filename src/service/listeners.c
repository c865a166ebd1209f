#include "service/listeners.h"

#include <stdlib.h>
#include <unistd.h>

#include "io/log.h"

enum { BACKLOG = 1024 };

struct listening {
	uv_tcp_t          tcp;
	struct listening *next;
	struct listeners *all;
	bool              is_stalled; /* libuv takes nobody until somebody was accepted */
};

static void
on_client(uv_stream_t *stream, int status)
{
	struct listening *l = stream->data;

	if (status == 0)
		l->is_stalled = !l->all->accept(stream, l->all->context);
}

static void
open_one(struct listening *l)
{
	int error = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_client);

	if (error != 0)
		log_text("cannot accept clients: %s", uv_strerror(error));
}

/* Clients inherit it. */
static void
bound_send_buffer(struct listening *l)
{
	int bytes = l->all->send_buffer_bytes;

	uv_send_buffer_size((uv_handle_t *)&l->tcp, &bytes);
}

static void
free_listening(uv_handle_t *handle)
{
	free(handle->data);
}

void
listeners_add(struct listeners *l, int socket)
{
	struct listening *new = calloc(1, sizeof *new);
	int               error = UV_ENOMEM;

	if (new && (error = uv_tcp_init(l->loop, &new->tcp)) == 0) {
		new->tcp.data = new;
		new->all = l;
		error = uv_tcp_open(&new->tcp, socket);
		if (error != 0)
			uv_close((uv_handle_t *)&new->tcp, free_listening);
	} else {
		free(new);
	}
	if (error != 0) {
		log_text("cannot use a listening socket: %s", uv_strerror(error));
		close(socket);
		return;
	}
	bound_send_buffer(new);
	new->next = l->list;
	l->list = new;
	if (l->is_open)
		open_one(new);
}

void
listeners_open(struct listeners *l)
{
	if (l->is_open)
		return;
	l->is_open = true;
	for (struct listening *at = l->list; at; at = at->next)
		open_one(at);
}

void
listeners_retry(struct listeners *l)
{
	for (struct listening *at = l->list; at; at = at->next)
		if (at->is_stalled)
			on_client((uv_stream_t *)&at->tcp, 0);
}

void
listeners_close(struct listeners *l)
{
	while (l->list) {
		struct listening *at = l->list;

		l->list = at->next;
		uv_close((uv_handle_t *)&at->tcp, free_listening);
	}
	l->is_open = false;
}
