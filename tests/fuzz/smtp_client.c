/*
 * A server that says anything, to the client that sends a message of any content.
 * Whatever comes:
 *
 * - the same for every way to cut what the server says;
 * - nothing but whole lines leaves: no lone CR or LF, no NUL, commands that are known; DATA ends
 *   where it is meant to, and decodes to the message; a chunk is as long as it is said to be;
 * - each transaction ends with an outcome for every recipient, of printable text;
 * - delivered only where a 2xx came behind the end of the message;
 * - what is for all or none is delivered to all or none;
 * - no password leaves without TLS.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/printable.h"
#include "proto/smtp_client.h"
#include "proto/smtp_data.h"

enum { OUTPUT_MAX = 1 << 22, TRANSACTIONS = 3, FOREVER = 1 << 16 };

#define PASSWORD_BASE64 "AGFsaWNlAHdvbmRlcmxhbmQ="

/* What the input decides beside what is said. */
struct setting {
	struct smtp_client_policy   policy;
	struct smtp_transaction_out transaction;
	size_t                      piece;
	bool                        closes; /* in the end; else it times out */
};

struct run {
	const struct setting *setting;
	struct smtp_client   *c;
	struct bytes          message;
	struct buf            output, results;
	struct buf            text; /* of the message, as it was sent */
	size_t                body_at;
	size_t                n_begun;
	struct buf            heard;
	size_t                end_heard; /* when the end of the message was said */
	bool                  is_open, is_secure, is_ended, is_closed;
};

static const struct envelope_recipient recipients[] = {
	{
		.address = BYTES_INIT("b@mx.example"),
		.orcpt = BYTES_INIT("rfc822;old+b@mx.example"),
		.notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
	},
	{ .address = BYTES_INIT("c@mx.example") },
	{ .address = BYTES_INIT("d\r\nDATA@mx.example") }, /* cannot be said */
};

enum { N_RECIPIENTS = sizeof recipients / sizeof *recipients };

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* --- what leaves --- */

static bool
is_command(struct bytes line)
{
	static const char *const fronts[] = { "EHLO client.example", "HELO client.example",
		"STARTTLS", "AUTH PLAIN", "AUTH LOGIN", "YWxpY2U=", "d29uZGVybGFuZA==",
		"AGFsaWNlAHdvbmRlcmxhbmQ=", "RSET", "MAIL FROM:<", "RCPT TO:<b@mx.example>",
		"RCPT TO:<c@mx.example>", "DATA", ".", "QUIT" };

	for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
		if (bytes_start(line, bytes_of(fronts[i])))
			return true;
	return false;
}

/* CR and LF only as CRLF. */
static void
check_line_ends(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		check(text.p[i] != '\0');
		if (text.p[i] == '\n')
			check(i > 0 && text.p[i - 1] == '\r');
		if (text.p[i] == '\r')
			check(i + 1 < text.n && text.p[i + 1] == '\n');
	}
}

static void
check_commands(struct bytes said)
{
	struct bytes line;

	check(said.n == 0 || said.p[said.n - 1] == '\n');
	check_line_ends(said);
	while (bytes_split(&said, '\n', &line))
		check(is_command(line));
}

/* All that is not the message. */
static void
take_output(struct run *r)
{
	struct bytes said = smtp_client_output(r->c);

	check_commands(said);
	if (!r->is_secure)
		check(memmem(said.p ? said.p : "", said.n, "d29uZGVy", 8) == NULL &&
		    memmem(said.p ? said.p : "", said.n, PASSWORD_BASE64, 24) == NULL);
	buf_add_bytes(&r->output, said);
	smtp_client_sent(r->c, said.n);
}

/* "BDAT 12 LAST", and so many octets. */
static struct bytes
chunk_of(struct bytes said, bool is_last)
{
	struct bytes line, size = { NULL, 0 };
	uint64_t     n;

	check(bytes_split(&said, '\n', &line));
	check(bytes_start(line, BYTES("BDAT ")));
	line = bytes_from(line, 5);
	check(bytes_split(&line, ' ', &size));
	check(is_last == bytes_equal(line, BYTES("LAST\r")));
	if (!is_last)
		size = bytes_first(size, size.n - 1);
	check(number_parse(size, OUTPUT_MAX, &n) && n == said.n);
	return said;
}

/* What one piece of the message made. */
static void
take_text(struct run *r, bool is_last)
{
	struct bytes said = smtp_client_output(r->c);

	if (bytes_start(said, BYTES("BDAT ")))
		buf_add_bytes(&r->text, chunk_of(said, is_last));
	else
		buf_add_bytes(&r->text, said);
	buf_add_bytes(&r->output, said);
	smtp_client_sent(r->c, said.n);
}

