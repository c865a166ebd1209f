#include "proto/smtp_server_private.h"

#include <inttypes.h>

#include "base/printable.h"
#include "mail/address.h"
#include "proto/smtp_command.h"

static void
refuse_unknown(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	smtp_server_reply(s, SMTP_REPLY(500, 5, 5, 2, "command not recognized"));
}

static void
refuse_unimplemented(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	smtp_server_reply(s, SMTP_REPLY(502, 5, 5, 1, "command not implemented"));
}

static bool
has_control(struct bytes name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return true;
	return false;
}

/*
 * RFC 5321 section 4.1.4: a server may check the name, and must not refuse mail
 * for it. Clients give all sorts of names. No status codes here (RFC 2034 section 4).
 */
static bool
take_helo(struct smtp_server *s, struct bytes name)
{
	if (name.n == 0 || name.n > SMTP_HELO_MAX || has_control(name)) {
		smtp_server_reply(s, SMTP_REPLY(501, 0, 0, 0, "tell the name of your host"));
		return false;
	}
	smtp_server_end_transaction(s);
	buf_clear(&s->helo);
	printable_add(&s->helo, name, SMTP_HELO_MAX);
	s->out.failed |= s->helo.failed;
	return true;
}

static void
greet_helo(struct smtp_server *s, struct bytes arg)
{
	if (!take_helo(s, arg))
		return;
	s->esmtp = false;
	buf_addf(&s->out, "250 %.*s\r\n", BYTES_ARG(s->policy->hostname));
}

/* RFC 1870 section 3: 0 stands for no limit. */
static uint64_t
size_shown(const struct smtp_server *s)
{
	return s->size_max == UINT64_MAX ? 0 : s->size_max;
}

static void
greet_ehlo(struct smtp_server *s, struct bytes arg)
{
	if (!take_helo(s, arg))
		return;
	s->esmtp = true;
	buf_addf(&s->out,
	    "250-%.*s\r\n"
	    "250-PIPELINING\r\n"
	    "250-SIZE %" PRIu64 "\r\n"
	    "250-8BITMIME\r\n"
	    "250-CHUNKING\r\n"
	    "%s"
	    "250-SMTPUTF8\r\n",
	    BYTES_ARG(s->policy->hostname), size_shown(s),
	    s->policy->has_no_dsn ? "" : "250-DSN\r\n");
	if (smtp_starttls_is_offered(s))
		buf_add_string(&s->out, "250-STARTTLS\r\n");
	if (smtp_auth_is_offered(s))
		buf_add_string(&s->out, "250-AUTH PLAIN LOGIN\r\n");
	if (s->policy->is_local)
		buf_add_string(&s->out, "250-XQUEUE\r\n");
	buf_add_string(&s->out, "250 ENHANCEDSTATUSCODES\r\n");
}

/* Not open yet. The line of MAIL need not live on. */
static void
begin_transaction(struct smtp_server *s, const struct smtp_mail *mail)
{
	struct envelope *e = &s->transaction.envelope;

	s->out.failed |= !smtp_transaction_begin(&s->transaction, mail);
	e->listener = s->policy->listener;
	e->peer_address = s->peer_address;
	e->peer_name = s->peer_name;
	e->helo = buf_bytes(&s->helo);
	e->esmtp = s->esmtp;
	e->tls = buf_bytes(&s->tls);
	e->user = buf_bytes(&s->user);
}

static void
take_mail(struct smtp_server *s, const struct smtp_mail *mail)
{
	if (mail->size > s->size_max) {
		smtp_server_reply(s, SMTP_REPLY(552, 5, 3, 4, "message too large"));
		return;
	}
	begin_transaction(s, mail);
	if (smtp_sender_is_asked(s, mail)) {
		address_add_canonical(&s->sender, &mail->path);
		s->out.failed |= s->sender.failed;
		smtp_server_ask(s, SMTP_QUESTION_SENDER);
	} else {
		smtp_server_open_transaction(s);
	}
}

/* What is wrong with the argument of MAIL or RCPT; bad_path: how that one says it of a path. */
static struct smtp_reply
argument_reply(enum smtp_argument result, struct smtp_reply bad_path)
{
	static const struct smtp_reply replies[] = {
		[SMTP_ARGUMENT_VALUE] = { 501, { 5, 5, 4 },
		    BYTES_INIT("a parameter has no such value") },
		[SMTP_ARGUMENT_PARAMETER] = { 555, { 5, 5, 4 },
		    BYTES_INIT("parameter not recognized") },
		[SMTP_ARGUMENT_UTF8] = { 553, { 5, 6, 7 },
		    BYTES_INIT("such an address needs SMTPUTF8") },
	};

	return result == SMTP_ARGUMENT_PATH ? bad_path : replies[result];
}

