#include "smtpd/wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/network.h"

struct wire_request {
	uv_write_t   write;
	struct wire *wire;
	wire_sent   *sent;
	char         bytes[];
};

/* libuv takes what it only reads as if it would write. */
static uv_buf_t
uv_buf_of(struct bytes b)
{
	uv_buf_t buf = { .len = b.n };

	memcpy(&buf.base, &b.p, sizeof buf.base);
	return buf;
}

bool
wire_accept(struct wire *w, uv_loop_t *loop, uv_stream_t *listening)
{
	if (uv_tcp_init(loop, &w->tcp) != 0 ||
	    uv_accept(listening, (uv_stream_t *)&w->tcp) != 0)
		return false;
	uv_tcp_nodelay(&w->tcp, 1); /* replies are small and waited for */
	return true;
}

bool
wire_peer(const struct wire *w, uint8_t address[16], char text[INET6_ADDRSTRLEN])
{
	static const uint8_t    mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_storage storage;
	struct sockaddr_in      in;
	struct sockaddr_in6     in6;
	int                     size = sizeof storage;

	if (uv_tcp_getpeername(&w->tcp, (struct sockaddr *)&storage, &size) != 0)
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
		return inet_ntop(AF_INET, address + 12, text, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static void
on_sent(uv_write_t *write, int status)
{
	struct wire_request *r = write->data;
	struct wire         *w = r->wire;
	wire_sent           *sent = r->sent;

	free(r);
	w->waiting = NULL;
	if (!uv_is_closing((uv_handle_t *)&w->tcp))
		sent(w, status != 0);
}

static enum wire_result
send_later(struct wire *w, struct bytes rest, wire_sent *sent)
{
	struct wire_request *r = malloc(sizeof *r + rest.n);
	uv_buf_t             buf;

	if (r == NULL)
		return WIRE_GONE;
	r->write.data = r;
	r->wire = w;
	r->sent = sent;
	memcpy(r->bytes, rest.p, rest.n);
	buf = uv_buf_of((struct bytes){ r->bytes, rest.n });
	if (uv_write(&r->write, (uv_stream_t *)&w->tcp, &buf, 1, on_sent) != 0) {
		free(r);
		return WIRE_GONE;
	}
	w->waiting = r;
	return WIRE_WAITS;
}

enum wire_result
wire_send(struct wire *w, struct bytes output, wire_sent *sent)
{
	uv_buf_t buf = uv_buf_of(output);
	int      n;

	if (output.n == 0)
		return WIRE_SENT;
	n = uv_try_write((uv_stream_t *)&w->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN)
		return WIRE_GONE;
	if (n > 0)
		output = bytes_from(output, (size_t)n);
	return output.n == 0 ? WIRE_SENT : send_later(w, output, sent);
}

bool
wire_is_sending(const struct wire *w)
{
	return w->waiting != NULL;
}

void
wire_end(struct wire *w)
{
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)&w->tcp, &fd) == 0)
		shutdown(fd, SHUT_WR);
}
