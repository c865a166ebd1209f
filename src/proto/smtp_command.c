#include "proto/smtp_command.h"

#include "base/number.h"
#include "base/utf8.h"
#include "proto/dsn_parameter.h"

static enum smtp_verb
verb_lookup(struct bytes word)
{
	static const char *const verbs[SMTP_VERBS] = {
		[SMTP_AUTH] = "AUTH",
		[SMTP_BDAT] = "BDAT",
		[SMTP_DATA] = "DATA",
		[SMTP_EHLO] = "EHLO",
		[SMTP_ETRN] = "ETRN",
		[SMTP_EXPN] = "EXPN",
		[SMTP_HELO] = "HELO",
		[SMTP_HELP] = "HELP",
		[SMTP_MAIL] = "MAIL",
		[SMTP_NOOP] = "NOOP",
		[SMTP_QUIT] = "QUIT",
		[SMTP_RCPT] = "RCPT",
		[SMTP_RSET] = "RSET",
		[SMTP_STARTTLS] = "STARTTLS",
		[SMTP_TURN] = "TURN",
		[SMTP_VRFY] = "VRFY",
	};

	for (int v = SMTP_UNKNOWN + 1; v < SMTP_VERBS; v++)
		if (bytes_equal_nocase(word, bytes_of(verbs[v])))
			return (enum smtp_verb)v;
	return SMTP_UNKNOWN;
}

bool
smtp_command_parse(struct smtp_command *cmd, struct bytes line)
{
	size_t blank = bytes_find(line, ' ');

	if (blank == 0)
		return false;
	if (bytes_find(line, '\r') != line.n || bytes_find(line, '\0') != line.n)
		return false;
	cmd->verb = verb_lookup(bytes_first(line, blank));
	cmd->arg = bytes_trim(bytes_from(line, blank));
	return true;
}

/*
 * "FROM:" and a path. RFC 5321 section 3.3 forbids a blank behind the colon; so
 * many clients send one that everybody takes it.
 */
static enum path_result
parse_path(struct bytes prefix, struct bytes arg, struct address *path,
    struct bytes *rest)
{
	if (!bytes_start_nocase(arg, prefix))
		return PATH_INVALID;
	arg = bytes_from(arg, prefix.n);
	if (bytes_start(arg, BYTES(" ")))
		arg = bytes_from(arg, 1);
	return address_parse_path(arg, path, rest);
}

static enum smtp_argument
parse_size(struct smtp_mail *mail, struct bytes value)
{
	if (mail->has_size || !number_parse(value, UINT64_MAX, &mail->size))
		return SMTP_ARGUMENT_VALUE;
	mail->has_size = true;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_body(struct smtp_mail *mail, struct bytes value)
{
	if (mail->has_body)
		return SMTP_ARGUMENT_VALUE;
	if (bytes_equal_nocase(value, BYTES("8BITMIME")))
		mail->body = BODY_8BITMIME;
	else if (bytes_equal_nocase(value, BYTES("7BIT")))
		mail->body = BODY_7BIT;
	else
		return SMTP_ARGUMENT_VALUE;
	mail->has_body = true;
	return SMTP_ARGUMENT_OK;
}

static bool
is_hex(char c)
{
	return byte_is_digit(c) || (c >= 'A' && c <= 'F');
}

/* RFC 3461 section 4: printable, no blank; '+' and two hexadecimal digits for the rest. */
static bool
is_xtext(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!byte_is_print(text.p[i]) || text.p[i] == ' ' || text.p[i] == '=')
			return false;
		if (text.p[i] == '+' &&
		    (text.n - i < 3 || !is_hex(text.p[i + 1]) || !is_hex(text.p[i + 2])))
			return false;
	}
	return text.n > 0;
}

