/* Plays tests/transcripts/NAME.smtpc: see the README there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dsn_parameter.h"
#include "proto/smtp_client.h"
#include "transcript.h"

enum {
	FILE_MAX = 64 * 1024,
	STREAM_MAX = 4 * 1024 * 1024,
	STEPS_MAX = 100,
	MESSAGES_MAX = 4,
};

enum step_kind {
	STEP_CLIENT,    /* that much more of what it says stands here */
	STEP_SERVER,
	STEP_HANDSHAKE, /* text: why it fails; empty: it does not */
	STEP_BEGIN,
	STEP_ABORT,
	STEP_QUIT,
	STEP_GONE,
	STEP_TIMEOUT,
};

struct step {
	enum step_kind kind;
	size_t         n;    /* octets of the stream */
	struct bytes   text;
};

/* One message to be sent. */
struct message {
	struct smtp_transaction_out out;
	struct envelope_recipient   recipients[SMTP_CLIENT_RECIPIENTS_MAX];
	struct buf                  body;
};

struct script {
	struct smtp_client_policy policy;
	size_t                    piece;  /* how the message is cut */
	size_t                    pieces; /* how many of them are there: then the next step */
	struct buf                text;   /* the file; views point into it */
	struct buf                client, server;
	struct buf                results; /* D, U, P and E lines */
	struct step               steps[STEPS_MAX];
	size_t                    n_steps;
	struct message           *messages;
	size_t                    n_messages;
};

struct run {
	const char            *name;
	const struct script   *script;
	struct cut             cut;
	struct smtp_client    *engine;
	struct buf             output, results;
	size_t                 wanted; /* of the output, so far */
	size_t                 fed;
	size_t                 n_begun;
	size_t                 body_at;
	size_t                 n_pieces;
	bool                   is_open; /* a transaction */
	enum smtp_client_event event;   /* the last one */
};

/* --- reading a transcript --- */

static void
take_tls(struct script *s, struct bytes value)
{
	static const char *const names[] = {
		[SMTP_CLIENT_TLS_NEVER] = "never",
		[SMTP_CLIENT_TLS_MAY] = "may",
		[SMTP_CLIENT_TLS_MUST] = "must",
		[SMTP_CLIENT_TLS_ALREADY] = "already",
	};
	int i = 0;

	while (!bytes_equal(value, bytes_of(names[i])))
		assert_true(++i <= SMTP_CLIENT_TLS_ALREADY);
	s->policy.tls = (enum smtp_client_tls)i;
}

static void
take_setting(struct script *s, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_trim(bytes_first(line, colon));
	struct bytes value = bytes_trim(bytes_from(line, colon + 1));

	if (bytes_equal(name, BYTES("tls")))
		take_tls(s, value);
	else if (bytes_equal(name, BYTES("user")))
		s->policy.user = value;
	else if (bytes_equal(name, BYTES("password")))
		s->policy.password = value;
	else if (bytes_equal(name, BYTES("own")))
		s->policy.is_own = true;
	else if (bytes_equal(name, BYTES("piece")))
		s->piece = setting_number(value);
	else if (bytes_equal(name, BYTES("pieces")))
		s->pieces = setting_number(value);
}

/* A step; bytes of the same side are one. */
static void
add_step(struct script *s, enum step_kind kind, size_t n, struct bytes text)
{
	bool         is_stream = kind == STEP_CLIENT || kind == STEP_SERVER;
	struct step *last = s->n_steps > 0 ? &s->steps[s->n_steps - 1] : NULL;

	if (is_stream && last && last->kind == kind) {
		last->n += n;
		return;
	}
	assert_true(s->n_steps < STEPS_MAX);
	s->steps[s->n_steps++] = (struct step){ kind, n, text };
}

static bool
take_word(struct bytes word, const char *name, struct bytes *value)
{
	if (!bytes_start(word, bytes_of(name)))
		return false;
	*value = bytes_from(word, strlen(name));
	return true;
}

static struct message *
last_message(struct script *s)
{
	assert_true(s->n_messages > 0);
	return &s->messages[s->n_messages - 1];
}

/* "<a@b>", in the form of an R line; what it stands for takes no more room. */
static struct bytes
path_of(struct script *s, struct bytes word)
{
	char      *to = s->text.p + (word.p - s->text.p) + 1;
	struct buf path;
	size_t     n;

	assert_true(word.n >= 2 && word.p[word.n - 1] == '>');
	buf_init(&path, FILE_MAX);
	add_raw(&path, (struct bytes){ to, word.n - 2 });
	n = path.len;
	assert_false(path.failed);
	memcpy(to, buf_string(&path), n);
	buf_finish(&path);
	return (struct bytes){ to, n };
}

