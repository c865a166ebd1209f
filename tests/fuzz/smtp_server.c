/*
 * One session of the SMTP engine. Its output and what it commits are the same however
 * the input is cut; every reply is one well-formed line with CRLF, or several of EHLO;
 * bodies have neither CR nor NUL; 354 comes only behind the question for a file,
 * a commit only with recipients, a size and the bodies that it says.
 *
 * The first byte of the input, and what follows from it, answers the questions.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/smtp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTPUT_MAX = 16 * 1024 * 1024, INPUT_MAX = 32 * 1024 };

static const struct smtp_policy policy = {
	.hostname = BYTES_INIT("mx.example"),
	.listener = BYTES_INIT("smtp"),
	.size_max = 4000,
	.recipients_max = 4,
	.errors_max = 10,
	.hops_max = 5,
	.bounce_single_recipient = true,
	.refuse_relay_probes = true,
};

struct run {
	struct smtp_server server;
	uint32_t           answers; /* a generator */
	struct buf         output, body, committed;
	bool               has_file;
	bool               is_asked;  /* a question is open */
	bool               is_closed;
};

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t
draw(struct run *r)
{
	r->answers = r->answers * 1664525 + 1013904223;
	return r->answers >> 24;
}

static void
take_output(struct run *r)
{
	struct bytes output = smtp_server_output(&r->server);

	buf_add_bytes(&r->output, output);
	smtp_server_sent(&r->server, output.n);
}

static void
answer_recipient(struct run *r)
{
	static const enum smtp_recipient_answer answers[] = { SMTP_RECIPIENT_OK,
		SMTP_RECIPIENT_OK, SMTP_RECIPIENT_OK, SMTP_RECIPIENT_OK,
		SMTP_RECIPIENT_OK, SMTP_RECIPIENT_UNKNOWN, SMTP_RECIPIENT_NOT_OURS,
		SMTP_RECIPIENT_TRY_LATER };

	claim(smtp_server_recipient(&r->server).n > 0);
	smtp_server_answer_recipient(&r->server, answers[draw(r) % 8]);
}

static void
answer_data(struct run *r)
{
	static const struct id id = { { 1, 2, 3 } };

	claim(!r->has_file);
	claim(smtp_server_envelope(&r->server)->n_recipients > 0);
	buf_clear(&r->body);
	r->has_file = draw(r) % 8 != 0;
	smtp_server_answer_data(
	    &r->server, r->has_file ? &id : NULL, 1795563038000);
}

static void
take_body(struct run *r)
{
	struct bytes body = smtp_server_body(&r->server);

	claim(r->has_file);
	claim(body.n > 0 && body.n <= SMTP_BODY_CHUNK);
	claim(memchr(body.p, '\r', body.n) == NULL);
	claim(memchr(body.p, '\0', body.n) == NULL);
	buf_add_bytes(&r->body, body);
}

static void
answer_commit(struct run *r)
{
	static const struct smtp_reply replies[] = {
		{ 250, { 2, 0, 0 }, BYTES_INIT("stored") },
		{ 554, { 5, 7, 1 }, BYTES_INIT("no\r\n250 smuggled") },
		{ 451, { 4, 3, 0 }, BYTES_INIT("later\0\xff") },
		{ 1, { 9, 9, 9 }, { NULL, 0 } },
	};
	const struct envelope *e = smtp_server_envelope(&r->server);

	claim(r->has_file);
	claim(e->n_recipients > 0 && e->n_recipients <= policy.recipients_max);
	claim(!r->body.failed && e->size_bytes == r->body.len);
	claim(e->helo.n > 0);
	buf_add_bytes(&r->committed, e->reverse_path);
	buf_add_bytes(&r->committed, buf_bytes(&r->body));
	r->has_file = false;
	smtp_server_answer_commit(&r->server, replies[draw(r) % 4]);
}

