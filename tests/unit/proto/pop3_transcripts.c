/* Plays tests/transcripts/NAME.pop3: see the README there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"
#include "proto/pop3_server.h"
#include "transcript.h"

enum { FILE_MAX = 64 * 1024, STREAM_MAX = 8 * 1024 * 1024, MESSAGES_MAX = 8 };

struct script {
	struct pop3_policy policy;
	struct buf         messages[MESSAGES_MAX]; /* as they are stored */
	size_t             n_messages;
	struct buf         list;
	size_t             failed;     /* that the update cannot remove */
	size_t             unreadable; /* a message that cannot be opened; 0: none */
	size_t             broken;     /* and one that cannot be read to its end */
	struct buf         text;       /* the file; the rest borrows from it */
	struct buf         client;     /* all that the client sends */
	struct buf         server;     /* S lines with CRLF */
	struct buf         removed;    /* D lines, as they stand in the file */
	bool               closes;
};

struct run {
	const struct script *script;
	struct pop3_server   engine;
	struct buf           output;
	struct buf           removed;
	size_t               text_every;
	size_t               text_at;
	bool                 is_open;
	bool                 is_closed;
};

/* --- reading a transcript --- */

/* What RETR sends of it, counted byte by byte. */
static uint64_t
octets_of(struct bytes stored)
{
	uint64_t n = stored.n;

	for (size_t i = 0; i < stored.n; i++)
		if (stored.p[i] == '\n' && (i == 0 || stored.p[i - 1] != '\r'))
			n++;
	if (stored.n > 0 && stored.p[stored.n - 1] != '\n')
		n += stored.p[stored.n - 1] == '\r' ? 1 : 2;
	return n;
}

static void
take_message(struct script *s, struct bytes name, struct bytes content)
{
	struct buf             *b = &s->messages[s->n_messages];
	struct maildrop_message record;
	char                    uid[16];

	assert_true(s->n_messages < MESSAGES_MAX);
	buf_init(b, STREAM_MAX);
	for (uint64_t times = times_of(name); times > 0; times--)
		add_raw(b, content);
	s->n_messages++;
	snprintf(uid, sizeof uid, "uid-%zu", s->n_messages);
	record = (struct maildrop_message){ octets_of(buf_bytes(b)), bytes_of(uid) };
	maildrop_add(&s->list, &record);
}

static void
take_setting(struct script *s, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_trim(bytes_first(line, colon));
	struct bytes value = without_blank(bytes_from(line, colon + 1));

	if (bytes_start(name, BYTES("message")))
		take_message(s, name, value);
	else if (bytes_equal(name, BYTES("errors")))
		s->policy.errors_max = setting_number(value);
	else if (bytes_equal(name, BYTES("failed")))
		s->failed = setting_number(value);
	else if (bytes_equal(name, BYTES("unreadable")))
		s->unreadable = setting_number(value);
	else if (bytes_equal(name, BYTES("broken")))
		s->broken = setting_number(value);
}

static void
take_line(struct script *s, struct bytes line, bool *is_head)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes kind = bytes_first(line, colon);
	struct bytes text = without_blank(bytes_from(line, colon + 1));
	uint64_t     times;

	if (line.n == 0)
		return;
	if (line.p[0] == '#') {
		if (*is_head)
			take_setting(s, bytes_from(line, 1));
		return;
	}
	*is_head = false;
	assert_true(colon < line.n && !s->closes);
	switch (line.p[0]) {
	case 'C':
		buf_addf(&s->client, "%.*s\r\n", BYTES_ARG(text));
		break;
	case 'S':
		for (times = times_of(kind); times > 0; times--)
			buf_addf(&s->server, "%.*s\r\n", BYTES_ARG(text));
		break;
	case 'D':
		buf_addf(&s->removed, "%.*s\n", BYTES_ARG(line));
		break;
	case 'E':
		s->closes = true;
		break;
	case 'R':
		for (times = times_of(kind); times > 0; times--)
			add_raw(&s->client, text);
		break;
	default:
		fail_msg("no such line: %.*s", BYTES_ARG(line));
	}
}

