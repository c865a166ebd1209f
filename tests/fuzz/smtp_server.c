/*
 * A session with any input at all, cut in any way, and any answers. The first byte says
 * which listener it is and where the second feeding is cut, the second and third how far the
 * session has come and what the answers are. Invariants:
 *
 * - neither the output nor what is committed depends on the cut, as long as it does not decide
 *   whether something stands behind STARTTLS,
 * - a listener with AUTH opens no transaction before somebody has authenticated, and no other
 *   listener ever asks about a password; nor is one asked about without TLS,
 * - every reply is a line of three digits, ended by CRLF, at most SMTP_REPLY_MAX long,
 * - data comes only behind ASK_DATA, a commit only with recipients,
 * - a recipient is an address, with what was granted to be put behind it,
 * - what is stored has no CR and no NUL, and is as long as the envelope says.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/smtp_server.h"

enum { OUTPUT_MAX = 64 * 1024 * 1024, FOREVER = 10 * 1000 * 1000 };

#define POLICY(name, tls_, auth_) { \
	.hostname = BYTES_INIT("mx.example"), \
	.listener = BYTES_INIT(name), \
	.size_max = 2000, \
	.recipients_max = 5, \
	.errors_max = 20, \
	.hops_max = 5, \
	.bounce_single_recipient = true, \
	.refuse_relay_probes = true, \
	.tls = (tls_), \
	.auth = (auth_), \
}

static const struct smtp_policy policies[] = {
	POLICY("smtp", LISTENER_STARTTLS, false),
	POLICY("smtps", LISTENER_TLS, true),
	POLICY("submission", LISTENER_STARTTLS_REQUIRED, true),
	POLICY("local", LISTENER_CLEAR, false),
};

enum { SUBMISSION = 2, LOCAL, POLICIES = sizeof policies / sizeof policies[0] };

struct run {
	struct smtp_server s;
	struct smtp_policy policy;
	bool               is_secure, is_authenticated;
	int                handshakes;
	struct buf         output, body, committed;
	uint32_t           random; /* the same answers in every run */
	bool               has_file;
	enum smtp_event    question;
	bool               is_closed;
};

static uint32_t
draw(struct run *r)
{
	r->random = r->random * 1664525 + 1013904223;
	return r->random >> 16;
}

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
take_output(struct run *r)
{
	struct bytes out = smtp_server_output(&r->s);

	buf_add_bytes(&r->output, out);
	smtp_server_sent(&r->s, out.n);
}

static void
take_body(struct run *r)
{
	struct bytes body = smtp_server_body(&r->s);

	check(r->has_file && body.n > 0 && body.n <= SMTP_BODY_CHUNK);
	check(bytes_find(body, '\r') == body.n);
	check(bytes_find(body, '\0') == body.n);
	buf_add_bytes(&r->body, body);
}

/* With the suffix, once, and an address still. */
static void
check_recipient(const struct smtp_server *s, struct bytes text)
{
	struct bytes   suffix = buf_bytes(&s->suffix);
	struct address address;

	if (bytes_equal(text, BYTES("postmaster")))
		return;
	check(address_parse_utf8(text, &address));
	check(suffix.n <= text.n &&
	    bytes_equal(bytes_from(text, text.n - suffix.n), suffix));
}

static void
commit(struct run *r)
{
	static const struct smtp_reply replies[] = {
		{ 250, { 2, 0, 0 }, BYTES_INIT("accepted") },
		{ 554, { 5, 7, 1 }, BYTES_INIT("red\r\n250 no") },
		{ 451, { 4, 3, 0 }, BYTES_INIT("\xff") },
		{ 1, { 2, 0, 0 }, { NULL, 0 } },
	};
	const struct envelope *e = smtp_server_envelope(&r->s);

	check(r->has_file);
	check(e->n_recipients > 0 && e->n_recipients <= (r->policy.is_local
	                                 ? SMTP_QUEUE_RECIPIENTS_MAX
	                                 : r->policy.recipients_max));
	check(!r->policy.auth || r->is_authenticated);
	check((e->user.n > 0) == (r->is_authenticated || r->policy.is_local));
	check((e->tls.n > 0) == r->is_secure);
	check(!r->body.failed && e->size_bytes == r->body.len);
	for (size_t i = 0; i < e->n_recipients; i++)
		check_recipient(&r->s, e->recipients[i].address);
	buf_add_bytes(&r->committed, e->reverse_path);
	buf_add_bytes(&r->committed, buf_bytes(&r->body));
	smtp_server_answer_commit(&r->s, replies[draw(r) % 4]);
	r->has_file = false;
}