static void
take_parameter(struct message *m, struct bytes word)
{
	struct smtp_transaction_out *out = &m->out;
	struct bytes                 value;
	struct envelope_recipient   *r =
	    out->n_recipients > 0 ? &m->recipients[out->n_recipients - 1] : NULL;

	if (take_word(word, "ret=", &value))
		assert_true(dsn_ret_parse(value, &out->ret));
	else if (take_word(word, "envid=", &value))
		out->envid = value;
	else if (take_word(word, "size=", &value))
		out->size_bytes = setting_number(value);
	else if (bytes_equal(word, BYTES("8bit")))
		out->has_8bit = true;
	else if (bytes_equal(word, BYTES("utf8")))
		out->smtputf8 = true;
	else if (bytes_equal(word, BYTES("all")))
		out->all_or_none = true;
	else if (r && take_word(word, "notify=", &value))
		assert_true(dsn_notify_parse(value, &r->notify));
	else if (r && take_word(word, "orcpt=", &value))
		r->orcpt = value;
	else
		fail_msg("no such word: %.*s", BYTES_ARG(word));
}

/* "<from> ret=FULL <to> notify=NEVER <to>" */
static void
take_begin(struct script *s, struct bytes text)
{
	struct message *m;
	struct bytes    word;

	assert_true(s->n_messages < MESSAGES_MAX);
	m = &s->messages[s->n_messages++];
	*m = (struct message){ .out = { .recipients = m->recipients } };
	buf_init(&m->body, STREAM_MAX);
	assert_true(bytes_split(&text, ' ', &word));
	m->out.reverse_path = path_of(s, word);
	while (bytes_split(&text, ' ', &word)) {
		if (word.n == 0 || word.p[0] != '<') {
			take_parameter(m, word);
			continue;
		}
		assert_true(m->out.n_recipients < SMTP_CLIENT_RECIPIENTS_MAX);
		m->recipients[m->out.n_recipients++].address = path_of(s, word);
	}
	add_step(s, STEP_BEGIN, 0, BYTES(""));
}

static void
take_server(struct script *s, char kind, uint64_t times, struct bytes text)
{
	size_t before = s->server.len;

	while (times-- > 0) {
		if (kind == 'R')
			add_raw(&s->server, text);
		else
			buf_addf(&s->server, "%.*s\r\n", BYTES_ARG(text));
	}
	add_step(s, STEP_SERVER, s->server.len - before, BYTES(""));
}

static void
take_client(struct script *s, char kind, uint64_t times, struct bytes text)
{
	size_t before = s->client.len;

	while (times-- > 0) {
		if (kind == 'W')
			add_raw(&s->client, text);
		else
			buf_addf(&s->client, "%.*s\r\n", BYTES_ARG(text));
	}
	add_step(s, STEP_CLIENT, s->client.len - before, BYTES(""));
}

static void
take_message(struct script *s, char kind, uint64_t times, struct bytes text)
{
	struct buf *body = &last_message(s)->body;

	while (times-- > 0) {
		add_raw(body, text);
		if (kind == 'M')
			buf_add_char(body, '\n');
	}
}

static void
take_line(struct script *s, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes text = without_blank(bytes_from(line, colon + 1));
	uint64_t     times = times_of(bytes_first(line, colon));

	assert_true(colon < line.n);
	switch (line.p[0]) {
	case 'S':
	case 'R':
		take_server(s, line.p[0], times, text);
		break;
	case 'C':
	case 'W':
		take_client(s, line.p[0], times, text);
		break;
	case 'B':
		take_begin(s, text);
		break;
	case 'M':
	case 'N':
		take_message(s, line.p[0], times, text);
		break;
	case 'T':
		add_step(s, STEP_HANDSHAKE, 0, text);
		break;
	case 'A':
		add_step(s, STEP_ABORT, 0, text);
		break;
	case 'Q':
		add_step(s, STEP_QUIT, 0, text);
		break;
	case 'X':
		add_step(s, STEP_GONE, 0, text);
		break;
	case 'O':
		add_step(s, STEP_TIMEOUT, 0, text);
		break;
	case 'D':
	case 'U':
	case 'P':
	case 'E':
		buf_addf(&s->results, "%.*s\n", BYTES_ARG(line));
		break;
	default:
		fail_msg("no such line: %.*s", BYTES_ARG(line));
	}
}

static void
take_file(struct script *s)
{
	struct bytes rest = buf_bytes(&s->text), line;

	while (bytes_split(&rest, '\n', &line)) {
		if (line.n > 0 && line.p[0] == '#')
			take_setting(s, bytes_from(line, 1));
		else if (line.n > 0)
			take_line(s, line);
	}
	for (size_t i = 0; i < s->n_messages; i++)
		if (s->messages[i].out.size_bytes == 0)
			s->messages[i].out.size_bytes = s->messages[i].body.len;
}

