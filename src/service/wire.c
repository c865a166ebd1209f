#include "service/wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/network.h"
#include "service/event.h"

enum {
	READ_MAX = 64 * 1024,
	TEXT_MAX = 16 * 1024, /* a TLS record */
	FAILURES_LOGGED = 20, /* handshakes, a second */
};

struct wire_request {
	uv_write_t   write;
	struct wire *wire;
	char         bytes[];
};

/* For whoever is read just now. */
static char received[READ_MAX];
static char text[TEXT_MAX];

/* libuv takes what it only reads as if it would write. */
static uv_buf_t
uv_buf_of(struct bytes b)
{
	uv_buf_t buf = { .len = b.n };

	memcpy(&buf.base, &b.p, sizeof buf.base);
	return buf;
}

bool
wire_peer(const struct wire *w, uint8_t address[16], char peer[INET6_ADDRSTRLEN])
{
	static const uint8_t    mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_storage storage;
	struct sockaddr_in      in;
	struct sockaddr_in6     in6;
	int                     size = sizeof storage;

	if (w->handle.type != UV_TCP || uv_tcp_getpeername(&w->tcp, (struct sockaddr *)&storage, &size) != 0)
		return false;
	if (storage.ss_family == AF_INET) {
		memcpy(&in, &storage, sizeof in);
		memcpy(address, mapped, sizeof mapped);
		memcpy(address + sizeof mapped, &in.sin_addr, 4);
	} else if (storage.ss_family == AF_INET6) {
		memcpy(&in6, &storage, sizeof in6);
		memcpy(address, &in6.sin6_addr, 16);
	} else {
		return false;
	}
	if (network_is_ipv4(address))
		return inet_ntop(AF_INET, address + 12, peer, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, address, peer, INET6_ADDRSTRLEN);
}

bool
wire_account(const struct wire *w, uint32_t *uid)
{
	struct ucred account;
	socklen_t    size = sizeof account;
	uv_os_fd_t   fd;

	if (w->handle.type != UV_NAMED_PIPE || uv_fileno(&w->handle, &fd) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &account, &size) != 0)
		return false;
	*uid = account.uid;
	return true;
}

/* --- handshakes that fail --- */

/* Whoever tries again and again does not fill the disk of the log. */
static bool
may_be_logged(uint64_t now_ms)
{
	static uint64_t second;
	static unsigned n;

	if (now_ms / 1000 != second) {
		second = now_ms / 1000;
		n = 0;
	}
	return n++ < FAILURES_LOGGED;
}

static void
log_failure(const struct wire *w)
{
	char         peer[INET6_ADDRSTRLEN];
	uint8_t      address[16];
	struct event e;

	if (!may_be_logged(uv_now(w->handle.loop)))
		return;
	e = event_begin("tls-failed", NULL);
	if (wire_peer(w, address, peer))
		event_text(&e, "peer", bytes_of(peer));
	event_text(&e, "why", bytes_of(tls_fault(w->tls)));
	event_end(&e);
}

/* --- output --- */

static void update_reading(struct wire *w);
static void end(struct wire *w, bool is_reset);
static void on_sent(uv_write_t *write, int status);

static enum wire_result
send_later(struct wire *w, struct bytes rest)
{
	struct wire_request *r = malloc(sizeof *r + rest.n);
	uv_buf_t             buf;

	if (r == NULL)
		return WIRE_GONE;
	r->write.data = r;
	r->wire = w;
	memcpy(r->bytes, rest.p, rest.n);
	buf = uv_buf_of((struct bytes){ r->bytes, rest.n });
	if (uv_write(&r->write, &w->stream, &buf, 1, on_sent) != 0) {
		free(r);
		return WIRE_GONE;
	}
	w->waiting = r;
	return WIRE_WAITS;
}

/* To the network. */
static enum wire_result
put(struct wire *w, struct bytes output)
{
	uv_buf_t buf = uv_buf_of(output);
	int      n;

	if (output.n == 0)
		return WIRE_SENT;
	n = uv_try_write(&w->stream, &buf, 1);
	if (n < 0 && n != UV_EAGAIN)
		return WIRE_GONE;
	if (n > 0)
		output = bytes_from(output, (size_t)n);
	return output.n == 0 ? WIRE_SENT : send_later(w, output);
}

