/*
 * sendmail(8), mailq(1), newaliases(1): how programs of this host hand in mail. Not set-id: it
 * talks to the server's listener "local", which knows the caller's uid. With no server it exits 75, so
 * that cron and others keep or complain.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "io/place.h"
#include "mail/envelope.h"
#include "service/local_session.h"
#include "tools/sendmail_message.h"
#include "tools/sendmail_options.h"
#include "tools/sendmail_relay.h"

enum { ADDRESS_ROOM = 1024, NAME_ROOM = 256, WHY = 512 };

static struct {
	struct sendmail_options    options;
	struct sendmail_message    message;
	struct envelope_recipient *recipients;
	size_t                     n_recipients;
	bool                       has_no_memory;
	char                       user[NAME_ROOM]; /* the caller's login name */
	char                       name[NAME_ROOM]; /* his full name */
	char                       reverse_path[ADDRESS_ROOM];
	int                        code;            /* the worst so far */
} job;

static int complain(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
complain(int code, const char *format, ...)
{
	va_list args;

	fputs("sendmail: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

/* --- who --- */

static void
find_caller(void)
{
	const struct passwd *pw = getpwuid(getuid());

	if (pw == NULL) {
		snprintf(job.user, sizeof job.user, "uid%u", (unsigned)getuid());
		return;
	}
	snprintf(job.user, sizeof job.user, "%s", pw->pw_name);
	/* of "Full Name,Room,Phone" */
	snprintf(job.name, sizeof job.name, "%.*s",
	    (int)strcspn(pw->pw_gecos, ","), pw->pw_gecos);
}

/* "<jo>" and "jo" are one. */
static struct bytes
without_angles(struct bytes address)
{
	address = bytes_trim(address);
	if (address.n >= 2 && address.p[0] == '<' &&
	    address.p[address.n - 1] == '>')
		return bytes_from(bytes_first(address, address.n - 1), 1);
	return address;
}

/* A name without a domain is one of the server's own. */
static struct bytes
qualify(struct bytes address, struct bytes domain)
{
	struct buf whole;

	if (address.n == 0 || bytes_find(address, '@') < address.n)
		return arena_copy(&job.message.arena, address);
	buf_init(&whole, ADDRESS_ROOM);
	buf_add_bytes(&whole, address);
	buf_add_char(&whole, '@');
	buf_add_bytes(&whole, domain);
	address = whole.failed
	    ? address
	    : arena_copy(&job.message.arena, buf_bytes(&whole));
	buf_finish(&whole);
	return address;
}

static void
add_recipient(struct bytes address, void *context)
{
	struct envelope_recipient *more;

	(void)context;
	if (job.n_recipients == SENDMAIL_RECIPIENTS_MAX) {
		job.has_no_memory = true;
		return;
	}
	more = realloc(
	    job.recipients, (job.n_recipients + 1) * sizeof *job.recipients);
	if (more == NULL) {
		job.has_no_memory = true;
		return;
	}
	job.recipients = more;
	more[job.n_recipients++] = (struct envelope_recipient){
		.address = address, .notify = (uint8_t)job.options.notify,
	};
}

static int
find_recipients(void)
{
	struct bytes broken;

	for (int i = 0; i < job.options.n_recipients; i++)
		add_recipient(
		    without_angles(bytes_of(job.options.recipients[i])), NULL);
	if (job.options.from_header &&
	    !sendmail_message_recipients(
	        &job.message, add_recipient, NULL, &broken))
		return complain(EX_DATAERR, "not an address in To, Cc or Bcc: %.*s",
		    BYTES_ARG(broken));
	if (job.has_no_memory)
		return complain(EX_OSERR, "too many recipients, or no memory");
	if (job.n_recipients == 0)
		return complain(EX_USAGE, "no recipients: name them, or -t takes "
		    "those of To, Cc and Bcc");
	return EX_OK;
}

/* --- what became of it --- */

static const struct {
	enum outcome_kind kind;
	uint16_t          subject, detail; /* of the status code; 0: any */
	int               code;
} codes[] = {
	{ OUTCOME_DEFERRED, 0, 0, EX_TEMPFAIL },
	{ OUTCOME_FAILED, 1, 2, EX_NOHOST },
	{ OUTCOME_FAILED, 1, 0, EX_NOUSER },
	{ OUTCOME_FAILED, 6, 0, EX_DATAERR },
	{ OUTCOME_FAILED, 7, 0, EX_NOPERM },
	{ OUTCOME_FAILED, 0, 0, EX_UNAVAILABLE },
};

static int
code_of(const struct outcome *o)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].kind == o->kind &&
		    (codes[i].subject == 0 ||
		        codes[i].subject == o->status.subject) &&
		    (codes[i].detail == 0 || codes[i].detail == o->status.detail))
			return codes[i].code;
	return EX_OK;
}

