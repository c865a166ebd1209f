/*
 * ampel-inject(8): qmail-queue's interface to our queue, for who has a program of that kind
 * to call (QMAILQUEUE). Descriptor 0 is the message, 1 the envelope, the exit code says what
 * became of it. It writes nothing but what it says to the server's listener "local": what
 * the server has not accepted is nowhere, however this ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/printable.h"
#include "proto/qmail_queue.h"
#include "tools/inject_envelope.h"
#include "tools/inject_message.h"
#include "service/local_session.h"

enum {
	LIFETIME_S = 24 * 60 * 60,
	WHY_MAX = 512,
	SHOWN_MAX = 200, /* of an address */
};

static int complain(enum qmail_queue_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
complain(enum qmail_queue_code code, const char *format, ...)
{
	va_list args;

	fputs("ampel-inject: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return (int)code;
}

/* --- signals and descriptors --- */

static void
on_alarm(int number)
{
	(void)number;
	_exit(QMAIL_QUEUE_TIMEOUT);
}

static void
on_crash(int number)
{
	(void)number;
	_exit(QMAIL_QUEUE_BUG);
}

/* As qmail-queue has it: nothing that a terminal or a limit sends ends it. */
static const struct {
	int    number;
	void (*handler)(int);
} signals[] = {
	{ SIGALRM, on_alarm },
	{ SIGSEGV, on_crash }, { SIGBUS, on_crash }, { SIGILL, on_crash },
	{ SIGFPE, on_crash }, { SIGABRT, on_crash },
	{ SIGPIPE, SIG_IGN }, { SIGHUP, SIG_IGN }, { SIGINT, SIG_IGN },
	{ SIGQUIT, SIG_IGN }, { SIGXCPU, SIG_IGN }, { SIGXFSZ, SIG_IGN },
	{ SIGVTALRM, SIG_IGN }, { SIGPROF, SIG_IGN },
};

static void
take_signals(void)
{
	sigset_t none;

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		struct sigaction action = { .sa_handler = signals[i].handler };

		sigaction(signals[i].number, &action, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL); /* the caller may have blocked some */
	alarm(LIFETIME_S);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/*
 * What we open must not become one of the three: a message of ours to people would be said to
 * the server.
 */
static bool
has_descriptors(void)
{
	if (!is_open(STDIN_FILENO) || !is_open(STDOUT_FILENO))
		return false;
	return is_open(STDERR_FILENO) ||
	    open("/dev/null", O_WRONLY) == STDERR_FILENO;
}

/* --- what became of it --- */

static const enum qmail_queue_code of_faults[] = {
	[SMTP_CLIENT_FAULT_NONE] = QMAIL_QUEUE_DEFERRED,
	[SMTP_CLIENT_FAULT_TEMPORARY] = QMAIL_QUEUE_DEFERRED,
	[SMTP_CLIENT_FAULT_PERMANENT] = QMAIL_QUEUE_REJECTED,
	[SMTP_CLIENT_FAULT_PROTOCOL] = QMAIL_QUEUE_DEFERRED,
	[SMTP_CLIENT_FAULT_TLS] = QMAIL_QUEUE_DEFERRED,
	[SMTP_CLIENT_FAULT_LOST] = QMAIL_QUEUE_CONNECTION_LOST,
	[SMTP_CLIENT_FAULT_TIMEOUT] = QMAIL_QUEUE_TIMED_OUT,
	[SMTP_CLIENT_FAULT_LOOP] = QMAIL_QUEUE_DEFERRED,
};

/* Which one tells more: a refusal for good, then what the server says. */
static unsigned
weight(const struct outcome *o)
{
	if (o->kind == OUTCOME_DELIVERED)
		return 0;
	return o->kind == OUTCOME_FAILED ? 3 : o->is_reply ? 2 : 1;
}

static struct outcome
worst_outcome(const struct smtp_client *smtp, size_t n)
{
	struct outcome worst = smtp_client_outcome(smtp, 0);

	for (size_t i = 1; i < n; i++) {
		struct outcome o = smtp_client_outcome(smtp, i);

		if (weight(&o) > weight(&worst))
			worst = o;
	}
	return worst;
}

/* RFC 5321 section 4.2.2: 452 is insufficient storage. */
static enum qmail_queue_code
code_of(const struct smtp_client *smtp, const struct outcome *o)
{
	if (o->kind == OUTCOME_DELIVERED)
		return QMAIL_QUEUE_OK;
	if (o->kind == OUTCOME_FAILED)
		return QMAIL_QUEUE_REJECTED;
	if (o->is_reply && bytes_start(o->text, BYTES("452")))
		return QMAIL_QUEUE_WRITE_ERROR;
	return of_faults[smtp_client_fault(smtp)];
}

/* --- sending --- */

static int
complain_address(enum qmail_queue_code code, struct bytes bad)
{
	struct buf shown;
	int        result;

	if (code == QMAIL_QUEUE_NO_MEMORY)
		return complain(code, "no memory");
	buf_init(&shown, SHOWN_MAX);
	printable_add(&shown, bad, SHOWN_MAX);
	result = complain(code, "not an address: %.*s", BYTES_ARG(buf_bytes(&shown)));
	buf_finish(&shown);
	return result;
}

static int
send_message(struct local_session *s, struct inject_envelope *e,
    const struct inject_message *m)
{
	struct smtp_transaction_out t = {
		.body = m->has_8bit ? BODY_8BITMIME : BODY_7BIT,
		.size_bytes = m->text.n,
		.has_8bit = m->has_8bit,
		.all_or_none = true,
	};
	struct bytes          bad;
	struct outcome        worst;
	enum qmail_queue_code code = inject_envelope_translate(
	    e, smtp_client_server_name(s->smtp), &bad);

	if (code != QMAIL_QUEUE_OK)
		return complain_address(code, bad);
	t.reverse_path = e->reverse_path;
	t.recipients = e->recipients;
	t.n_recipients = e->n_recipients;
	t.smtputf8 = e->has_utf8;
	local_session_send(s, &t, m->text);
	worst = worst_outcome(s->smtp, t.n_recipients);
	code = code_of(s->smtp, &worst);
	if (code != QMAIL_QUEUE_OK)
		return complain(code, "%.*s", BYTES_ARG(worst.text));
	return QMAIL_QUEUE_OK;
}

static enum qmail_queue_code
code_of_no_session(const struct local_session *s)
{
	if (s->fd == -1)
		return QMAIL_QUEUE_REFUSED;
	if (s->smtp == NULL)
		return QMAIL_QUEUE_NO_MEMORY;
	return of_faults[smtp_client_fault(s->smtp)];
}

static int
submit(struct inject_envelope *e, const struct inject_message *m)
{
	struct local_session session;
	char                 why[WHY_MAX];
	int                  code;

	if (local_session_open(&session, why, sizeof why))
		code = send_message(&session, e, m);
	else
		code = complain(code_of_no_session(&session), "%s", why);
	local_session_close(&session);
	return code;
}

/* --- reading --- */

static int
read_message(struct inject_message *m)
{
	enum qmail_queue_code code = inject_message_read(m, STDIN_FILENO);

	if (code == QMAIL_QUEUE_READ_ERROR)
		return complain(code, "cannot read the message: %s", strerror(errno));
	if (code == QMAIL_QUEUE_WRITE_ERROR)
		return complain(code, "cannot keep the message: %s", strerror(errno));
	if (code != QMAIL_QUEUE_OK)
		return complain(code, "the message is too large");
	return QMAIL_QUEUE_OK;
}

static int
read_envelope(struct inject_envelope *e)
{
	enum qmail_queue_code code = inject_envelope_read(e, STDOUT_FILENO);

	if (code == QMAIL_QUEUE_READ_ERROR)
		return complain(code, "cannot read the envelope: %s",
		    errno ? strerror(errno) : "it has no end");
	if (code == QMAIL_QUEUE_ADDRESS_TOO_LONG)
		return complain(code, "an address is too long");
	if (code == QMAIL_QUEUE_BAD_ENVELOPE)
		return complain(code, "the envelope is broken");
	if (code != QMAIL_QUEUE_OK)
		return complain(code, "no memory for the envelope");
	return QMAIL_QUEUE_OK;
}

/* What cannot be handed in although it is an envelope. */
static int
check_envelope(const struct inject_envelope *e)
{
	if (qmail_envelope_count(&e->qmail) > SMTP_CLIENT_QUEUE_RECIPIENTS_MAX)
		return complain(QMAIL_QUEUE_REJECTED, "more than %d recipients",
		    SMTP_CLIENT_QUEUE_RECIPIENTS_MAX);
	return QMAIL_QUEUE_OK;
}

static int
inject(struct inject_envelope *e)
{
	struct inject_message message;
	int                   code = read_message(&message);

	if (code == QMAIL_QUEUE_OK)
		code = read_envelope(e);
	if (code == QMAIL_QUEUE_OK)
		code = check_envelope(e);
	/* to nobody: it is done */
	if (code != QMAIL_QUEUE_OK || qmail_envelope_count(&e->qmail) == 0)
		return code;
	return submit(e, &message);
}

int
main(int argc, char **argv)
{
	struct inject_envelope envelope;
	int                    code;

	(void)argv;
	if (!has_descriptors())
		return complain(QMAIL_QUEUE_READ_ERROR, "descriptor 0 or 1 is not open");
	if (argc > 1)
		return complain(QMAIL_QUEUE_NO_CONFIGURATION, "takes no arguments: the "
		    "message is read on descriptor 0, the envelope on 1");
	take_signals();
	inject_envelope_init(&envelope);
	code = inject(&envelope);
	inject_envelope_finish(&envelope);
	return code;
}