static void
answer_auth(struct run *r)
{
	struct bytes          user = smtp_server_user(&r->s);
	struct bytes          password = smtp_server_password(&r->s);
	enum smtp_auth_answer answer = draw(r) % 2 ? SMTP_AUTH_YES : draw(r) % 3;

	check(r->policy.auth && r->is_secure && !r->is_authenticated);
	check(user.n > 0 && user.n <= SASL_USER_MAX);
	check(password.n > 0 && password.n <= SASL_PASSWORD_MAX);
	r->is_authenticated = answer == SMTP_AUTH_YES;
	smtp_server_answer_auth(&r->s, answer, BYTES("alice"));
	check(smtp_server_password(&r->s).n == 0);
	check(smtp_server_authenticated(&r->s).n > 0 == r->is_authenticated);
}

static void
shake_hands(struct run *r)
{
	check(!r->is_secure && r->policy.tls != LISTENER_TLS &&
	    r->policy.tls != LISTENER_CLEAR);
	r->is_secure = true;
	r->handshakes++;
	smtp_server_secured(&r->s, BYTES("TLSv1.3"));
}

static void
answer_sender(struct run *r)
{
	check(r->is_authenticated && !r->policy.any_sender);
	check(smtp_server_sender(&r->s).n > 0);
	smtp_server_answer_sender(
	    &r->s, draw(r) % 2 ? SMTP_SENDER_OWN : draw(r) % 3);
}

static void
answer(struct run *r)
{
	static const struct id id = { { 0 } };
	bool                   refused;

	if (r->question == SMTP_HANDSHAKE) {
		shake_hands(r);
	} else if (r->question == SMTP_ASK_AUTH) {
		answer_auth(r);
	} else if (r->question == SMTP_ASK_SENDER) {
		answer_sender(r);
	} else if (r->question == SMTP_ASK_RECIPIENT) {
		smtp_server_answer_recipient(
		    &r->s, draw(r) % 2 ? SMTP_RECIPIENT_OK : draw(r) % 4);
	} else if (r->question == SMTP_ASK_DATA) {
		refused = draw(r) % 8 == 0;
		check(!r->has_file);
		r->has_file = !refused;
		buf_clear(&r->body);
		smtp_server_answer_data(&r->s, refused ? NULL : &id, 0);
	} else {
		commit(r);
	}
	r->question = SMTP_MORE;
}

/* The log is told of 4xx and 5xx only, and of recipients by their names. */
static void
check_refusal(const struct smtp_refusal *refusal, void *context)
{
	(void)context;
	check(refusal->reply.code >= 400 && refusal->reply.code < 600);
}

static void
pump(struct run *r)
{
	for (int turns = 0; turns < FOREVER; turns++) {
		enum smtp_event event = smtp_server_next(&r->s);

		check(!r->policy.auth || r->is_authenticated ||
		    !smtp_server_is_in_transaction(&r->s));
		switch (event) {
		case SMTP_HANDSHAKE:
		case SMTP_ASK_AUTH:
		case SMTP_ASK_SENDER:
		case SMTP_ASK_RECIPIENT:
		case SMTP_ASK_DATA:
		case SMTP_COMMIT:
			check(r->question == SMTP_MORE);
			r->question = event;
			break;
		case SMTP_WAIT:
			check(r->question != SMTP_MORE);
			answer(r);
			break;
		case SMTP_BODY:
			take_body(r);
			break;
		case SMTP_DISCARD:
			check(r->has_file);
			r->has_file = false;
			break;
		case SMTP_FLUSH:
			check(smtp_server_output(&r->s).n > 0);
			take_output(r);
			break;
		case SMTP_MORE:
			take_output(r);
			return;
		case SMTP_CLOSE:
			check(!r->has_file);
			take_output(r);
			r->is_closed = true;
			return;
		}
	}
	abort();
}

