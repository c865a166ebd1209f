#include "smtpd/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "smtpd/peer_address.h"
#include "smtpd/record.h"
#include "smtpd/session_private.h"

/*
 * Closing with unread input in the socket makes the kernel reset the connection, and
 * the client may lose our last reply. So we stop sending and wait for its end, a while.
 */
enum { LINGER_MS = 2000 };

/* Output that the socket did not take at once. */
struct output {
	uv_write_t      request; /* first: the request is the output */
	struct session *session;
	char            bytes[];
};

/* --- the end --- */

static void
on_closed(uv_handle_t *handle)
{
	struct session *s = (struct session *)handle;

	worker_session_closed(s->worker, s);
	policy_release(s->policy);
	free(s);
}

static void
close_session(struct session *s)
{
	if (uv_is_closing((uv_handle_t *)&s->tcp))
		return;
	transaction_drop(s);
	lookup_forget(s->question);
	s->question = NULL;
	crowd_leave(&s->worker->crowd, &s->crowd);
	smtp_server_finish(&s->smtp);
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void
linger(struct session *s)
{
	uv_os_fd_t fd;

	s->phase = LINGERING;
	if (s->output)
		return; /* on_written comes back here */
	if (s->is_gone || s->worker->is_stopping ||
	    uv_fileno((uv_handle_t *)&s->tcp, &fd) != 0 ||
	    shutdown(fd, SHUT_WR) == -1) {
		close_session(s);
		return;
	}
	s->deadline_ms = uv_now(s->worker->loop) + LINGER_MS;
}

static void
gone(struct session *s)
{
	s->is_gone = true;
	smtp_server_gone(&s->smtp);
}

/* --- time --- */

/* The client has to do something; what the whole session may take is the limit. */
static void
arm(struct session *s)
{
	const struct policy *p = s->policy;
	uint64_t             end = s->begun_ms + p->session_timeout_ms;

	if (s->handover)
		return;
	s->deadline_ms = uv_now(s->worker->loop) +
	    (smtp_server_is_in_data(&s->smtp) ? p->data_timeout_ms
	                                      : p->command_timeout_ms);
	if (s->deadline_ms > end)
		s->deadline_ms = end;
}

/* --- sending --- */

static void
on_written(uv_write_t *request, int status)
{
	struct output  *output = (struct output *)request;
	struct session *s = output->session;

	free(output);
	s->output = NULL;
	if (uv_is_closing((uv_handle_t *)&s->tcp))
		return;
	if (status < 0)
		gone(s);
	arm(s);
	if (s->phase == LINGERING)
		linger(s);
	else
		session_pump(s);
}

/* What the socket does not take now is sent later; till then the engine rests. */
static bool
send_later(struct session *s, struct bytes rest)
{
	struct output *output = malloc(sizeof *output + rest.n);
	uv_buf_t       buf;

	if (output == NULL)
		return false;
	memcpy(output->bytes, rest.p, rest.n);
	output->session = s;
	buf = uv_buf_init(output->bytes, (unsigned)rest.n);
	if (uv_write(&output->request, (uv_stream_t *)&s->tcp, &buf, 1,
	        on_written) != 0) {
		free(output);
		return false;
	}
	s->output = output;
	return true;
}

/* False: the client is gone, and the engine knows. */
static bool
flush(struct session *s)
{
	struct bytes out = smtp_server_output(&s->smtp);
	uv_buf_t     buf;
	int          sent;

	if (out.n == 0)
		return true;
	buf.base = (char *)(uintptr_t)out.p;
	buf.len = out.n;
	sent = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
	if (sent == UV_EAGAIN)
		sent = 0;
	if (sent < 0 || ((size_t)sent < out.n &&
	                    !send_later(s, bytes_from(out, (size_t)sent)))) {
		gone(s);
		return false;
	}
	smtp_server_sent(&s->smtp, out.n);
	arm(s);
	return true;
}

/* --- receiving --- */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct session *s = (struct session *)handle;
	size_t          room = WORKER_READ_MAX;

	(void)suggested;
	if (s->phase != LINGERING && smtp_server_room(&s->smtp) < room)
		room = smtp_server_room(&s->smtp);
	*buf = uv_buf_init(s->worker->read, (unsigned)room);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct session *s = (struct session *)stream;

	if (n == 0)
		return;
	if (s->phase == LINGERING) {
		if (n < 0)
			close_session(s);
		return;
	}
	if (n < 0) {
		gone(s);
	} else {
		smtp_server_feed(
		    &s->smtp, (struct bytes){ buf->base, (size_t)n });
		if (smtp_server_is_in_data(&s->smtp))
			arm(s);
	}
	session_pump(s);
}

/*
 * While a question is open we go on reading as long as there is room: a client that
 * leaves is noticed.
 */
static void
set_reading(struct session *s)
{
	bool wanted = s->phase == LINGERING ||
	    (s->phase == TALKING && smtp_server_room(&s->smtp) > 0);

	if (wanted == s->is_reading || uv_is_closing((uv_handle_t *)&s->tcp))
		return;
	if (wanted && uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) != 0)
		close_session(s);
	else if (!wanted)
		uv_read_stop((uv_stream_t *)&s->tcp);
	s->is_reading = wanted;
}

