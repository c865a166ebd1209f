#include "service/local_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/smtp_client_reply.h"

enum {
	REPLY_MS = 5 * 60 * 1000, /* RFC 5321 section 4.5.3.2 */
	INPUT_PIECE = 4096,
	VERIFY_MS = 60 * 1000,    /* lookup has half of that */
	REPLY_MAX = 64 * 1024,
	COMMAND_MAX = 512,
};

static const char run_folder[] = "/run/ampel";

/* AMPEL_ROOT is for a trial: the `root` of its configuration. */
static bool
find_socket(struct sockaddr_un *address)
{
	const char *root = getenv("AMPEL_ROOT");
	int         n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = root && root[0] == '/'
	    ? snprintf(address->sun_path, sizeof address->sun_path,
	          "%s/run/local", root)
	    : snprintf(address->sun_path, sizeof address->sun_path, "%s/local",
	          run_folder);
	return n > 0 && (size_t)n < sizeof address->sun_path;
}

int
local_socket(void)
{
	struct sockaddr_un address;
	int                fd, error;

	if (!find_socket(&address)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* False: the connection is broken. */
static bool
send_output(struct local_session *s)
{
	struct bytes out = smtp_client_output(s->smtp);

	while (out.n > 0) {
		ssize_t n = send(s->fd, out.p, out.n, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		smtp_client_sent(s->smtp, (size_t)n);
		out = smtp_client_output(s->smtp);
	}
	return true;
}

static void
receive(struct local_session *s)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLIN };
	uint64_t      deadline_ms = smtp_client_deadline_ms(s->smtp, REPLY_MS);
	char          piece[INPUT_PIECE];
	size_t        room = smtp_client_room(s->smtp);
	ssize_t       n;

	if (poll(&ready, 1, (int)deadline_ms) == 0) {
		smtp_client_timeout(s->smtp);
		return;
	}
	n = recv(s->fd, piece, room < sizeof piece ? room : sizeof piece, 0);
	if (n > 0)
		smtp_client_feed(s->smtp, (struct bytes){ piece, (size_t)n });
	else if (n == 0 || errno != EINTR)
		smtp_client_gone(s->smtp);
}

static void
give_body(struct local_session *s, struct bytes *rest)
{
	struct bytes piece = bytes_first(*rest, SMTP_CLIENT_BODY_CHUNK);

	*rest = bytes_from(*rest, piece.n);
	smtp_client_body(s->smtp, piece, rest->n == 0);
}

/* On until the engine is idle, done, or at its end; which of them. */
static enum smtp_client_event
pump(struct local_session *s, struct bytes *rest)
{
	for (;;) {
		enum smtp_client_event event = smtp_client_next(s->smtp);

		switch (event) {
		case SMTP_CLIENT_IDLE:
		case SMTP_CLIENT_DONE:
			return event;
		case SMTP_CLIENT_CLOSE:
			send_output(s);
			return event;
		case SMTP_CLIENT_BODY:
			give_body(s, rest);
			break;
		case SMTP_CLIENT_FLUSH:
			if (!send_output(s))
				smtp_client_gone(s->smtp);
			break;
		case SMTP_CLIENT_MORE:
			if (send_output(s))
				receive(s);
			else
				smtp_client_gone(s->smtp);
			break;
		case SMTP_CLIENT_HANDSHAKE: /* the policy has no TLS */
			smtp_client_secured(s->smtp, false, BYTES("no TLS here"));
			break;
		}
	}
}

bool
local_session_open(struct local_session *s, char *why, size_t size)
{
	static const struct smtp_client_policy policy = {
		.hostname = BYTES_INIT("localhost"),
		.tls = SMTP_CLIENT_TLS_NEVER,
		.is_own = true,
	};
	struct bytes nothing = { NULL, 0 };

	*s = (struct local_session){ .fd = local_socket() };
	if (s->fd == -1) {
		snprintf(why, size, "the mail server does not run, or has no listener "
		    "\"local\" (%s)", strerror(errno));
		return false;
	}
	s->smtp = smtp_client_new(&policy);
	if (s->smtp == NULL) {
		snprintf(why, size, "no memory");
		return false;
	}
	if (pump(s, &nothing) == SMTP_CLIENT_IDLE)
		return true;
	snprintf(why, size, "the mail server does not take mail now: %.*s",
	    BYTES_ARG(smtp_client_fault_text(s->smtp)));
	return false;
}

void
local_session_close(struct local_session *s)
{
	struct bytes nothing = { NULL, 0 };

	if (s->smtp && smtp_client_fault(s->smtp) == SMTP_CLIENT_FAULT_NONE) {
		smtp_client_quit(s->smtp);
		pump(s, &nothing);
	}
	smtp_client_free(s->smtp);
	if (s->fd != -1)
		close(s->fd);
}

bool
local_session_send(struct local_session *s,
    const struct smtp_transaction_out *t, struct bytes text)
{
	smtp_client_begin(s->smtp, t);
	return pump(s, &text) == SMTP_CLIENT_DONE;
}

/* --- VRFY, beside the engine, which is idle --- */

static bool
send_command(const struct local_session *s, struct bytes command)
{
	while (command.n > 0) {
		ssize_t n = send(s->fd, command.p, command.n, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		command = bytes_from(command, (size_t)n);
	}
	return true;
}

/* More of a reply. False: it does not come. */
static bool
receive_more(const struct local_session *s, struct buf *input)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLIN };
	char          piece[INPUT_PIECE];
	ssize_t       n;

	do
		n = poll(&ready, 1, VERIFY_MS) == 1
		    ? recv(s->fd, piece, sizeof piece, 0)
		    : -1;
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return false;
	buf_add(input, piece, (size_t)n);
	return !input->failed;
}

