#include "proto/pop3_server_private.h"

void
pop3_login_forget(struct pop3_server *s)
{
	buf_wipe(&s->user);
	buf_wipe(&s->password);
	sasl_finish(&s->sasl);
}

/* All the memory at once: a buffer that grows leaves copies behind. */
static void
keep(struct buf *b, struct bytes text)
{
	buf_wipe(b);
	buf_room(b, text.n);
	buf_add_bytes(b, text);
}

static void
reject_login(struct pop3_server *s, const char *text)
{
	pop3_server_reject(s, text);
	pop3_login_forget(s);
	if (++s->logins >= POP3_LOGINS_MAX)
		pop3_server_end(s);
}

/* The same for every reason, and for everybody who is not here. */
static void
refuse(struct pop3_server *s)
{
	reject_login(s, "[AUTH] user name or password is wrong");
}

/* --- USER and PASS, RFC 1939 section 7 --- */

void
pop3_login_user(struct pop3_server *s, struct bytes arg)
{
	keep(&s->user, arg);
	pop3_server_accept(s, "and the password?");
}

void
pop3_login_pass(struct pop3_server *s, struct bytes arg)
{
	if (s->user.len == 0) {
		pop3_server_blame(s, "USER first");
		return;
	}
	keep(&s->password, arg);
	pop3_server_ask(s, POP3_QUESTION_LOGIN);
}

/* --- AUTH, RFC 5034 --- */

static void
blame_exchange(struct pop3_server *s, const char *text)
{
	pop3_login_forget(s);
	pop3_server_blame(s, text);
}

static void
challenge(struct pop3_server *s)
{
	s->state = POP3_STATE_EXCHANGE;
	buf_addf(&s->out, "+ %.*s\r\n", BYTES_ARG(sasl_challenge(&s->sasl)));
}

static void
ask_exchanged(struct pop3_server *s)
{
	keep(&s->user, buf_bytes(&s->sasl.user));
	keep(&s->password, buf_bytes(&s->sasl.password));
	sasl_finish(&s->sasl);
	pop3_server_ask(s, POP3_QUESTION_LOGIN);
}

static void
go_on(struct pop3_server *s, enum sasl_result result)
{
	s->state = POP3_STATE_AUTHORIZATION;
	switch (result) {
	case SASL_CONTINUE:
		challenge(s);
		break;
	case SASL_DONE:
		ask_exchanged(s);
		break;
	case SASL_CANCELLED:
		blame_exchange(s, "cancelled");
		break;
	case SASL_MALFORMED:
		blame_exchange(s, "no user name and password could be read");
		break;
	case SASL_FORBIDDEN:
		refuse(s);
		break;
	}
}

void
pop3_login_auth(struct pop3_server *s, struct bytes arg)
{
	size_t       blank = bytes_find(arg, ' ');
	struct bytes initial = bytes_trim(bytes_from(arg, blank));

	if (sasl_find(bytes_first(arg, blank)) != SASL_PLAIN) {
		pop3_server_blame(s, "the mechanism here is PLAIN");
		return;
	}
	if (initial.n == 0)
		initial.p = NULL;
	go_on(s, sasl_begin(&s->sasl, SASL_PLAIN, initial));
}

void
pop3_login_line(struct pop3_server *s, struct bytes line)
{
	go_on(s, sasl_line(&s->sasl, line));
}

void
pop3_login_abandon(struct pop3_server *s)
{
	s->state = POP3_STATE_AUTHORIZATION;
	pop3_login_forget(s);
}

/* --- the answer --- */

struct bytes
pop3_server_user(const struct pop3_server *s)
{
	return buf_bytes(&s->user);
}

struct bytes
pop3_server_password(const struct pop3_server *s)
{
	return buf_bytes(&s->password);
}

static void
enter(struct pop3_server *s, struct bytes list, size_t n)
{
	pop3_login_forget(s);
	pop3_maildrop_init(&s->maildrop, list, n);
	s->state = POP3_STATE_TRANSACTION;
	pop3_server_accept(s, "logged in");
}

void
pop3_server_answer_login(
    struct pop3_server *s, enum pop3_login answer, struct bytes list, size_t n)
{
	if (s->question != POP3_QUESTION_LOGIN)
		return;
	s->question = POP3_NO_QUESTION;
	switch (answer) {
	case POP3_LOGIN_NO:
		refuse(s);
		break;
	case POP3_LOGIN_OK:
		enter(s, list, n);
		break;
	case POP3_LOGIN_TRY_LATER:
		reject_login(
		    s, "[SYS/TEMP] cannot be checked now, try again later");
		break;
	}
}