static enum smtp_argument
parse_auth(struct smtp_mail *mail, struct bytes value)
{
	if (mail->has_auth || !is_xtext(value))
		return SMTP_ARGUMENT_VALUE;
	mail->has_auth = true;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_ret(struct smtp_mail *mail, struct bytes value)
{
	if (mail->ret != RET_UNSET || !dsn_ret_parse(value, &mail->ret))
		return SMTP_ARGUMENT_VALUE;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_envid(struct smtp_mail *mail, struct bytes value)
{
	if (mail->envid.len > 0 || !dsn_envid_parse(value, &mail->envid))
		return SMTP_ARGUMENT_VALUE;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_smtputf8(struct smtp_mail *mail, struct bytes value)
{
	if (mail->smtputf8 || value.p != NULL)
		return SMTP_ARGUMENT_VALUE;
	mail->smtputf8 = true;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_xqueue(struct smtp_mail *mail, struct bytes value)
{
	if (mail->xqueue || value.p != NULL)
		return SMTP_ARGUMENT_VALUE;
	mail->xqueue = true;
	return SMTP_ARGUMENT_OK;
}

static enum smtp_argument
parse_xverp(struct smtp_mail *mail, struct bytes value)
{
	if (mail->xverp || value.p != NULL)
		return SMTP_ARGUMENT_VALUE;
	mail->xverp = true;
	return SMTP_ARGUMENT_OK;
}

/* "KEYWORD=value" or "KEYWORD", whose value is NULL. */
static void
split_parameter(struct bytes parameter, struct bytes *keyword, struct bytes *value)
{
	size_t equals = bytes_find(parameter, '=');

	*keyword = bytes_first(parameter, equals);
	*value = equals < parameter.n ? bytes_from(parameter, equals + 1)
	                              : (struct bytes){ NULL, 0 };
}

static enum smtp_argument
parse_mail_parameter(
    struct smtp_mail *mail, struct bytes parameter, unsigned offers)
{
	static const struct {
		struct bytes keyword;
		enum smtp_argument (*parse)(struct smtp_mail *, struct bytes);
		unsigned needs; /* SMTP_MAIL_, of what is offered */
	} parameters[] = {
		{ BYTES_INIT("SIZE"), parse_size, 0 },
		{ BYTES_INIT("BODY"), parse_body, 0 },
		{ BYTES_INIT("RET"), parse_ret, 0 },
		{ BYTES_INIT("ENVID"), parse_envid, 0 },
		{ BYTES_INIT("SMTPUTF8"), parse_smtputf8, 0 },
		{ BYTES_INIT("AUTH"), parse_auth, SMTP_MAIL_AUTH },
		{ BYTES_INIT("XQUEUE"), parse_xqueue, SMTP_MAIL_XQUEUE },
		{ BYTES_INIT("XVERP"), parse_xverp, SMTP_MAIL_XQUEUE },
	};
	struct bytes keyword, value;

	split_parameter(parameter, &keyword, &value);
	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
		if (bytes_equal_nocase(keyword, parameters[i].keyword) &&
		    (parameters[i].needs & ~offers) == 0)
			return parameters[i].parse(mail, value);
	return SMTP_ARGUMENT_PARAMETER;
}

/* What stands behind the path is apart from it. */
static bool
is_apart(struct bytes rest)
{
	return rest.n == 0 || rest.p[0] == ' ';
}

enum smtp_argument
smtp_mail_parse(struct smtp_mail *mail, struct bytes arg, unsigned offers)
{
	struct bytes     rest, parameter;
	enum path_result path;

	*mail = (struct smtp_mail){ .is_null = false };
	buf_init(&mail->envid, DSN_ENVID_MAX);
	path = parse_path(BYTES("FROM:"), arg, &mail->path, &rest);
	/* RFC 5321 section 4.1.1.2: a reverse-path has a domain, or is null. */
	if ((path != PATH_OK && path != PATH_NULL) || !is_apart(rest))
		return SMTP_ARGUMENT_PATH;
	mail->is_null = path == PATH_NULL;
	while (bytes_split(&rest, ' ', &parameter)) {
		enum smtp_argument result = SMTP_ARGUMENT_OK;

		if (parameter.n > 0)
			result = parse_mail_parameter(mail, parameter, offers);
		if (result != SMTP_ARGUMENT_OK)
			return result;
	}
	if (mail->path.is_utf8 && !mail->smtputf8)
		return SMTP_ARGUMENT_UTF8;
	if (mail->xverp && (!mail->xqueue || mail->is_null))
		return SMTP_ARGUMENT_VALUE;
	return SMTP_ARGUMENT_OK;
}

void
smtp_mail_finish(struct smtp_mail *mail)
{
	buf_finish(&mail->envid);
}

static enum smtp_argument
parse_rcpt_parameter(
    struct smtp_rcpt *rcpt, struct bytes parameter, bool smtputf8)
{
	struct bytes keyword, value;
	bool         is_good = false;

	split_parameter(parameter, &keyword, &value);
	if (bytes_equal_nocase(keyword, BYTES("NOTIFY")))
		is_good = rcpt->notify == NOTIFY_UNSET &&
		    dsn_notify_parse(value, &rcpt->notify);
	else if (bytes_equal_nocase(keyword, BYTES("ORCPT")))
		is_good = rcpt->orcpt.len == 0 && utf8_is_plain(value) &&
		    dsn_orcpt_parse(value, smtputf8, &rcpt->orcpt);
	else
		return SMTP_ARGUMENT_PARAMETER;
	return is_good ? SMTP_ARGUMENT_OK : SMTP_ARGUMENT_VALUE;
}

enum smtp_argument
smtp_rcpt_parse(struct smtp_rcpt *rcpt, struct bytes arg, bool smtputf8)
{
	struct bytes     rest, parameter;
	enum path_result path;

	*rcpt = (struct smtp_rcpt){ .notify = NOTIFY_UNSET };
	buf_init(&rcpt->orcpt, DSN_ORCPT_MAX);
	path = parse_path(BYTES("TO:"), arg, &rcpt->path, &rest);
	if ((path != PATH_OK && path != PATH_POSTMASTER) || !is_apart(rest))
		return SMTP_ARGUMENT_PATH;
	if (path == PATH_POSTMASTER)
		rcpt->path.domain = BYTES("");
	while (bytes_split(&rest, ' ', &parameter)) {
		enum smtp_argument result = SMTP_ARGUMENT_OK;

		if (parameter.n > 0)
			result = parse_rcpt_parameter(rcpt, parameter, smtputf8);
		if (result != SMTP_ARGUMENT_OK)
			return result;
	}
	if (rcpt->path.is_utf8 && !smtputf8)
		return SMTP_ARGUMENT_UTF8;
	return SMTP_ARGUMENT_OK;
}

void
smtp_rcpt_finish(struct smtp_rcpt *rcpt)
{
	buf_finish(&rcpt->orcpt);
}

bool
smtp_bdat_parse(struct smtp_bdat *bdat, struct bytes arg)
{
	size_t       blank = bytes_find(arg, ' ');
	struct bytes last = bytes_trim(bytes_from(arg, blank));

	bdat->is_last = bytes_equal_nocase(last, BYTES("LAST"));
	bdat->is_malformed = last.n > 0 && !bdat->is_last;
	return number_parse(bytes_first(arg, blank), UINT64_MAX, &bdat->octets);
}