static void
script_read(struct script *s, const char *path)
{
	FILE  *file = fopen(path, "r");
	char   chunk[4096];
	size_t n;

	assert_non_null(file);
	*s = (struct script){
		.policy = { .hostname = BYTES("client.example") },
		.piece = SMTP_CLIENT_BODY_CHUNK,
		.pieces = SIZE_MAX,
		.messages = calloc(MESSAGES_MAX, sizeof *s->messages),
	};
	assert_non_null(s->messages);
	buf_init(&s->text, FILE_MAX);
	buf_init(&s->client, STREAM_MAX);
	buf_init(&s->server, STREAM_MAX);
	buf_init(&s->results, FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		buf_add(&s->text, chunk, n);
	fclose(file);
	take_file(s);
	assert_false(s->text.failed || s->client.failed || s->server.failed);
	assert_true(s->server.len > 0 && s->results.len > 0);
}

static void
script_finish(struct script *s)
{
	for (size_t i = 0; i < s->n_messages; i++)
		buf_finish(&s->messages[i].body);
	free(s->messages);
	buf_finish(&s->text);
	buf_finish(&s->client);
	buf_finish(&s->server);
	buf_finish(&s->results);
}

/* --- the driver --- */

/* " 4.4.2 - connection lost": "=" of a reply, "+" that the server reports success itself. */
static void
add_result(struct run *r, struct status status, char mark, struct bytes text)
{
	buf_add_char(&r->results, ' ');
	status_add(&r->results, status);
	buf_addf(&r->results, " %c%s%.*s\n", mark, text.n > 0 ? " " : "",
	    BYTES_ARG(text));
}

static void
note_outcomes(struct run *r)
{
	const struct message *m = &r->script->messages[r->n_begun - 1];

	for (size_t i = 0; i < m->out.n_recipients; i++) {
		struct outcome o = smtp_client_outcome(r->engine, i);
		char           mark = o.is_reply ? '=' : '-';

		assert_false(o.is_handed_on &&
		    (!o.is_reply || o.kind != OUTCOME_DELIVERED));
		assert_int_equal(o.host.n + o.protection.n, 0);
		buf_addf(&r->results, "D: %s", outcome_name(o.kind));
		add_result(r, o.status, o.is_handed_on ? '+' : mark, o.text);
	}
	if (smtp_client_is_untried(r->engine))
		buf_add_string(&r->results, "U:\n");
	if (smtp_client_is_in_doubt(r->engine))
		buf_add_string(&r->results, "P:\n");
}

static void
note_end(struct run *r)
{
	static const char *const names[] = {
		[SMTP_CLIENT_FAULT_NONE] = "none",
		[SMTP_CLIENT_FAULT_TEMPORARY] = "temporary",
		[SMTP_CLIENT_FAULT_PERMANENT] = "permanent",
		[SMTP_CLIENT_FAULT_PROTOCOL] = "protocol",
		[SMTP_CLIENT_FAULT_TLS] = "tls",
		[SMTP_CLIENT_FAULT_LOST] = "lost",
		[SMTP_CLIENT_FAULT_TIMEOUT] = "timeout",
		[SMTP_CLIENT_FAULT_LOOP] = "loop",
	};

	if (r->is_open)
		note_outcomes(r);
	r->is_open = false;
	buf_addf(&r->results, "E: %s", names[smtp_client_fault(r->engine)]);
	add_result(r, smtp_client_fault_status(r->engine),
	    smtp_client_fault_is_reply(r->engine) ? '=' : '-',
	    smtp_client_fault_text(r->engine));
}

static void
take_output(struct run *r)
{
	struct bytes out = smtp_client_output(r->engine);

	buf_add_bytes(&r->output, out);
	smtp_client_sent(r->engine, out.n);
}

static void
give_body(struct run *r)
{
	struct bytes rest = bytes_from(
	    buf_bytes(&r->script->messages[r->n_begun - 1].body), r->body_at);
	struct bytes piece = bytes_first(rest, r->script->piece);

	r->body_at += piece.n;
	r->n_pieces++;
	smtp_client_body(r->engine, piece, piece.n == rest.n);
}

/*
 * Run until something of the next step is needed. While what the server says at once has not
 * come whole, no body is given: the cut must not decide what came first.
 */
static void
pump(struct run *r, bool gives_body)
{
	bool was_closed = r->event == SMTP_CLIENT_CLOSE;

	for (;;) {
		r->event = smtp_client_next(r->engine);
		take_output(r);
		switch (r->event) {
		case SMTP_CLIENT_FLUSH:
			break;
		case SMTP_CLIENT_BODY:
			if (!gives_body || r->n_pieces >= r->script->pieces)
				return;
			give_body(r);
			break;
		case SMTP_CLIENT_DONE:
			assert_true(r->is_open);
			note_outcomes(r);
			r->is_open = false;
			break;
		case SMTP_CLIENT_CLOSE:
			if (!was_closed)
				note_end(r);
			return;
		case SMTP_CLIENT_MORE:
		case SMTP_CLIENT_IDLE:
		case SMTP_CLIENT_HANDSHAKE:
			return;
		}
	}
}

/* All that was to be said by now, and no more. */
static void
check_said(const struct run *r)
{
	struct bytes want = bytes_first(buf_bytes(&r->script->client), r->wanted);

	if (!bytes_equal(want, buf_bytes(&r->output)))
		check_lines(r->name, want, buf_bytes(&r->output));
}

static size_t
piece_size(const struct run *r, size_t left)
{
	size_t n = left, room = smtp_client_room(r->engine);

	if (r->fed < r->cut.first && n > r->cut.first - r->fed)
		n = r->cut.first - r->fed;
	if (r->cut.every > 0 && n > r->cut.every)
		n = r->cut.every;
	return n < room ? n : room;
}

static void
hear(struct run *r, size_t left)
{
	while (left > 0) {
		size_t n = piece_size(r, left);

		assert_true(n > 0);
		smtp_client_feed(r->engine,
		    bytes_first(bytes_from(buf_bytes(&r->script->server), r->fed), n));
		r->fed += n;
		left -= n;
		pump(r, left == 0);
	}
}

static void
begin(struct run *r)
{
	assert_true(r->event == SMTP_CLIENT_IDLE || r->event == SMTP_CLIENT_CLOSE);
	smtp_client_begin(r->engine, &r->script->messages[r->n_begun].out);
	r->n_begun++;
	r->is_open = true;
	r->body_at = 0;
	r->n_pieces = 0;
	if (r->event == SMTP_CLIENT_CLOSE)
		r->event = SMTP_CLIENT_MORE; /* it tells again how it ended */
}

static void
shake_hands(struct run *r, struct bytes why)
{
	assert_int_equal(r->event, SMTP_CLIENT_HANDSHAKE);
	smtp_client_secured(r->engine, why.n == 0, why);
}

static void
take_step(struct run *r, const struct step *step)
{
	switch (step->kind) {
	case STEP_CLIENT:
		r->wanted += step->n;
		return;
	case STEP_SERVER:
		check_said(r);
		hear(r, step->n);
		return;
	case STEP_HANDSHAKE:
		shake_hands(r, step->text);
		break;
	case STEP_BEGIN:
		begin(r);
		break;
	case STEP_ABORT:
		smtp_client_abort(r->engine);
		break;
	case STEP_QUIT:
		smtp_client_quit(r->engine);
		break;
	case STEP_GONE:
		smtp_client_gone(r->engine);
		break;
	case STEP_TIMEOUT:
		smtp_client_timeout(r->engine);
		break;
	}
	pump(r, true);
}

static void
play(struct run *r, const char *name, const struct script *script, struct cut cut)
{
	*r = (struct run){ .name = name, .script = script, .cut = cut };
	buf_init(&r->output, STREAM_MAX);
	buf_init(&r->results, FILE_MAX);
	r->engine = smtp_client_new(&script->policy);
	assert_non_null(r->engine);
	pump(r, true);
	for (size_t i = 0; i < script->n_steps; i++)
		take_step(r, &script->steps[i]);
	check_said(r);
	assert_int_equal(r->fed, script->server.len);
	assert_false(r->output.failed || r->results.failed);
	smtp_client_free(r->engine);
	check_lines(name, buf_bytes(&script->results), buf_bytes(&r->results));
	buf_finish(&r->output);
	buf_finish(&r->results);
}

static void
check_transcript(const char *name, const char *path)
{
	struct script script;
	struct run    r;

	script_read(&script, path);
	play(&r, name, &script, (struct cut){ 0 });
	play(&r, name, &script, (struct cut){ .every = 1 });
	play(&r, name, &script, (struct cut){ .every = 7 });
	for (size_t at = 1; at < script.server.len;
	     at = next_position(at, script.server.len))
		play(&r, name, &script, (struct cut){ .first = at });
	script_finish(&script);
}

static const char *tests_folder;

static void
test_transcripts(void **state)
{
	(void)state;
	assert_true(for_each_transcript(tests_folder, ".smtpc", check_transcript) >= 50);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
	};

	if (argc < 2)
		return 2;
	tests_folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