static unsigned
mail_offers(const struct smtp_policy *policy)
{
	return (policy->auth ? SMTP_MAIL_AUTH : 0) |
	    (policy->is_local ? SMTP_MAIL_XQUEUE : 0);
}

static void
begin_mail(struct smtp_server *s, struct bytes arg)
{
	struct smtp_mail   mail;
	enum smtp_argument result = smtp_mail_parse(&mail, arg, mail_offers(s->policy));

	if (result == SMTP_ARGUMENT_OK && s->policy->has_no_dsn &&
	    (mail.ret != RET_UNSET || mail.envid.len > 0))
		result = SMTP_ARGUMENT_PARAMETER;
	if (result == SMTP_ARGUMENT_OK)
		take_mail(s, &mail);
	else
		smtp_server_reply(s, argument_reply(result,
		    SMTP_REPLY(501, 5, 1, 7, "syntax: MAIL FROM:<address>")));
	smtp_mail_finish(&mail);
}

/*
 * A genuine bounce goes to the one mailbox that its message came from (RFC 5321
 * section 4.5.5).
 */
static bool
is_second_of_bounce(const struct smtp_server *s)
{
	const struct envelope *e = &s->transaction.envelope;

	return s->policy->bounce_single_recipient && !s->may_relay &&
	    e->reverse_path.n == 0 &&
	    (e->n_recipients > 0 || s->transaction.refused_bounce);
}

static void
refuse_recipient(struct smtp_server *s, struct smtp_reply r)
{
	s->transaction.refused_some = true;
	smtp_server_reply_recipient(s, r);
}

static size_t
recipients_max(const struct smtp_server *s)
{
	return s->transaction.is_queue ? SMTP_QUEUE_RECIPIENTS_MAX
	                               : s->policy->recipients_max;
}

/* What can be said without a question; then the question. */
static void
judge_recipient(struct smtp_server *s, const struct address *path)
{
	const struct smtp_policy *policy = s->policy;

	if (s->transaction.envelope.n_recipients >= recipients_max(s)) {
		smtp_server_reply(s, SMTP_REPLY(452, 4, 5, 3, "too many recipients"));
	} else if (policy->refuse_relay_probes && !s->may_relay &&
	    address_is_relay_probe(path)) {
		refuse_recipient(s,
		    SMTP_REPLY(553, 5, 7, 1, "!, % and @ do not relay here"));
	} else if (smtp_transaction_has(
	               &s->transaction, buf_bytes(&s->recipient))) {
		smtp_server_reply(s, SMTP_REPLY(250, 2, 1, 5, "ok, as before"));
	} else if (is_second_of_bounce(s)) {
		s->transaction.refused_bounce = true;
		refuse_recipient(s,
		    SMTP_REPLY(550, 5, 7, 1, "a bounce has one recipient"));
	} else if (s->transaction.is_queue) {
		smtp_server_accept_recipient(s);
	} else {
		smtp_server_ask(s, SMTP_QUESTION_RECIPIENT);
	}
}

/* The line of RCPT need not live on. */
static void
take_rcpt(struct smtp_server *s, const struct smtp_rcpt *rcpt)
{
	bool is_address;

	buf_clear(&s->recipient);
	buf_clear(&s->original);
	buf_clear(&s->orcpt);
	is_address = address_add_suffixed(
	    &s->recipient, &rcpt->path, buf_bytes(&s->suffix));
	smtp_path_add(&s->original, &rcpt->path);
	buf_add_bytes(&s->orcpt, buf_bytes(&rcpt->orcpt));
	s->notify = rcpt->notify;
	s->out.failed |=
	    s->recipient.failed || s->original.failed || s->orcpt.failed;
	if (is_address)
		judge_recipient(s, &rcpt->path);
	else
		refuse_recipient(s, SMTP_REPLY(553, 5, 1, 3,
		                        "no address with what RELAYCLIENT adds"));
}

static void
begin_rcpt(struct smtp_server *s, struct bytes arg)
{
	struct smtp_rcpt   rcpt;
	enum smtp_argument result =
	    smtp_rcpt_parse(&rcpt, arg, s->transaction.envelope.smtputf8);

	if (result == SMTP_ARGUMENT_OK && s->policy->has_no_dsn &&
	    (rcpt.notify != NOTIFY_UNSET || rcpt.orcpt.len > 0))
		result = SMTP_ARGUMENT_PARAMETER;
	if (result == SMTP_ARGUMENT_OK) {
		take_rcpt(s, &rcpt);
	} else {
		s->transaction.refused_some = true;
		smtp_server_reply(s, argument_reply(result,
		    SMTP_REPLY(501, 5, 1, 3, "syntax: RCPT TO:<address>")));
	}
	smtp_rcpt_finish(&rcpt);
}

