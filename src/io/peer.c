#include "io/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/packet.h"

enum {
	FRAMES_AT_ONCE = 64,           /* then other handles have their turn */
	SEND_BUFFER_BYTES = 1024 * 1024, /* the kernel may grant less */
};

/* A frame that found the socket full. It may hold a password: wiped before it is freed. */
struct waiting {
	struct waiting *next;
	int             fds[PEER_DESCRIPTORS];
	size_t          n_fds;
	size_t          n;
	char            bytes[];
};

struct peer {
	uv_poll_t                 poll;
	int                       socket;
	int                       watched; /* the events that poll watches */
	const struct peer_permit *permits;
	size_t                    n_permits;
	peer_gone                *gone;
	void                     *context;
	struct waiting           *first, **last;
	size_t                    waiting_bytes;
	bool                      is_deaf;   /* the other end reads no more */
	bool                      is_closed; /* by peer_close */
	char                      why[96];   /* not empty: it has ended */
};

/*
 * The peer has ended; the loop tells the owner, see report. The socket is shut down, which the
 * other end sees, and which wakes our own poll.
 */
__attribute__((format(printf, 2, 3))) static void
end(struct peer *peer, const char *format, ...)
{
	va_list args;

	if (peer->why[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(peer->why, sizeof peer->why, format, args);
	va_end(args);
	shutdown(peer->socket, SHUT_RDWR);
}

static void
free_waiting(struct waiting *w)
{
	packet_close(w->fds, w->n_fds);
	explicit_bzero(w->bytes, w->n);
	free(w);
}

static void
drop_first(struct peer *peer)
{
	struct waiting *w = peer->first;

	peer->first = w->next;
	if (peer->first == NULL)
		peer->last = &peer->first;
	peer->waiting_bytes -= sizeof *w + w->n;
	free_waiting(w);
}

static void
drop_waiting(struct peer *peer)
{
	while (peer->first)
		drop_first(peer);
}

/* A frame could not be sent, and waiting will not help. */
static void
send_failed(struct peer *peer, int error)
{
	drop_waiting(peer);
	if (error != EPIPE && error != ECONNRESET) {
		end(peer, "cannot send: %s", strerror(error));
		return;
	}
	/*
	 * It is gone, but what it sent before is still to be read: answers may be
	 * among it. Behind that we then find our own end of file.
	 */
	peer->is_deaf = true;
	shutdown(peer->socket, SHUT_RDWR);
}

static void
flush(struct peer *peer)
{
	while (peer->first) {
		struct waiting *w = peer->first;
		int             error = packet_send(
		    peer->socket, (struct bytes){ w->bytes, w->n }, w->fds, w->n_fds);

		if (error == EAGAIN)
			return;
		if (error != 0) {
			send_failed(peer, error);
			return;
		}
		drop_first(peer);
	}
}

/* 0, or an errno; then nothing was queued. */
static int
enqueue(struct peer *peer, struct bytes frame, const int *fds, size_t n_fds)
{
	struct waiting *w;
	size_t          size = sizeof *w + frame.n;

	if (size > PEER_QUEUE_MAX - peer->waiting_bytes)
		return ENOBUFS;
	w = malloc(size);
	if (w == NULL)
		return ENOMEM;
	w->next = NULL;
	w->n = frame.n;
	memcpy(w->bytes, frame.p, frame.n);
	for (w->n_fds = 0; w->n_fds < n_fds; w->n_fds++) {
		int copy = fcntl(fds[w->n_fds], F_DUPFD_CLOEXEC, 0);

		if (copy == -1) {
			int error = errno;

			free_waiting(w);
			return error;
		}
		w->fds[w->n_fds] = copy;
	}
	*peer->last = w;
	peer->last = &w->next;
	peer->waiting_bytes += size;
	return 0;
}

static const struct peer_permit *
find_permit(const struct peer *peer, struct bytes frame)
{
	unsigned type;

	if (frame.n < 2)
		return NULL;
	type = (unsigned char)frame.p[0] | (unsigned)(unsigned char)frame.p[1] << 8;
	for (size_t i = 0; i < peer->n_permits; i++)
		if (peer->permits[i].type == type)
			return &peer->permits[i];
	return NULL;
}

static void
handle(struct peer *peer, struct bytes frame, int *fds, size_t n_fds)
{
	const struct peer_permit *permit = find_permit(peer, frame);

	if (permit == NULL)
		end(peer, "sent a frame of an unknown type");
	else if (permit->when && !permit->when(peer->context))
		end(peer, "sent a frame of type %u out of turn", permit->type);
	else if (n_fds > permit->max_fds)
		end(peer, "sent %zu descriptors with a frame of type %u", n_fds,
		    permit->type);
	else if (!permit->handle(peer, frame, fds, n_fds, peer->context) &&
	    !peer->is_closed)
		end(peer, "sent a frame of type %u that was refused", permit->type);
}

/* One frame. False when there is none now, or never again. */
static bool
receive(struct peer *peer)
{
	/* One for all: peers live in the loop's thread, and no handler runs the loop. */
	static char buffer[PEER_FRAME_MAX];
	int         fds[PEER_DESCRIPTORS];
	size_t      n, n_fds;
	int         error = packet_receive(peer->socket, buffer, &n, fds, &n_fds);

	switch (error) {
	case 0:
		handle(peer, (struct bytes){ buffer, n }, fds, n_fds);
		packet_close(fds, n_fds);
		explicit_bzero(buffer, n); /* it may have held a password */
		break;
	case EAGAIN:
		return false;
	case ECONNRESET: /* closed with frames unread; those for us are behind it */
		break;
	case ENODATA:
		end(peer, "closed");
		break;
	case EMSGSIZE:
		end(peer, "sent a frame that is too large or has too many descriptors");
		break;
	default:
		end(peer, "cannot receive: %s", strerror(error));
	}
	return !peer->is_closed && peer->why[0] == '\0';
}

static void watch(struct peer *peer);

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct peer *peer = poll->data;

	/* libuv stops to watch after POLLERR; the reason is found by reading. */
	if (status < 0)
		peer->watched = 0;
	if (events & UV_WRITABLE)
		flush(peer);
	if (peer->why[0] == '\0')
		for (int i = 0; i < FRAMES_AT_ONCE && receive(peer); i++)
			;
	if (peer->is_closed)
		return;
	if (peer->why[0] == '\0') {
		watch(peer);
		return;
	}
	drop_waiting(peer);
	uv_poll_stop(&peer->poll);
	peer->gone(peer, peer->why, peer->context);
}

static void
watch(struct peer *peer)
{
	int events = UV_READABLE | (peer->first ? UV_WRITABLE : 0);

	if (events == peer->watched)
		return;
	uv_poll_start(&peer->poll, events, on_poll);
	peer->watched = events;
}

struct peer *
peer_open(uv_loop_t *loop, int socket, const struct peer_permit *permits,
    size_t n_permits, peer_gone *gone, void *context)
{
	struct peer *peer = calloc(1, sizeof *peer);
	int          error;

	if (peer == NULL)
		return NULL;
	error = uv_poll_init(loop, &peer->poll, socket);
	if (error != 0) {
		free(peer);
		errno = -error;
		return NULL;
	}
	peer->poll.data = peer;
	peer->socket = socket;
	peer->permits = permits;
	peer->n_permits = n_permits;
	peer->gone = gone;
	peer->context = context;
	peer->last = &peer->first;
	watch(peer);
	return peer;
}

bool
peer_send(struct peer *peer, struct bytes frame, const int *fds, size_t n_fds)
{
	int error = EAGAIN;

	if (peer->is_deaf || peer->is_closed || peer->why[0] != '\0')
		return false;
	if (peer->first == NULL)
		error = packet_send(peer->socket, frame, fds, n_fds);
	if (error == EAGAIN)
		error = enqueue(peer, frame, fds, n_fds);
	if (error != 0) {
		send_failed(peer, error);
		return false;
	}
	watch(peer);
	return true;
}

bool
peer_uid(const struct peer *peer, uint32_t *uid)
{
	struct ucred credentials;
	socklen_t    size = sizeof credentials;

	if (getsockopt(peer->socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) ==
	    -1)
		return false;
	*uid = credentials.uid;
	return true;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
peer_close(struct peer *peer)
{
	if (peer == NULL || peer->is_closed)
		return;
	peer->is_closed = true;
	drop_waiting(peer);
	/* Freed by the loop, so a handler that closes its own peer is safe. */
	uv_close((uv_handle_t *)&peer->poll, on_closed);
	close(peer->socket);
}

bool
peer_is_sending(const struct peer *peer)
{
	return peer->first != NULL;
}

int
peer_pair(int out[2])
{
	const int size = SEND_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) == -1)
		return -1;
	/* Root may exceed the system's maximum. Either way it works, only slower. */
	for (int i = 0; i < 2; i++)
		if (setsockopt(out[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
		        sizeof size) == -1)
			setsockopt(out[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return 0;
}