/* The code of the reply; 0: none came. */
static unsigned
receive_code(const struct local_session *s)
{
	enum smtp_client_reply_result result = SMTP_CLIENT_REPLY_MORE;
	struct smtp_client_reply      reply;
	struct buf                    input;
	struct bytes                  line;
	unsigned                      code;

	smtp_client_reply_init(&reply);
	buf_init(&input, REPLY_MAX);
	while (result == SMTP_CLIENT_REPLY_MORE && receive_more(s, &input)) {
		struct bytes rest = buf_bytes(&input);

		do
			result = smtp_client_reply_next(&reply, &rest, &line);
		while (result == SMTP_CLIENT_REPLY_LINE);
		buf_drop(&input, input.len - rest.n);
	}
	code = result == SMTP_CLIENT_REPLY_WHOLE ? reply.code : 0;
	buf_finish(&input);
	smtp_client_reply_finish(&reply);
	return code;
}

/* No reply: what comes later would be taken for another one. */
static unsigned
ask(struct local_session *s, struct bytes command)
{
	unsigned code = 0;

	if (smtp_client_fault(s->smtp) != SMTP_CLIENT_FAULT_NONE)
		return 0;
	if (send_command(s, command))
		code = receive_code(s);
	if (code == 0 || code == 421) {
		smtp_client_gone(s->smtp);
		smtp_client_next(s->smtp); /* CLOSE */
	}
	return code;
}

enum recipient_answer
local_session_verify(struct local_session *s, struct bytes address)
{
	struct buf command;
	unsigned   code = 0;

	buf_init(&command, COMMAND_MAX);
	buf_addf(&command, "VRFY <%.*s>\r\n", BYTES_ARG(address));
	if (s->smtp && !command.failed)
		code = ask(s, buf_bytes(&command));
	buf_finish(&command);
	switch (code) {
	case 250:
		return RECIPIENT_OK;
	case 550:
		return RECIPIENT_UNKNOWN;
	case 551:
		return RECIPIENT_NOT_OURS;
	default:
		return RECIPIENT_TRY_LATER;
	}
}