/* As the server must see it. */
static void
check_text(const struct run *r, bool is_chunked)
{
	struct smtp_data d = { .is_ended = false };
	struct buf       wire, got;
	char             last = '\n';

	buf_init(&wire, OUTPUT_MAX);
	buf_init(&got, OUTPUT_MAX);
	for (size_t i = 0; i < r->message.n; i++) {
		if (r->message.p[i] == '\r')
			continue;
		last = r->message.p[i];
		if (last == '\n' && is_chunked)
			buf_add_char(&wire, '\r');
		buf_add_char(&wire, last);
	}
	if (last != '\n')
		buf_add_string(&wire, is_chunked ? "\r\n" : "\n");
	check_line_ends(buf_bytes(&r->text));
	if (is_chunked) {
		buf_add_bytes(&got, buf_bytes(&r->text));
	} else {
		check(smtp_data_feed(&d, buf_bytes(&r->text), &got) == r->text.len);
		check(d.is_ended && d.fault == SMTP_DATA_FINE);
	}
	check(bytes_equal(buf_bytes(&wire), buf_bytes(&got)));
	buf_finish(&wire);
	buf_finish(&got);
}

static void
give_body(struct run *r)
{
	struct bytes rest = bytes_from(r->message, r->body_at);
	struct bytes piece = bytes_first(rest, r->setting->piece);
	bool         is_last = piece.n == rest.n, is_chunked;

	take_output(r);
	smtp_client_body(r->c, piece, is_last);
	if (smtp_client_output(r->c).n == 0)
		return; /* it may not go out, or a CR is kept back */
	r->body_at += piece.n;
	is_chunked = bytes_start(smtp_client_output(r->c), BYTES("BDAT "));
	take_text(r, is_last);
	if (!is_last)
		return;
	r->is_ended = true;
	r->end_heard = r->heard.len;
	check_text(r, is_chunked);
}

/* --- what becomes of it --- */

static bool
was_accepted(const struct run *r)
{
	struct bytes heard = bytes_from(buf_bytes(&r->heard), r->end_heard), line;

	if (!r->is_ended)
		return false;
	while (bytes_split(&heard, '\n', &line))
		if (line.n > 2 && line.p[0] == '2')
			return true;
	return false;
}

static void
note_outcomes(struct run *r)
{
	const struct smtp_transaction_out *t = &r->setting->transaction;
	size_t                             n_delivered = 0;

	check(r->is_open);
	r->is_open = false;
	for (size_t i = 0; i < t->n_recipients; i++) {
		struct outcome o = smtp_client_outcome(r->c, i);

		check(o.kind <= OUTCOME_FAILED);
		n_delivered += o.kind == OUTCOME_DELIVERED;
		check(o.status.class == (o.kind == OUTCOME_DELIVERED ? 2
		          : o.kind == OUTCOME_FAILED                 ? 5
		                                                     : 4));
		check(o.text.n > 0 && o.text.n <= SMTP_CLIENT_TEXT_MAX);
		check(printable_is(o.text));
		if (o.kind == OUTCOME_DELIVERED)
			check(i < 2 && o.is_reply && was_accepted(r));
		check(o.kind == OUTCOME_DEFERRED || !smtp_client_is_untried(r->c) || i == 2);
		buf_addf(&r->results, "%d %.*s\n", (int)o.kind, BYTES_ARG(o.text));
	}
	if (t->all_or_none)
		check(n_delivered == 0 || n_delivered == t->n_recipients);
	check(!smtp_client_is_in_doubt(r->c) || r->is_ended);
	check(!(smtp_client_is_in_doubt(r->c) && smtp_client_is_untried(r->c)));
}

static void
note_end(struct run *r)
{
	struct bytes text = smtp_client_fault_text(r->c);

	r->is_closed = true;
	if (r->is_open)
		note_outcomes(r);
	check(printable_is(text) && text.n <= SMTP_CLIENT_TEXT_MAX);
	buf_addf(&r->results, "%d %.*s\n", (int)smtp_client_fault(r->c), BYTES_ARG(text));
}

/* --- the driver --- */

static void
begin(struct run *r)
{
	r->n_begun++;
	r->is_open = true;
	r->is_ended = false;
	r->body_at = 0;
	buf_clear(&r->text);
	smtp_client_begin(r->c, &r->setting->transaction);
}

/*
 * acts: all that the server says at once has come, so the driver may do what it is asked for.
 * The cut must not decide what came first.
 */