/* Until it wants more input. */
static void
pump(struct run *r)
{
	while (!r->is_closed)
		switch (smtp_server_next(&r->server)) {
		case SMTP_ASK_RECIPIENT:
			answer_recipient(r);
			break;
		case SMTP_ASK_DATA:
			answer_data(r);
			break;
		case SMTP_BODY:
			take_body(r);
			break;
		case SMTP_COMMIT:
			answer_commit(r);
			break;
		case SMTP_DISCARD:
			claim(r->has_file);
			r->has_file = false;
			break;
		case SMTP_FLUSH:
			take_output(r);
			break;
		case SMTP_WAIT:
			abort(); /* every question was answered */
		case SMTP_MORE:
			take_output(r);
			return;
		case SMTP_CLOSE:
			claim(!r->has_file);
			take_output(r);
			r->is_closed = true;
			break;
		}
}

static void
begin(struct run *r, uint32_t answers)
{
	*r = (struct run){ .answers = answers };
	buf_init(&r->output, OUTPUT_MAX);
	buf_init(&r->body, OUTPUT_MAX);
	buf_init(&r->committed, OUTPUT_MAX);
	smtp_server_init(&r->server, &policy, BYTES("192.0.2.1"), BYTES(""),
	    answers % 2 == 0);
	smtp_server_greet(&r->server);
}

static void
finish(struct run *r)
{
	smtp_server_finish(&r->server);
	buf_finish(&r->output);
	buf_finish(&r->body);
	buf_finish(&r->committed);
}

/* Pieces of one byte (seed 0), or of as many as a generator says. */
static void
feed(struct run *r, struct bytes input, size_t piece_max, uint32_t seed)
{
	pump(r);
	while (input.n > 0 && !r->is_closed) {
		size_t n = 1 + (piece_max > 1 ? (seed >> 8) % piece_max : 0);

		smtp_server_feed(&r->server, bytes_first(input, n));
		input = bytes_from(input, n);
		seed = seed * 1664525 + 1013904223;
		pump(r);
	}
	/* at the end the client is gone, wherever that was */
	smtp_server_gone(&r->server);
	pump(r);
	claim(r->is_closed);
}

static void
claim_replies(struct bytes output)
{
	while (output.n > 0) {
		size_t       end = bytes_find(output, '\n');
		struct bytes line = bytes_first(output, end);

		claim(end < output.n && line.n >= 4 && line.n < SMTP_REPLY_MAX);
		claim(line.p[line.n - 1] == '\r');
		line.n--;
		claim(line.p[0] >= '2' && line.p[0] <= '5');
		claim(byte_is_digit(line.p[1]) && byte_is_digit(line.p[2]));
		claim(line.p[3] == ' ' ||
		    (line.p[3] == '-' && bytes_start(line, BYTES("250-"))));
		for (size_t i = 0; i < line.n; i++)
			claim(byte_is_print(line.p[i]));
		output = bytes_from(output, end + 1);
	}
}

static void
claim_same(const struct run *whole, struct bytes input, size_t piece_max,
    uint32_t answers, uint32_t seed)
{
	static struct run r;

	begin(&r, answers);
	feed(&r, input, piece_max, seed);
	claim(bytes_equal(buf_bytes(&r.output), buf_bytes(&whole->output)));
	claim(bytes_equal(buf_bytes(&r.committed), buf_bytes(&whole->committed)));
	finish(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run whole;
	struct bytes      input;
	uint32_t          answers;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	answers = data[0] * 2654435761U;
	input = bytes_from((struct bytes){ (const char *)data, size }, 1);
	begin(&whole, answers);
	pump(&whole);
	smtp_server_feed(&whole.server, input);
	feed(&whole, BYTES(""), 1, 0);
	claim(!whole.output.failed && !whole.committed.failed);
	claim_replies(buf_bytes(&whole.output));
	claim_same(&whole, input, 1, answers, 0);
	claim_same(&whole, input, 16, answers, (uint32_t)size);
	claim_same(&whole, input, 3000, answers, (uint32_t)size * 7919);
	finish(&whole);
	return 0;
}