static void
script_read(struct script *s, const char *path)
{
	FILE        *file = fopen(path, "r");
	struct bytes rest, line;
	char         chunk[4096];
	size_t       n;
	bool         is_head = true;

	assert_non_null(file);
	*s = (struct script){
		.policy = { .hostname = BYTES("mx.example"), .errors_max = 20 },
	};
	buf_init(&s->list, STREAM_MAX);
	buf_init(&s->text, FILE_MAX);
	buf_init(&s->client, STREAM_MAX);
	buf_init(&s->server, STREAM_MAX);
	buf_init(&s->removed, FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		buf_add(&s->text, chunk, n);
	fclose(file);
	rest = buf_bytes(&s->text);
	while (bytes_split(&rest, '\n', &line))
		take_line(s, line, &is_head);
	assert_false(s->text.failed || s->client.failed || s->server.failed);
	assert_true(s->server.len > 0);
	assert_true(maildrop_is_list(buf_bytes(&s->list), s->n_messages));
}

static void
script_finish(struct script *s)
{
	for (size_t i = 0; i < s->n_messages; i++)
		buf_finish(&s->messages[i]);
	buf_finish(&s->list);
	buf_finish(&s->text);
	buf_finish(&s->client);
	buf_finish(&s->server);
	buf_finish(&s->removed);
}

/* --- the driver --- */

static void
answer_login(struct run *r)
{
	static const struct {
		const char     *user, *password;
		enum pop3_login answer;
	} accounts[] = {
		{ "alice", "wonder land", POP3_LOGIN_OK },
		{ "try-later", "wonder land", POP3_LOGIN_TRY_LATER },
	};
	struct bytes    user = pop3_server_user(&r->engine);
	struct bytes    password = pop3_server_password(&r->engine);
	enum pop3_login answer = POP3_LOGIN_NO;

	assert_true(user.n > 0 && password.n > 0);
	for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++)
		if (bytes_equal(user, bytes_of(accounts[i].user)) &&
		    bytes_equal(password, bytes_of(accounts[i].password)))
			answer = accounts[i].answer;
	pop3_server_answer_login(&r->engine, answer,
	    buf_bytes(&r->script->list), r->script->n_messages);
}

/* As a D line. */
static void
answer_update(struct run *r)
{
	size_t n = 0;

	buf_add_string(&r->removed, "D:");
	for (size_t number = 1; number <= r->script->n_messages; number++)
		if (pop3_server_is_deleted(&r->engine, number)) {
			buf_addf(&r->removed, " %zu", number);
			n++;
		}
	buf_add_char(&r->removed, '\n');
	assert_int_equal(n, pop3_server_deleted_count(&r->engine));
	pop3_server_answer_update(&r->engine, r->script->failed);
}

static void
answer(struct run *r, enum pop3_event question)
{
	size_t number = pop3_server_number(&r->engine);

	if (question == POP3_ASK_LOGIN)
		answer_login(r);
	else if (question == POP3_ASK_UPDATE)
		answer_update(r);
	else if (question == POP3_ASK_MESSAGE) {
		assert_false(r->is_open);
		assert_true(number >= 1 && number <= r->script->n_messages);
		r->is_open = number != r->script->unreadable;
		r->text_at = 0;
		pop3_server_answer_message(&r->engine, r->is_open);
	}
}

static void
give_text(struct run *r)
{
	size_t       number = pop3_server_number(&r->engine);
	struct bytes rest = bytes_from(
	    buf_bytes(&r->script->messages[number - 1]), r->text_at);
	struct bytes piece = bytes_first(
	    rest, r->text_every > 0 ? r->text_every : (size_t)POP3_TEXT_MAX);

	assert_true(r->is_open);
	if (number == r->script->broken) {
		pop3_server_text_failed(&r->engine);
		return;
	}
	r->text_at += piece.n;
	pop3_server_text(&r->engine, piece, piece.n == rest.n);
}

static void
take_output(struct run *r)
{
	struct bytes out = pop3_server_output(&r->engine);

	buf_add_bytes(&r->output, out);
	pop3_server_sent(&r->engine, out.n);
}

/*
 * Run until input is needed (MORE) or the session is closed. When answers come late, *question
 * is left open as long as more input may be fed.
 */