/* --- the story --- */

/* One event. False: there is nothing more to do now. */
static bool
serve(struct session *s)
{
	switch (smtp_server_next(&s->smtp)) {
	case SMTP_ASK_RECIPIENT:
		transaction_ask_recipient(s);
		return true;
	case SMTP_ASK_DATA:
		transaction_open_file(s);
		return true;
	case SMTP_BODY:
		transaction_store(s);
		return true;
	case SMTP_COMMIT:
		transaction_commit(s);
		flush(s); /* filters take their time */
		return true;
	case SMTP_REFUSED:
		record_refusal(smtp_server_envelope(&s->smtp),
		    smtp_server_refusal(&s->smtp));
		return true;
	case SMTP_DISCARD:
		transaction_drop(s);
		return true;
	case SMTP_FLUSH:
		flush(s);
		return true;
	case SMTP_MORE:
		return !flush(s);
	case SMTP_WAIT:
		return false;
	case SMTP_CLOSE:
		flush(s);
		linger(s);
		return false;
	}
	return false;
}

void
session_pump(struct session *s)
{
	while (s->output == NULL && s->phase != LINGERING)
		if (!serve(s))
			break;
	set_reading(s);
}

void
session_tick(struct session *s)
{
	if (uv_is_closing((uv_handle_t *)&s->tcp) ||
	    uv_now(s->worker->loop) < s->deadline_ms)
		return;
	if (s->output || s->phase != TALKING) {
		close_session(s);
		return;
	}
	if (s->handover)
		transaction_give_up(s);
	else
		smtp_server_timeout(&s->smtp);
	session_pump(s);
}

void
session_stop(struct session *s)
{
	if (uv_is_closing((uv_handle_t *)&s->tcp))
		return;
	if (s->phase == LINGERING) {
		close_session(s);
		return;
	}
	smtp_server_shutdown(&s->smtp);
	session_pump(s);
}

/* --- the beginning --- */

/* Said at once, without waiting for anything of it. */
static void
refuse(struct session *s, struct smtp_reply reply)
{
	record_connect(bytes_of(s->address), &reply);
	smtp_server_refuse(&s->smtp, reply);
	flush(s);
	close_session(s);
}

static void
on_connect_answer(bool try_later, bool allowed, bool inside, void *context)
{
	struct session *s = context;

	s->question = NULL;
	if (try_later) {
		refuse(s, SMTP_REPLY(421, 4, 3, 0, "try again later"));
		return;
	}
	if (!allowed) {
		refuse(s, SMTP_REPLY(554, 5, 7, 1, "this host may not connect"));
		return;
	}
	smtp_server_init(&s->smtp, &s->policy->smtp, bytes_of(s->address),
	    BYTES(""), inside);
	s->phase = TALKING;
	smtp_server_greet(&s->smtp);
	session_pump(s);
}

/* Whether there are too many of them already; then it is refused. */
static bool
refuse_crowd(struct session *s, const uint8_t address[16])
{
	const struct policy *p = s->policy;

	if (s->worker->n_sessions > p->sessions_max) {
		refuse(s, SMTP_REPLY(421, 4, 3, 2, "too many connections"));
		return true;
	}
	if (crowd_count(&s->worker->crowd, address) >=
	    p->sessions_per_address_max) {
		refuse(s, SMTP_REPLY(
		    421, 4, 7, 0, "too many connections from your address"));
		return true;
	}
	return false;
}

static void
begin(struct session *s)
{
	uint8_t address[16];

	if (!peer_address_read(&s->tcp, s->address, address)) {
		close_session(s);
		return;
	}
	if (refuse_crowd(s, address))
		return;
	crowd_join(&s->worker->crowd, &s->crowd, address);
	uv_tcp_nodelay(&s->tcp, 1);
	arm(s);
	s->question = lookup_connect(s->worker->lookup, s->policy->smtp.listener,
	    bytes_of(s->address), on_connect_answer, s);
	if (s->question == NULL)
		refuse(s, SMTP_REPLY(421, 4, 3, 0, "try again later"));
}

bool
session_open(struct worker *w, uv_stream_t *listener)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		return false;
	if (uv_tcp_init(w->loop, &s->tcp) != 0) {
		free(s);
		return false;
	}
	s->worker = w;
	s->policy = policy_hold(w->policy);
	s->begun_ms = uv_now(w->loop);
	smtp_server_init(&s->smtp, &s->policy->smtp, BYTES(""), BYTES(""), false);
	worker_session_opened(w, s);
	if (uv_accept(listener, (uv_stream_t *)&s->tcp) == 0)
		begin(s);
	else
		close_session(s);
	return true;
}

/* --- the worker's list --- */

struct session *
session_next(const struct session *s)
{
	return s->next;
}

void
session_link(struct session *s, struct session **list)
{
	s->before = NULL;
	s->next = *list;
	if (*list)
		(*list)->before = s;
	*list = s;
}

void
session_unlink(struct session *s, struct session **list)
{
	if (s->before)
		s->before->next = s->next;
	else
		*list = s->next;
	if (s->next)
		s->next->before = s->before;
}