/* What the engine has for the network; behind what waits it waits in the engine. */
static enum wire_result
put_tls(struct wire *w)
{
	struct bytes     output;
	enum wire_result result;

	if (w->waiting)
		return WIRE_WAITS;
	output = tls_output(w->tls);
	result = put(w, output);
	if (result != WIRE_GONE)
		tls_sent(w->tls, output.n);
	return result;
}

enum wire_result
wire_send(struct wire *w, struct bytes plain)
{
	if (plain.n == 0)
		return WIRE_SENT;
	if (w->tls == NULL)
		return put(w, plain);
	return tls_write(w->tls, plain) ? put_tls(w) : WIRE_GONE;
}

bool
wire_is_sending(const struct wire *w)
{
	return w->waiting || w->has_yielded;
}

static void
shut_down(const struct wire *w)
{
	uv_os_fd_t fd;

	if (uv_fileno(&w->handle, &fd) == 0)
		shutdown(fd, SHUT_WR);
}

static void
drop_tls(struct wire *w)
{
	tls_free(w->tls);
	w->tls = NULL;
	w->has_more = false;
	uv_idle_stop(&w->later);
}

void
wire_end(struct wire *w)
{
	enum wire_result result = WIRE_SENT;

	if (w->is_ending)
		return;
	w->is_ending = true;
	if (w->tls) {
		tls_end(w->tls);
		result = put_tls(w);
		if (!w->is_moving)
			drop_tls(w);
	}
	if (result != WIRE_WAITS)
		shut_down(w);
	update_reading(w);
}

static void
on_sent(uv_write_t *write, int status)
{
	struct wire_request *r = write->data;
	struct wire         *w = r->wire;
	bool                 is_gone = status != 0;

	free(r);
	w->waiting = NULL;
	if (w->is_closing)
		return;
	if (!is_gone && w->tls) {
		enum wire_result result = put_tls(w);

		if (result == WIRE_WAITS)
			return;
		is_gone = result == WIRE_GONE;
	}
	if (w->is_ending) {
		shut_down(w);
	} else if (w->has_yielded && !is_gone) {
		return; /* its turn comes */
	} else if (w->tls == NULL || w->is_secured) {
		w->calls->sent(w, is_gone);
	} else if (is_gone) {
		end(w, true);
	}
	update_reading(w);
}

/* --- input --- */

static void
end(struct wire *w, bool is_reset)
{
	if (w->has_ended)
		return;
	w->has_ended = true;
	update_reading(w);
	w->calls->ended(w, is_reset);
}

/* The alert that says why goes out if it can; nobody waits for it. */
static void
break_off(struct wire *w)
{
	if (!w->is_secured)
		log_failure(w);
	put_tls(w);
	end(w, true);
}

static size_t
wanted(const struct wire *w)
{
	size_t room = w->wants && w->is_secured ? w->calls->room(w) : 0;

	return room < sizeof text ? room : sizeof text;
}

/* One step of the engine. False: no other now. */
static bool
move_once(struct wire *w)
{
	size_t n = wanted(w), got = 0;

	if (w->is_secured && n == 0)
		return false;
	switch (tls_read(w->tls, text, n, &got)) {
	case TLS_OK:
		if (w->is_secured) {
			w->calls->input(w, (struct bytes){ text, got });
			explicit_bzero(text, got);
		} else {
			w->is_secured = true;
			w->calls->secured(w);
		}
		return true;
	case TLS_MORE:
		w->has_more = false;
		return false;
	case TLS_ENDED:
		end(w, false);
		return false;
	case TLS_BROKEN:
		break_off(w);
		return false;
	}
	return false;
}

/*
 * Take plain text out for as long as it is wanted. What the owner sends meanwhile takes
 * the engine's own output with it; what is left goes out behind it.
 */
static void
move(struct wire *w)
{
	bool goes_on;

	w->is_moving = true;
	do
		goes_on = move_once(w) && !w->is_closing && !w->is_ending;
	while (goes_on);
	w->is_moving = false;
	if (w->is_closing || w->is_ending) {
		drop_tls(w);
	} else if (put_tls(w) == WIRE_GONE) {
		end(w, true);
	}
	if (!w->is_closing)
		update_reading(w);
}