static void
pump(struct run *r, enum pop3_event *question, bool is_late)
{
	for (;;) {
		enum pop3_event event = pop3_server_next(&r->engine);

		switch (event) {
		case POP3_ASK_LOGIN:
		case POP3_ASK_MESSAGE:
		case POP3_ASK_UPDATE:
			*question = event;
			break;
		case POP3_WAIT:
			if (is_late)
				return;
			answer(r, *question);
			break;
		case POP3_ASK_TEXT:
			give_text(r);
			break;
		case POP3_MESSAGE_DONE:
			assert_true(r->is_open);
			r->is_open = false;
			break;
		case POP3_FLUSH:
			take_output(r);
			break;
		case POP3_MORE:
			take_output(r);
			return;
		case POP3_CLOSE:
			assert_false(r->is_open);
			take_output(r);
			r->is_closed = true;
			return;
		}
	}
}

static size_t
piece_size(const struct run *r, const struct cut *cut, size_t fed)
{
	size_t n = r->script->client.len - fed;
	size_t room = pop3_server_room(&r->engine);

	if (fed < cut->first && n > cut->first - fed)
		n = cut->first - fed;
	if (cut->every > 0 && n > cut->every)
		n = cut->every;
	return n < room ? n : room;
}

static void
play(struct run *r, const struct script *script, struct cut cut)
{
	enum pop3_event question = POP3_MORE;
	size_t          fed = 0;

	*r = (struct run){ .script = script, .text_every = cut.every };
	buf_init(&r->output, STREAM_MAX);
	buf_init(&r->removed, FILE_MAX);
	pop3_server_init(&r->engine, &script->policy);
	pop3_server_greet(&r->engine);
	while (fed < script->client.len && !r->is_closed) {
		size_t n = piece_size(r, &cut, fed);

		pop3_server_feed(&r->engine,
		    bytes_first(bytes_from(buf_bytes(&script->client), fed), n));
		fed += n;
		pump(r, &question, cut.is_late && n > 0);
	}
	pump(r, &question, false);
	assert_false(r->output.failed || r->removed.failed);
}

static void
run_finish(struct run *r)
{
	pop3_server_finish(&r->engine);
	buf_finish(&r->output);
	buf_finish(&r->removed);
}

/* --- what must hold --- */

static void
check_conversation(const char *name, const struct script *script, const struct run *r)
{
	check_lines(name, buf_bytes(&script->server), buf_bytes(&r->output));
	if (r->is_closed != script->closes)
		fail_msg("%s: closed: %d", name, r->is_closed);
	if (!bytes_equal(buf_bytes(&script->removed), buf_bytes(&r->removed)))
		fail_msg("%s: removed: %.*s", name, BYTES_ARG(buf_bytes(&r->removed)));
}

static void
check_same(const char *name, const struct script *script, const struct run *whole,
    struct cut cut)
{
	struct run r;

	play(&r, script, cut);
	if (!bytes_equal(buf_bytes(&whole->output), buf_bytes(&r.output)) ||
	    !bytes_equal(buf_bytes(&whole->removed), buf_bytes(&r.removed)) ||
	    whole->is_closed != r.is_closed)
		fail_msg("%s: cut at %zu, every %zu, late %d: other output:\n%.*s",
		    name, cut.first, cut.every, cut.is_late,
		    BYTES_ARG(buf_bytes(&r.output)));
	run_finish(&r);
}

static void
check_transcript(const char *name, const char *path)
{
	struct script script;
	struct run    whole;

	script_read(&script, path);
	play(&whole, &script, (struct cut){ 0 });
	check_conversation(name, &script, &whole);
	check_same(name, &script, &whole, (struct cut){ .every = 1 });
	check_same(name, &script, &whole, (struct cut){ .is_late = true });
	check_same(name, &script, &whole,
	    (struct cut){ .every = 7, .is_late = true });
	for (size_t at = 1; at < script.client.len;
	     at = next_position(at, script.client.len))
		check_same(name, &script, &whole, (struct cut){ .first = at });
	run_finish(&whole);
	script_finish(&script);
}

static const char *tests_folder;

static void
test_transcripts(void **state)
{
	(void)state;
	assert_true(for_each_transcript(tests_folder, ".pop3", check_transcript) >= 20);
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