/* What a message is refused for before it comes; NULL when nothing is. */
static const struct smtp_reply *
message_refusal(const struct smtp_server *s)
{
	static const struct smtp_reply bounce = { 554, { 5, 7, 1 },
		BYTES_INIT("a bounce has one recipient") };
	static const struct smtp_reply none_valid = { 554, { 5, 5, 1 },
		BYTES_INIT("no valid recipients") };
	static const struct smtp_reply none = { 503, { 5, 5, 1 },
		BYTES_INIT("RCPT first") };
	const struct smtp_transaction *t = &s->transaction;

	if (t->refused_bounce)
		return &bounce;
	if (t->envelope.n_recipients > 0)
		return NULL;
	return t->refused_some ? &none_valid : &none;
}

static void
begin_data(struct smtp_server *s, struct bytes arg)
{
	const struct smtp_reply *refusal = message_refusal(s);

	(void)arg;
	if (refusal != NULL)
		smtp_server_reply(s, *refusal);
	else
		smtp_server_ask(s, SMTP_QUESTION_DATA);
}

static void
begin_bdat(struct smtp_server *s, struct bytes arg)
{
	smtp_bdat_begin(s, arg, message_refusal(s));
}

static void
reset(struct smtp_server *s, struct bytes arg)
{
	int state = s->state == SMTP_STATE_START ? SMTP_STATE_START : SMTP_STATE_READY;

	(void)arg;
	smtp_server_end_transaction(s);
	s->state = state;
	smtp_server_reply(s, SMTP_REPLY(250, 2, 0, 0, "ok"));
}

static void
do_nothing(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	smtp_server_reply(s, SMTP_REPLY(250, 2, 0, 0, "ok"));
}

static void
help(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	smtp_server_reply(s, SMTP_REPLY(214, 2, 0, 0, "see RFC 5321"));
}

static void
quit(struct smtp_server *s, struct bytes arg)
{
	(void)arg;
	smtp_server_end(s, SMTP_REPLY(221, 2, 0, 0, "bye"));
}

/* --- which command may come when --- */

/* What must be there before it, on a listener that has such rules. */
enum precondition { AFTER_NOTHING, AFTER_TLS, AFTER_AUTH };

enum argument_rule { ARGUMENT_ANY, ARGUMENT_NONE, ARGUMENT_NEEDED };

typedef void handler(struct smtp_server *s, struct bytes arg);

/* clang-format off */
#define AT_ANY_TIME(handle) \
	{ [SMTP_STATE_START] = (handle), [SMTP_STATE_READY] = (handle), \
	    [SMTP_STATE_OPEN] = (handle), [SMTP_STATE_CHUNKS] = (handle) }

/* An empty cell means refusal: 503. */
static const struct {
	enum precondition  after;
	enum argument_rule argument;
	handler           *handle[SMTP_STATES];
} rules[SMTP_VERBS] = {
	[SMTP_UNKNOWN]  = { AFTER_TLS,     ARGUMENT_ANY,    AT_ANY_TIME(refuse_unknown) },
	[SMTP_AUTH]     = { AFTER_TLS,     ARGUMENT_NEEDED, { [SMTP_STATE_READY] = smtp_auth_begin } },
	[SMTP_BDAT]     = { AFTER_AUTH,    ARGUMENT_ANY,    { [SMTP_STATE_OPEN] = begin_bdat,
	                                                      [SMTP_STATE_CHUNKS] = begin_bdat } },
	[SMTP_DATA]     = { AFTER_AUTH,    ARGUMENT_NONE,   { [SMTP_STATE_OPEN] = begin_data } },
	[SMTP_EHLO]     = { AFTER_NOTHING, ARGUMENT_ANY,    AT_ANY_TIME(greet_ehlo) },
	[SMTP_ETRN]     = { AFTER_TLS,     ARGUMENT_ANY,    AT_ANY_TIME(refuse_unimplemented) },
	[SMTP_EXPN]     = { AFTER_TLS,     ARGUMENT_ANY,    AT_ANY_TIME(refuse_unimplemented) },
	[SMTP_HELO]     = { AFTER_NOTHING, ARGUMENT_ANY,    AT_ANY_TIME(greet_helo) },
	[SMTP_HELP]     = { AFTER_NOTHING, ARGUMENT_ANY,    AT_ANY_TIME(help) },
	[SMTP_MAIL]     = { AFTER_AUTH,    ARGUMENT_ANY,    { [SMTP_STATE_READY] = begin_mail } },
	[SMTP_NOOP]     = { AFTER_NOTHING, ARGUMENT_ANY,    AT_ANY_TIME(do_nothing) },
	[SMTP_QUIT]     = { AFTER_NOTHING, ARGUMENT_NONE,   AT_ANY_TIME(quit) },
	[SMTP_RCPT]     = { AFTER_AUTH,    ARGUMENT_ANY,    { [SMTP_STATE_OPEN] = begin_rcpt } },
	[SMTP_RSET]     = { AFTER_NOTHING, ARGUMENT_NONE,   AT_ANY_TIME(reset) },
	[SMTP_STARTTLS] = { AFTER_NOTHING, ARGUMENT_NONE,   AT_ANY_TIME(smtp_starttls_begin) },
	[SMTP_TURN]     = { AFTER_TLS,     ARGUMENT_ANY,    AT_ANY_TIME(refuse_unimplemented) },
	[SMTP_VRFY]     = { AFTER_TLS,     ARGUMENT_NEEDED, AT_ANY_TIME(smtp_verify_begin) },
};
/* clang-format on */