/* cut: the size of the pieces; 0: as large as there is room. */
static void
feed(struct run *r, struct bytes input, size_t cut)
{
	while (input.n > 0 && !r->is_closed) {
		size_t n = smtp_server_room(&r->s);

		check(n > 0);
		if (cut > 0 && n > cut)
			n = cut;
		smtp_server_feed(&r->s, bytes_first(input, n));
		input = bytes_from(input, n);
		pump(r);
	}
}

/* So that few bytes get behind a handshake, and a password. */
static void
begin(struct run *r, uint32_t start)
{
	if (r->policy.tls == LISTENER_TLS) {
		r->is_secure = true;
		smtp_server_secured(&r->s, BYTES("TLSv1.3"));
	}
	smtp_server_greet(&r->s);
	pump(r);
	if (start > 0)
		feed(r, BYTES("STARTTLS\r\n"), 0);
	if (start > 1)
		feed(r, BYTES("EHLO x\r\nAUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n"), 0);
}

static void
play(struct run *r, unsigned listener, struct bytes input, uint32_t random, size_t cut)
{
	*r = (struct run){ .random = random, .question = SMTP_MORE };
	/* submission once more, with what may be set */
	r->policy = policies[listener < POLICIES ? listener : SUBMISSION];
	r->policy.any_sender = r->policy.hide_client = listener >= POLICIES;
	r->policy.is_local = r->policy.tls == LISTENER_CLEAR;
	buf_init(&r->output, OUTPUT_MAX);
	buf_init(&r->body, OUTPUT_MAX);
	buf_init(&r->committed, OUTPUT_MAX);
	smtp_server_init(
	    &r->s, &r->policy, BYTES("192.0.2.1"), BYTES(""), random % 4 == 0);
	if (random % 8 == 4) /* and may relay */
		smtp_server_grant(&r->s, BYTES("@fix.example"), 1000);
	smtp_server_watch(&r->s, check_refusal, r);
	if (r->policy.is_local)
		smtp_server_account(&r->s, BYTES("alice"), 1000);
	begin(r, random >> 14);
	feed(r, input, cut);
	check(!r->output.failed && !r->committed.failed);
	smtp_server_finish(&r->s);
}

static void
finish(struct run *r)
{
	buf_finish(&r->output);
	buf_finish(&r->body);
	buf_finish(&r->committed);
}

static void
check_replies(struct bytes output)
{
	struct bytes line;

	check(output.n == 0 || output.p[output.n - 1] == '\n');
	while (bytes_split(&output, '\n', &line)) {
		check(line.n >= 5 && line.n < SMTP_REPLY_MAX);
		check(line.p[line.n - 1] == '\r');
		for (size_t i = 0; i < 3; i++)
			check(byte_is_digit(line.p[i]));
		check(line.p[3] == ' ' || line.p[3] == '-');
		for (size_t i = 4; i < line.n - 1; i++)
			check(byte_is_print(line.p[i]));
	}
}

static void
check_same(const struct run *a, const struct run *b)
{
	check(bytes_equal(buf_bytes(&a->output), buf_bytes(&b->output)));
	check(a->is_closed == b->is_closed);
	check(bytes_equal(buf_bytes(&a->committed), buf_bytes(&b->committed)));
}

/* POLICIES is one more. */
static unsigned
listener_of(uint8_t first)
{
	if (first >= 0xe0)
		return LOCAL;
	return first / 64 <= SUBMISSION ? first / 64u : POLICIES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { (const char *)data, size };
	struct run   whole, split;
	uint32_t     random;

	if (size < 3)
		return 0;
	random = (uint32_t)data[1] << 8 | data[2];
	input = bytes_from(input, 3);
	play(&whole, listener_of(data[0]), input, random, 0);
	play(&split, listener_of(data[0]), input, random, data[0] % 64 + 1u);
	check_replies(buf_bytes(&whole.output));
	check_replies(buf_bytes(&split.output));
	if (whole.handshakes == split.handshakes)
		check_same(&whole, &split);
	finish(&whole);
	finish(&split);
	return 0;
}
