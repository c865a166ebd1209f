#include "service/listeners.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/log.h"

enum { BACKLOG = 1024 };

struct listening {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t    tcp;
		uv_pipe_t   pipe; /* a Unix socket */
	};
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
	int error = uv_listen(&l->stream, BACKLOG, on_client);

	if (error != 0)
		log_text("cannot accept clients: %s", uv_strerror(error));
}

/* Clients inherit it. */
static void
bound_send_buffer(struct listening *l)
{
	int bytes = l->all->send_buffer_bytes;

	uv_send_buffer_size(&l->handle, &bytes);
}

static void
free_listening(uv_handle_t *handle)
{
	free(handle->data);
}

static bool
is_unix_socket(int socket)
{
	int       domain = 0;
	socklen_t size = sizeof domain;

	return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	    domain == AF_UNIX;
}

static int
init_stream(struct listening *l, uv_loop_t *loop, bool is_local)
{
	return is_local ? uv_pipe_init(loop, &l->pipe, 0)
	                : uv_tcp_init(loop, &l->tcp);
}

void
listeners_add(struct listeners *l, int socket)
{
	struct listening *new = calloc(1, sizeof *new);
	bool              is_local = is_unix_socket(socket);
	int               error = UV_ENOMEM;

	if (new && (error = init_stream(new, l->loop, is_local)) == 0) {
		new->handle.data = new;
		new->all = l;
		error = is_local ? uv_pipe_open(&new->pipe, socket)
		                 : uv_tcp_open(&new->tcp, socket);
		if (error != 0)
			uv_close(&new->handle, free_listening);
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
			on_client(&at->stream, 0);
}

void
listeners_close(struct listeners *l)
{
	while (l->list) {
		struct listening *at = l->list;

		l->list = at->next;
		uv_close(&at->handle, free_listening);
	}
	l->is_open = false;
}