static void
pump(struct run *r, bool acts)
{
	for (int turns = 0; turns < FOREVER; turns++) {
		enum smtp_client_event event = smtp_client_next(r->c);

		take_output(r);
		switch (event) {
		case SMTP_CLIENT_FLUSH:
			break;
		case SMTP_CLIENT_DONE:
			note_outcomes(r);
			break;
		case SMTP_CLIENT_CLOSE:
			if (!r->is_closed)
				note_end(r);
			return;
		case SMTP_CLIENT_BODY:
			if (!acts)
				return;
			give_body(r);
			break;
		case SMTP_CLIENT_IDLE:
			if (!acts)
				return;
			if (r->n_begun < TRANSACTIONS)
				begin(r);
			else
				smtp_client_quit(r->c);
			break;
		case SMTP_CLIENT_HANDSHAKE:
			if (!acts)
				return;
			r->is_secure = true;
			smtp_client_secured(r->c, true, BYTES(""));
			break;
		case SMTP_CLIENT_MORE:
			return;
		}
	}
	abort();
}

/* What the server says at once ends with \xff. cut: the size of the pieces; 0: none. */
static void
hear(struct run *r, struct bytes server, size_t cut)
{
	struct bytes at_once;

	while (bytes_split(&server, '\xff', &at_once)) {
		while (at_once.n > 0) {
			size_t n = smtp_client_room(r->c);

			check(n > 0);
			if (cut > 0 && n > cut)
				n = cut;
			if (n > at_once.n)
				n = at_once.n;
			smtp_client_feed(r->c, bytes_first(at_once, n));
			buf_add_bytes(&r->heard, bytes_first(at_once, n));
			at_once = bytes_from(at_once, n);
			pump(r, at_once.n == 0);
		}
	}
}

static void
play(struct run *r, const struct setting *setting, struct bytes message,
    struct bytes server, size_t cut)
{
	*r = (struct run){
		.setting = setting,
		.message = message,
		.c = smtp_client_new(&setting->policy),
		.is_secure = setting->policy.tls == SMTP_CLIENT_TLS_ALREADY,
	};
	check(r->c != NULL);
	buf_init(&r->output, OUTPUT_MAX);
	buf_init(&r->results, OUTPUT_MAX);
	buf_init(&r->text, OUTPUT_MAX);
	buf_init(&r->heard, OUTPUT_MAX);
	pump(r, true);
	hear(r, server, cut);
	if (setting->closes)
		smtp_client_gone(r->c);
	else
		smtp_client_timeout(r->c);
	pump(r, true);
	check(r->is_closed && !r->is_open);
	check(!r->output.failed && !r->results.failed && !r->text.failed);
	smtp_client_free(r->c);
	buf_finish(&r->text);
	buf_finish(&r->heard);
}

static struct setting
setting_of(unsigned bits, struct bytes message)
{
	struct setting s = {
		.policy = {
			.hostname = BYTES("client.example"),
			.tls = (enum smtp_client_tls)(bits & 3),
			.is_own = bits & 4,
		},
		.transaction = {
			.reverse_path = BYTES("a@client.example"),
			.ret = RET_HDRS,
			.envid = BYTES("a=b"),
			.smtputf8 = bits & 8,
			.has_8bit = bits & 16,
			.size_bytes = message.n,
			.recipients = recipients,
			.n_recipients = N_RECIPIENTS,
		},
		.piece = bits & 32 ? 1 : SMTP_CLIENT_BODY_CHUNK,
		.closes = bits & 64,
	};

	if (bits & 128) {
		s.policy.user = BYTES("alice");
		s.policy.password = BYTES("wonderland");
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes   input = { (const char *)data, size }, message = { "", 0 };
	struct setting setting;
	struct run     whole, split;

	if (size < 3)
		return 0;
	input = bytes_from(input, 2);
	bytes_split(&input, '\xff', &message);
	setting = setting_of(data[0], message);
	if (data[1] & 128) { /* of those who can be said */
		setting.transaction.all_or_none = true;
		setting.transaction.n_recipients = N_RECIPIENTS - 1;
	}
	play(&whole, &setting, message, input, 0);
	play(&split, &setting, message, input, data[1] % 64 + 1u);
	check(bytes_equal(buf_bytes(&whole.output), buf_bytes(&split.output)));
	check(bytes_equal(buf_bytes(&whole.results), buf_bytes(&split.results)));
	buf_finish(&whole.output);
	buf_finish(&whole.results);
	buf_finish(&split.output);
	buf_finish(&split.results);
	return 0;
}