static void
on_later(uv_idle_t *later)
{
	struct wire *w = later->data;
	bool         has_yielded = w->has_yielded;

	uv_idle_stop(later);
	w->has_yielded = false;
	if (has_yielded && !w->waiting && !w->is_ending)
		w->calls->sent(w, false);
	else if (w->tls)
		move(w);
	update_reading(w);
}

void
wire_yield(struct wire *w)
{
	w->has_yielded = true;
	uv_idle_start(&w->later, on_later);
}

static void
give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct wire *w = handle->data;
	size_t       room = sizeof received;

	(void)suggested;
	if (w->tls)
		room = tls_room(w->tls);
	else if (!w->is_ending)
		room = w->calls->room(w);
	*buf = uv_buf_init(
	    received, (unsigned)(room < sizeof received ? room : sizeof received));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct wire *w = stream->data;
	struct bytes input = { buf->base, n > 0 ? (size_t)n : 0 };

	if (n < 0) {
		end(w, n != UV_EOF);
	} else if (n == 0 || w->is_ending) {
		return;
	} else if (w->tls) {
		tls_feed(w->tls, input);
		w->has_more = true;
		move(w);
	} else {
		w->calls->input(w, input);
	}
}

/*
 * Under TLS not before the plain text that is here was wanted, nor while the engine's own
 * answers find no way out: who makes us answer has to read.
 */
static bool
reads(const struct wire *w)
{
	if (w->has_ended || w->is_closing)
		return false;
	if (w->is_ending)
		return w->wants;
	if (w->tls && tls_output(w->tls).n > 0)
		return false;
	if (w->tls && !w->is_secured)
		return true;
	return w->wants && !w->has_more && w->calls->room(w) > 0;
}

static void
update_reading(struct wire *w)
{
	bool is_reading = reads(w);

	if (w->is_moving || w->is_closing)
		return;
	if (w->has_more && !w->has_ended && wanted(w) > 0)
		uv_idle_start(&w->later, on_later);
	if (is_reading == w->is_reading)
		return;
	w->is_reading = is_reading;
	if (is_reading)
		uv_read_start(&w->stream, give_room, on_read);
	else
		uv_read_stop(&w->stream);
}

void
wire_read(struct wire *w, bool wants)
{
	w->wants = wants;
	update_reading(w);
}

/* --- its beginning and its end --- */

static bool
init_stream(struct wire *w, uv_loop_t *loop, uv_handle_type type)
{
	if (type == UV_NAMED_PIPE)
		return uv_pipe_init(loop, &w->pipe, 0) == 0;
	return uv_tcp_init(loop, &w->tcp) == 0;
}

bool
wire_accept(struct wire *w, uv_loop_t *loop, uv_stream_t *listening,
    const struct wire_calls *calls, void *owner)
{
	*w = (struct wire){ .calls = calls, .owner = owner };
	uv_idle_init(loop, &w->later);
	w->later.data = w;
	if (!init_stream(w, loop, listening->type))
		return false;
	w->handle.data = w;
	if (uv_accept(listening, &w->stream) != 0)
		return false;
	if (w->handle.type == UV_TCP)
		uv_tcp_nodelay(&w->tcp, 1); /* replies are small and waited for */
	return true;
}

bool
wire_secure(struct wire *w, struct tls_context *context)
{
	w->tls = tls_accept(context);
	if (w->tls == NULL)
		return false;
	update_reading(w);
	return true;
}

static void
on_later_closed(uv_handle_t *later)
{
	struct wire *w = later->data;

	w->calls->closed(w);
}

static void
on_stream_closed(uv_handle_t *stream)
{
	struct wire *w = stream->data;

	uv_close((uv_handle_t *)&w->later, on_later_closed);
}

void
wire_close(struct wire *w)
{
	if (w->is_closing)
		return;
	w->is_closing = true;
	if (!w->is_moving)
		drop_tls(w);
	uv_close(&w->handle, on_stream_closed);
}
