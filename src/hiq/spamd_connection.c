#include "hiq/spamd_connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
	PIECE_MAX = 2 * SPAMD_PIECE + 4096,
	READ_AT_ONCE = 16 * 1024,
};

struct spamd_connection {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t    tcp;
		uv_pipe_t   pipe;
	} socket;
	uv_timer_t         timer;     /* for the connecting */
	size_t             handles;   /* that libuv still has */
	uv_connect_t       connect;
	uv_write_t         write;
	uv_shutdown_t      shutdown;
	struct spamd_body *body;
	uint64_t           wire_size;
	spamd_conversed   *conversed; /* NULL: nobody listens any more */
	void              *context;
	struct buf         piece;     /* on its way out */
	struct buf         received;
};

static void
on_handle_closed(uv_handle_t *handle)
{
	struct spamd_connection *c = handle->data;

	if (--c->handles > 0)
		return;
	buf_finish(&c->piece);
	buf_finish(&c->received);
	free(c);
}

void
spamd_disconnect(struct spamd_connection *c)
{
	if (c == NULL)
		return;
	c->conversed = NULL;
	uv_close(&c->socket.handle, on_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void
end(struct spamd_connection *c, enum spamd_end how, enum spamd_result result,
    const struct spamd_reply *reply)
{
	c->conversed(how, result, reply, c->context);
	spamd_disconnect(c);
}

/* --- the reply --- */

static void
on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
	struct spamd_connection *c = handle->data;
	size_t                   left = c->received.max - c->received.len;
	size_t                   n = left < READ_AT_ONCE ? left : READ_AT_ONCE;
	char                    *p = buf_room(&c->received, n);

	(void)suggested;
	*room = uv_buf_init(p, p ? (unsigned)n : 0);
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
	struct spamd_connection *c = stream->data;
	struct spamd_reply       reply;
	enum spamd_result        result;

	(void)room;
	if (got == 0)
		return;
	if (got > 0)
		buf_grew(&c->received, (size_t)got);
	if (c->received.len == 0) {
		end(c, SPAMD_DIED, SPAMD_ERROR, NULL);
		return;
	}
	result = spamd_read_reply(buf_bytes(&c->received), got == UV_EOF, &reply);
	if (result == SPAMD_MORE && got < 0) {
		result = SPAMD_ERROR;
		reply = (struct spamd_reply){
			.error = BYTES_INIT("the connection broke") };
	}
	if (result != SPAMD_MORE)
		end(c, SPAMD_SAID, result, &reply);
}

/* --- the request --- */

static void send_piece(struct spamd_connection *c);

static void
on_shutdown(uv_shutdown_t *shutdown, int status)
{
	(void)shutdown;
	(void)status; /* the reading side finds out */
}

static void
on_written(uv_write_t *write, int status)
{
	struct spamd_connection *c = write->handle->data;

	/* Not written: perhaps it said why; the reading side finds out. */
	if (status == 0 && c->conversed)
		send_piece(c);
}

static void
write_piece(struct spamd_connection *c)
{
	uv_buf_t b = uv_buf_init(c->piece.p, (unsigned)c->piece.len);

	if (uv_write(&c->write, &c->socket.stream, &b, 1, on_written) != 0)
		end(c, SPAMD_DIED, SPAMD_ERROR, NULL);
}

static void
send_piece(struct spamd_connection *c)
{
	static const struct spamd_reply unreadable = {
		.error = BYTES_INIT("the message could not be read"),
	};

	if (!spamd_body_next(c->body, &c->piece))
		end(c, SPAMD_SAID, SPAMD_ERROR, &unreadable);
	else if (c->piece.len > 0)
		write_piece(c);
	else
		uv_shutdown(&c->shutdown, &c->socket.stream, on_shutdown);
}

static void
on_connected(uv_connect_t *connect, int status)
{
	struct spamd_connection *c = connect->handle->data;

	if (c->conversed == NULL)
		return;
	uv_timer_stop(&c->timer);
	if (status != 0 ||
	    uv_read_start(&c->socket.stream, on_room, on_read) != 0) {
		end(c, SPAMD_UNREACHABLE, SPAMD_ERROR, NULL);
		return;
	}
	spamd_add_request(&c->piece, c->wire_size);
	write_piece(c);
}

static void
on_connect_timeout(uv_timer_t *timer)
{
	end(timer->data, SPAMD_UNREACHABLE, SPAMD_ERROR, NULL);
}

/* --- the address --- */

static int
connect_inet(uv_loop_t *loop, struct spamd_connection *c,
    const struct endpoint *address)
{
	struct sockaddr_storage to = { 0 };
	char                    host[64];
	int                     error;

	if (!bytes_to_string(address->host, host, sizeof host))
		return UV_EINVAL;
	if (address->kind == ENDPOINT_INET)
		error = uv_ip4_addr(host, address->port, (struct sockaddr_in *)&to);
	else
		error = uv_ip6_addr(host, address->port, (struct sockaddr_in6 *)&to);
	if (error == 0)
		error = uv_tcp_init(loop, &c->socket.tcp);
	if (error != 0)
		return error;
	c->socket.handle.data = c;
	c->handles++;
	return uv_tcp_connect(&c->connect, &c->socket.tcp,
	    (const struct sockaddr *)&to, on_connected);
}

static int
connect_unix(uv_loop_t *loop, struct spamd_connection *c,
    const struct endpoint *address)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int  error;

	if (!bytes_to_string(address->host, path, sizeof path))
		return UV_ENAMETOOLONG;
	error = uv_pipe_init(loop, &c->socket.pipe, 0);
	if (error != 0)
		return error;
	c->socket.handle.data = c;
	c->handles++;
	uv_pipe_connect(&c->connect, &c->socket.pipe, path, on_connected);
	return 0;
}

struct spamd_connection *
spamd_connect(uv_loop_t *loop, const struct endpoint *address,
    struct spamd_body *body, uint64_t wire_size, spamd_conversed *conversed,
    void *context)
{
	struct spamd_connection *c = calloc(1, sizeof *c);
	int                      error;

	if (c == NULL)
		return NULL;
	c->body = body;
	c->wire_size = wire_size;
	c->conversed = conversed;
	c->context = context;
	buf_init(&c->piece, PIECE_MAX);
	buf_init(&c->received, SPAMD_REPLY_MAX);
	if (address->kind == ENDPOINT_UNIX)
		error = connect_unix(loop, c, address);
	else
		error = connect_inet(loop, c, address);
	if (c->handles == 0) {
		free(c);
		return NULL;
	}
	c->handles++;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	if (error != 0) {
		spamd_disconnect(c);
		return NULL;
	}
	uv_timer_start(
	    &c->timer, on_connect_timeout, SPAMD_CONNECT_TIMEOUT_MS, 0);
	return c;
}