static void
note_outcomes(
    const struct smtp_client *smtp, const struct smtp_transaction_out *t)
{
	for (size_t i = 0; i < t->n_recipients; i++) {
		struct outcome o = smtp_client_outcome(smtp, i);

		if (o.kind == OUTCOME_DELIVERED)
			continue;
		job.code = complain(code_of(&o), "%.*s: %.*s",
		    BYTES_ARG(t->recipients[i].address), BYTES_ARG(o.text));
	}
}

/* --- sending --- */

static bool
is_ascii(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return true;
}

/* In pieces that a transaction may have. False: the connection has ended. */
static bool
send_all(struct local_session *s, struct smtp_transaction_out *t)
{
	size_t at = 0;

	while (at < job.n_recipients) {
		size_t n = job.n_recipients - at;

		t->recipients = job.recipients + at;
		t->n_recipients = n < SMTP_CLIENT_RECIPIENTS_MAX
		    ? n
		    : SMTP_CLIENT_RECIPIENTS_MAX;
		if (!local_session_send(s, t, buf_bytes(&job.message.text))) {
			note_outcomes(s->smtp, t);
			return false;
		}
		note_outcomes(s->smtp, t);
		at += t->n_recipients;
	}
	return true;
}

static struct bytes
find_reverse_path(struct bytes domain)
{
	const char *written = job.options.reverse_path;

	return qualify(written ? without_angles(bytes_of(written))
	                       : bytes_of(job.user), domain);
}

static int
send_message(struct local_session *s)
{
	struct bytes domain = smtp_client_server_name(s->smtp);
	struct bytes own = qualify(bytes_of(job.user), domain);
	struct bytes name = bytes_of(
	    job.options.full_name ? job.options.full_name : job.name);
	struct smtp_transaction_out t = {
		.reverse_path = find_reverse_path(domain),
		.ret = job.options.ret,
		.envid = bytes_of(job.options.envid ? job.options.envid : ""),
		.body = job.message.has_8bit ? BODY_8BITMIME : BODY_7BIT,
		.has_8bit = job.message.has_8bit,
	};

	sendmail_message_complete(
	    &job.message, name, t.reverse_path.n > 0 ? t.reverse_path : own);
	if (job.message.text.failed)
		return complain(EX_OSERR, "no memory");
	t.size_bytes = job.message.text.len;
	t.smtputf8 = !is_ascii(t.reverse_path);
	for (size_t i = 0; i < job.n_recipients; i++) {
		job.recipients[i].address =
		    qualify(job.recipients[i].address, domain);
		t.smtputf8 |= !is_ascii(job.recipients[i].address);
	}
	if (!send_all(s, &t) && job.code == EX_OK)
		job.code = complain(EX_TEMPFAIL, "the mail server has gone away");
	return job.code;
}

static int
deliver(void)
{
	struct local_session session;
	char                 why[WHY];
	int                  code;

	if (!sendmail_message_read(
	        &job.message, STDIN_FILENO, job.options.ignores_dots))
		return complain(EX_IOERR, "cannot read the message: %s",
		    strerror(errno));
	find_caller();
	code = find_recipients();
	if (code != EX_OK)
		return code;
	if (local_session_open(&session, why, sizeof why))
		code = send_message(&session);
	else
		code = complain(EX_TEMPFAIL, "%s; nothing was sent", why);
	local_session_close(&session);
	return code;
}

/* --- the other modes --- */

/* The administrator's command lies beside us: ../bin/ampel. */
static int
become_ampel(const char *word, const char *more)
{
	char path[4096] = "ampel";

	if (place_beside("../bin/ampel", path, sizeof path)) {
		if (job.options.config_file)
			execl(path, "ampel", "-c", job.options.config_file, word,
			    more, (char *)NULL);
		else
			execl(path, "ampel", word, more, (char *)NULL);
	}
	return complain(EX_OSERR, "%s: %s", path, strerror(errno));
}

int
main(int argc, char **argv)
{
	const char *mistake = "";
	int         code;

	if (!sendmail_options_read(&job.options, argc, argv, &mistake))
		return complain(EX_USAGE, "%s: not an option here, or its value is "
		    "wrong; see sendmail(8)", mistake);
	switch (job.options.mode) {
	case SENDMAIL_DELIVER:
		sendmail_message_init(&job.message);
		code = deliver();
		sendmail_message_finish(&job.message);
		free(job.recipients);
		return code;
	case SENDMAIL_SMTP:
		return sendmail_relay_smtp();
	case SENDMAIL_VERIFY:
		return sendmail_relay_verify(
		    job.options.recipients, job.options.n_recipients);
	case SENDMAIL_LIST:
		return become_ampel("queue", "list");
	case SENDMAIL_FLUSH:
		return become_ampel("queue", "retry");
	case SENDMAIL_ALIASES:
		/* nothing is built: the server reads the file when it has changed */
		return become_ampel("check", NULL);
	case SENDMAIL_DAEMON:
		break;
	}
	return complain(EX_USAGE, "the server is started by: ampel start");
}