/* What AUTH, MAIL, RCPT, DATA or BDAT lack in that state. */
static const struct smtp_reply out_of_sequence[SMTP_STATES] = {
	[SMTP_STATE_START] = { 503, { 5, 5, 1 }, BYTES_INIT("EHLO or HELO first") },
	[SMTP_STATE_READY] = { 503, { 5, 5, 1 }, BYTES_INIT("MAIL first") },
	[SMTP_STATE_OPEN] = { 503, { 5, 5, 1 },
	    BYTES_INIT("a transaction is open already") },
	[SMTP_STATE_CHUNKS] = { 503, { 5, 5, 1 },
	    BYTES_INIT("a message comes by BDAT already") },
};

static bool
argument_fits(enum argument_rule rule, struct bytes arg)
{
	return rule == ARGUMENT_ANY || (rule == ARGUMENT_NONE) == (arg.n == 0);
}

/* What the listener does not want to hear at all, or not yet. */
static const struct smtp_reply *
listener_refusal(const struct smtp_server *s, enum smtp_verb verb)
{
	static const struct smtp_reply no_auth = { 502, { 5, 5, 1 },
		BYTES_INIT("command not implemented") };
	static const struct smtp_reply no_tls_yet = { 530, { 5, 7, 0 },
		BYTES_INIT("STARTTLS first") };
	static const struct smtp_reply no_user_yet = { 530, { 5, 7, 0 },
		BYTES_INIT("AUTH first") };
	enum precondition after = rules[verb].after;

	if (verb == SMTP_AUTH && !s->policy->auth)
		return &no_auth;
	if (after >= AFTER_TLS && smtp_starttls_is_due(s))
		return &no_tls_yet;
	if (after >= AFTER_AUTH && s->policy->auth && s->user.len == 0)
		return &no_user_yet;
	return NULL;
}

/* What a command must not even be looked at for; NULL when nothing is. */
static const struct smtp_reply *
command_refusal(const struct smtp_server *s, const struct smtp_command *cmd)
{
	static const struct smtp_reply wrong_arguments = { 501, { 5, 5, 4 },
		BYTES_INIT("wrong number of arguments") };
	const struct smtp_reply *refusal = listener_refusal(s, cmd->verb);

	if (refusal != NULL)
		return refusal;
	if (rules[cmd->verb].handle[s->state] == NULL)
		return &out_of_sequence[s->state];
	if (!argument_fits(rules[cmd->verb].argument, cmd->arg))
		return &wrong_arguments;
	return NULL;
}

void
smtp_dialog_command(struct smtp_server *s, struct bytes line)
{
	const struct smtp_reply *refusal;
	struct smtp_command      cmd;

	if (!smtp_command_parse(&cmd, line))
		cmd = (struct smtp_command){ SMTP_UNKNOWN, BYTES("") };
	refusal = command_refusal(s, &cmd);
	if (refusal == NULL)
		rules[cmd.verb].handle[s->state](s, cmd.arg);
	else if (cmd.verb == SMTP_BDAT) /* its octets come all the same */
		smtp_bdat_begin(s, cmd.arg, refusal);
	else
		smtp_server_reply(s, *refusal);
}
