#include "proto/sasl.h"

#include "base/base64.h"

/* RFC 4616 section 2: authorization identity, NUL, user, NUL, password. */
enum { MESSAGE_MAX = SASL_USER_MAX + 1 + SASL_USER_MAX + 1 + SASL_PASSWORD_MAX };

/* What LOGIN waits for. PLAIN has one step. */
enum step { STEP_USER, STEP_PASSWORD };

enum sasl_mechanism
sasl_find(struct bytes name)
{
	if (bytes_equal_nocase(name, BYTES("PLAIN")))
		return SASL_PLAIN;
	if (bytes_equal_nocase(name, BYTES("LOGIN")))
		return SASL_LOGIN;
	return SASL_NONE;
}

/* A user or a password of at least one and at most max octets, no NUL. */
static bool
keep(struct buf *b, struct bytes text, size_t max)
{
	if (text.n == 0 || text.n > max || bytes_find(text, '\0') != text.n)
		return false;
	buf_init(b, max);
	buf_room(b, max); /* all at once: growing would leave copies behind */
	buf_add_bytes(b, text);
	return !b->failed;
}

static enum sasl_result
take_plain(struct sasl *s, struct bytes message)
{
	size_t       first = bytes_find(message, '\0');
	struct bytes authzid = bytes_first(message, first);
	struct bytes rest = bytes_from(message, first + 1);
	size_t       second = bytes_find(rest, '\0');
	struct bytes user = bytes_first(rest, second);

	if (!keep(&s->user, user, SASL_USER_MAX) ||
	    !keep(&s->password, bytes_from(rest, second + 1), SASL_PASSWORD_MAX))
		return SASL_MALFORMED;
	if (authzid.n > 0 && !bytes_equal(authzid, user))
		return SASL_FORBIDDEN;
	return SASL_DONE;
}

static enum sasl_result
take_login(struct sasl *s, struct bytes message)
{
	if (s->step == STEP_PASSWORD)
		return keep(&s->password, message, SASL_PASSWORD_MAX) ? SASL_DONE
		                                                      : SASL_MALFORMED;
	s->step = STEP_PASSWORD;
	return keep(&s->user, message, SASL_USER_MAX) ? SASL_CONTINUE : SASL_MALFORMED;
}

static enum sasl_result
take(struct sasl *s, struct bytes message)
{
	return s->mechanism == SASL_PLAIN ? take_plain(s, message)
	                                  : take_login(s, message);
}

/* Only what is whole stays: user and password of an exchange that is done. */
static enum sasl_result
settle(struct sasl *s, enum sasl_result result)
{
	if (result == SASL_DONE)
		s->mechanism = SASL_NONE;
	else if (result != SASL_CONTINUE)
		sasl_finish(s);
	return result;
}

static enum sasl_result
take_base64(struct sasl *s, struct bytes text)
{
	struct buf       message;
	enum sasl_result result = SASL_MALFORMED;

	buf_init(&message, MESSAGE_MAX);
	buf_room(&message, MESSAGE_MAX);
	if (base64_parse(text, &message))
		result = take(s, buf_bytes(&message));
	buf_wipe(&message);
	return settle(s, result);
}

enum sasl_result
sasl_begin(struct sasl *s, enum sasl_mechanism mechanism, struct bytes initial)
{
	sasl_finish(s);
	s->mechanism = mechanism;
	if (mechanism == SASL_NONE)
		return SASL_MALFORMED;
	if (initial.p == NULL)
		return SASL_CONTINUE;
	/* Neither mechanism has any use for an empty response. */
	if (bytes_equal(initial, BYTES("=")))
		return settle(s, SASL_MALFORMED);
	return take_base64(s, initial);
}

enum sasl_result
sasl_line(struct sasl *s, struct bytes line)
{
	if (s->mechanism == SASL_NONE)
		return SASL_MALFORMED;
	if (bytes_equal(line, BYTES("*")))
		return settle(s, SASL_CANCELLED);
	return take_base64(s, line);
}

struct bytes
sasl_challenge(const struct sasl *s)
{
	static const struct bytes login[] = {
		[STEP_USER] = BYTES_INIT("VXNlcm5hbWU6"),     /* "Username:" */
		[STEP_PASSWORD] = BYTES_INIT("UGFzc3dvcmQ6"), /* "Password:" */
	};

	return s->mechanism == SASL_LOGIN ? login[s->step] : BYTES("");
}

void
sasl_finish(struct sasl *s)
{
	buf_wipe(&s->user);
	buf_wipe(&s->password);
	*s = (struct sasl){ .mechanism = SASL_NONE };
}
