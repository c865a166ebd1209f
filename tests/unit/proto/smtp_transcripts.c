/* Plays tests/transcripts/NAME.smtp: see the README there. */
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
#include "proto/dsn_parameter.h"
#include "proto/smtp_server.h"
#include "transcript.h"

enum { FILE_MAX = 64 * 1024, STREAM_MAX = 8 * 1024 * 1024, HANDSHAKES_MAX = 4 };

struct script {
	struct smtp_policy policy;
	bool               inside;
	struct bytes       suffix;   /* what rules say */
	uint64_t           databytes;
	bool               is_granted;
	bool               is_split; /* the cut decides nothing */
	struct smtp_reply  commit;
	struct buf         text;     /* the file; the rest borrows from it */
	struct buf         client;   /* all that the client sends */
	size_t             handshakes[HANDSHAKES_MAX]; /* positions in it: T lines */
	size_t             n_handshakes;
	struct buf         server;   /* S lines with CRLF */
	struct buf         stored;   /* V and M lines, as they stand in the file */
	bool               closes;
};

struct run {
	const struct script *script;
	struct smtp_server   engine;
	size_t               fed;
	size_t               n_handshakes;
	struct buf           output;
	struct buf           message;
	struct buf           stored;
	bool                 is_closed;
};

/* --- reading a transcript --- */

static bool
setting_is_yes(struct bytes value)
{
	assert_true(bytes_equal(value, BYTES("yes")) ||
	    bytes_equal(value, BYTES("no")));
	return bytes_equal(value, BYTES("yes"));
}

/* "554 5.7.1 text" */
static struct smtp_reply
setting_reply(struct bytes value)
{
	struct smtp_reply r = { .code = 0 };
	struct bytes      code, status;
	uint64_t          n;

	assert_true(bytes_split(&value, ' ', &code));
	assert_true(number_parse(code, 599, &n));
	assert_true(bytes_split(&value, ' ', &status));
	assert_true(status_parse(status, &r.status));
	r.code = (uint16_t)n;
	r.text = value;
	return r;
}

static void
set_listener(struct smtp_policy *policy, struct bytes name)
{
	const struct listener_policy *is = listener_policy(name);

	assert_non_null(is);
	assert_int_equal(is->protocol, LISTENER_SMTP);
	policy->listener = name;
	policy->tls = is->tls;
	policy->auth = is->auth;
	policy->is_local = is->is_local;
}

static void
take_setting(struct script *s, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_trim(bytes_first(line, colon));
	struct bytes value = bytes_trim(bytes_from(line, colon + 1));

	if (bytes_equal(name, BYTES("relayclient"))) {
		s->suffix = value;
		s->inside = s->is_granted = true;
	} else if (bytes_equal(name, BYTES("databytes"))) {
		s->databytes = setting_number(value);
		s->is_granted = true;
	} else if (bytes_equal(name, BYTES("inside")))
		s->inside = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("listener")))
		set_listener(&s->policy, value);
	else if (bytes_equal(name, BYTES("split")))
		s->is_split = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("any_sender")))
		s->policy.any_sender = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("hide_client")))
		s->policy.hide_client = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("message_size")))
		s->policy.size_max = setting_number(value);
	else if (bytes_equal(name, BYTES("recipients")))
		s->policy.recipients_max = setting_number(value);
	else if (bytes_equal(name, BYTES("errors")))
		s->policy.errors_max = setting_number(value);
	else if (bytes_equal(name, BYTES("hops")))
		s->policy.hops_max = setting_number(value);
	else if (bytes_equal(name, BYTES("bounce_single_recipient")))
		s->policy.bounce_single_recipient = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("refuse_relay_probes")))
		s->policy.refuse_relay_probes = setting_is_yes(value);
	else if (bytes_equal(name, BYTES("commit")))
		s->commit = setting_reply(value);
}

static void
take_line(struct script *s, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes kind = bytes_first(line, colon);
	struct bytes text = without_blank(bytes_from(line, colon + 1));
	uint64_t     times;

	if (line.n == 0)
		return;
	if (line.p[0] == '#') {
		take_setting(s, bytes_from(line, 1));
		return;
	}
	assert_true(colon < line.n && !s->closes);
	switch (line.p[0]) {
	case 'C':
		buf_addf(&s->client, "%.*s\r\n", BYTES_ARG(text));
		break;
	case 'S':
		buf_addf(&s->server, "%.*s\r\n", BYTES_ARG(text));
		break;
	case 'V':
	case 'M':
		buf_addf(&s->stored, "%.*s\n", BYTES_ARG(line));
		break;
	case 'T':
		assert_true(s->n_handshakes < HANDSHAKES_MAX);
		s->handshakes[s->n_handshakes++] = s->client.len;
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

	assert_non_null(file);
	*s = (struct script){
		.policy = {
			.hostname = BYTES("mx.example"),
			.size_max = 50 * 1024 * 1024,
			.recipients_max = 100,
			.errors_max = 20,
			.hops_max = 100,
			.bounce_single_recipient = true,
			.refuse_relay_probes = true,
		},
		.is_split = true,
		.commit = { .code = 0 },
	};
	set_listener(&s->policy, BYTES("smtp"));
	buf_init(&s->text, FILE_MAX);
	buf_init(&s->client, STREAM_MAX);
	buf_init(&s->server, FILE_MAX);
	buf_init(&s->stored, FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		buf_add(&s->text, chunk, n);
	fclose(file);
	rest = buf_bytes(&s->text);
	while (bytes_split(&rest, '\n', &line))
		take_line(s, line);
	if (s->databytes == 0)
		s->databytes = s->policy.size_max;
	assert_false(s->text.failed || s->client.failed || s->server.failed);
	assert_true(s->server.len > 0);
}

static void
script_finish(struct script *s)
{
	buf_finish(&s->text);
	buf_finish(&s->client);
	buf_finish(&s->server);
	buf_finish(&s->stored);
}

/* --- the driver --- */

static enum smtp_recipient_answer
directory_answer(struct bytes address)
{
	static const char *const known[] = { "alice@mx.example",
		"bob@mx.example", "postmaster@mx.example", "postmaster" };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (bytes_equal(address, bytes_of(known[i])))
			return SMTP_RECIPIENT_OK;
	if (bytes_equal(address, BYTES("try-later@mx.example")))
		return SMTP_RECIPIENT_TRY_LATER;
	if (bytes_equal(bytes_from(address, bytes_find_last(address, '@')),
	        BYTES("@mx.example")))
		return SMTP_RECIPIENT_UNKNOWN;
	return SMTP_RECIPIENT_NOT_OURS;
}

/* One password is right; what is wrong with another is not said. */
static void
answer_auth(struct smtp_server *s)
{
	struct bytes          user = smtp_server_user(s);
	struct bytes          password = smtp_server_password(s);
	enum smtp_auth_answer answer = SMTP_AUTH_NO;

	if (bytes_equal_nocase(user, BYTES("alice")) &&
	    bytes_equal(password, BYTES("wonderland")))
		answer = SMTP_AUTH_YES;
	else if (bytes_equal(user, BYTES("try-later")))
		answer = SMTP_AUTH_TRY_LATER;
	smtp_server_answer_auth(s, answer, BYTES("alice"));
}

static enum smtp_sender_answer
sender_answer(struct bytes user, struct bytes address)
{
	assert_true(bytes_equal(user, BYTES("alice")));
	if (bytes_equal(address, BYTES("alice@mx.example")))
		return SMTP_SENDER_OWN;
	if (bytes_equal(address, BYTES("try-later@mx.example")))
		return SMTP_SENDER_TRY_LATER;
	return SMTP_SENDER_NOT_OWN;
}

/* TLS comes where a T line stands, and nowhere else. */
static void
shake_hands(struct run *r)
{
	const struct script *script = r->script;

	assert_true(r->n_handshakes < script->n_handshakes);
	assert_int_equal(r->fed, script->handshakes[r->n_handshakes]);
	r->n_handshakes++;
	smtp_server_secured(&r->engine, BYTES("TLSv1.3 TLS_AES_256_GCM_SHA384"));
}

/* As V and M lines. */
static void
store_message(struct run *r, const struct envelope *e)
{
	struct bytes rest = buf_bytes(&r->message);
	struct bytes line;

	assert_int_equal(e->size_bytes, rest.n);
	assert_true(e->n_recipients > 0);
	buf_addf(&r->stored, "V: <%.*s>", BYTES_ARG(e->reverse_path));
	if (e->smtputf8)
		buf_add_string(&r->stored, " SMTPUTF8");
	dsn_ret_add(&r->stored, e->ret);
	dsn_envid_add(&r->stored, e->envid);
	for (size_t i = 0; i < e->n_recipients; i++) {
		buf_addf(&r->stored, " <%.*s>",
		    BYTES_ARG(e->recipients[i].address));
		dsn_notify_add(&r->stored, e->recipients[i].notify);
		dsn_orcpt_add(&r->stored, e->recipients[i].orcpt);
	}
	if (e->user.n > 0)
		buf_addf(&r->stored, " by %.*s", BYTES_ARG(e->user));
	buf_add_char(&r->stored, '\n');
	assert_true(bytes_start(rest, BYTES("Received: from ")));
	bytes_split(&rest, '\n', &line);
	while (rest.n > 0 && rest.p[0] == '\t')
		bytes_split(&rest, '\n', &line);
	while (bytes_split(&rest, '\n', &line))
		buf_addf(&r->stored, "M:%s%.*s\n", line.n > 0 ? " " : "",
		    BYTES_ARG(line));
}

static void
commit(struct run *r)
{
	const struct envelope *e = smtp_server_envelope(&r->engine);
	struct smtp_reply      reply = r->script->commit;
	char                   text[80];

	if (reply.code == 0) {
		snprintf(text, sizeof text, "accepted, id %s", id_text(&e->id).p);
		reply = (struct smtp_reply){ 250, STATUS(2, 0, 0), bytes_of(text) };
	}
	if (reply.code == 250)
		store_message(r, e);
	buf_clear(&r->message);
	smtp_server_answer_commit(&r->engine, reply);
}

static void
answer(struct run *r, enum smtp_event question)
{
	static const struct id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };

	if (question == SMTP_HANDSHAKE)
		shake_hands(r);
	else if (question == SMTP_ASK_AUTH)
		answer_auth(&r->engine);
	else if (question == SMTP_ASK_SENDER)
		smtp_server_answer_sender(&r->engine,
		    sender_answer(smtp_server_authenticated(&r->engine),
		        smtp_server_sender(&r->engine)));
	else if (question == SMTP_ASK_RECIPIENT)
		smtp_server_answer_recipient(&r->engine,
		    directory_answer(smtp_server_recipient(&r->engine)));
	else if (question == SMTP_ASK_DATA)
		smtp_server_answer_data(&r->engine, &id, 1764028800000);
	else if (question == SMTP_COMMIT)
		commit(r);
}

static void
take_output(struct run *r)
{
	struct bytes out = smtp_server_output(&r->engine);

	buf_add_bytes(&r->output, out);
	smtp_server_sent(&r->engine, out.n);
}

/*
 * Run until input is needed (MORE) or the session is closed. When answers come late, *question
 * is left open as long as more input may be fed.
 */
static void
pump(struct run *r, enum smtp_event *question, bool is_late)
{
	for (;;) {
		enum smtp_event event = smtp_server_next(&r->engine);

		switch (event) {
		case SMTP_HANDSHAKE:
		case SMTP_ASK_AUTH:
		case SMTP_ASK_SENDER:
		case SMTP_ASK_RECIPIENT:
		case SMTP_ASK_DATA:
		case SMTP_COMMIT:
			*question = event;
			break;
		case SMTP_WAIT:
			if (is_late)
				return;
			answer(r, *question);
			break;
		case SMTP_BODY:
			buf_add_bytes(
			    &r->message, smtp_server_body(&r->engine));
			break;
		case SMTP_DISCARD:
			buf_clear(&r->message);
			break;
		case SMTP_FLUSH:
			take_output(r);
			break;
		case SMTP_MORE:
			take_output(r);
			return;
		case SMTP_CLOSE:
			take_output(r);
			r->is_closed = true;
			return;
		}
	}
}

static size_t
piece_size(const struct run *r, const struct cut *cut)
{
	size_t end = r->script->client.len;
	size_t room = smtp_server_room(&r->engine);
	size_t n;

	if (r->n_handshakes < r->script->n_handshakes)
		end = r->script->handshakes[r->n_handshakes];
	n = end - r->fed;
	if (r->fed < cut->first && n > cut->first - r->fed)
		n = cut->first - r->fed;
	if (cut->every > 0 && n > cut->every)
		n = cut->every;
	return n < room ? n : room;
}

static void
play(struct run *r, const struct script *script, struct cut cut)
{
	enum smtp_event question = SMTP_MORE;

	*r = (struct run){ .script = script };
	buf_init(&r->output, STREAM_MAX);
	buf_init(&r->message, STREAM_MAX);
	buf_init(&r->stored, STREAM_MAX);
	smtp_server_init(&r->engine, &script->policy, BYTES("192.0.2.1"),
	    BYTES("client.example"), script->inside);
	if (script->is_granted)
		smtp_server_grant(&r->engine, script->suffix, script->databytes);
	if (script->policy.tls == LISTENER_TLS)
		smtp_server_secured(&r->engine, BYTES("TLSv1.3 TLS_AES_256_GCM_SHA384"));
	if (script->policy.is_local)
		smtp_server_account(&r->engine, BYTES("alice"), 1000);
	smtp_server_greet(&r->engine);
	while (r->fed < script->client.len && !r->is_closed) {
		size_t n = piece_size(r, &cut);
		size_t handshakes = r->n_handshakes;
		bool   is_full = smtp_server_room(&r->engine) == 0;

		smtp_server_feed(&r->engine,
		    bytes_first(bytes_from(buf_bytes(&script->client), r->fed), n));
		r->fed += n;
		pump(r, &question, cut.is_late && n > 0);
		if (n == 0 && !is_full && r->n_handshakes == handshakes)
			fail_msg("no handshake behind %zu bytes", r->fed);
	}
	pump(r, &question, false);
	assert_true(r->is_closed || r->n_handshakes == script->n_handshakes);
	assert_false(r->output.failed || r->message.failed || r->stored.failed);
}

static void
run_finish(struct run *r)
{
	smtp_server_finish(&r->engine);
	buf_finish(&r->output);
	buf_finish(&r->message);
	buf_finish(&r->stored);
}

/* --- what must hold --- */

static size_t
count_lines(struct bytes text, struct bytes front)
{
	struct bytes line;
	size_t       n = 0;

	while (bytes_split(&text, '\n', &line))
		n += bytes_start(line, front);
	return n;
}

static void
check_conversation(const char *name, const struct script *script, const struct run *r)
{
	check_lines(name, buf_bytes(&script->server), buf_bytes(&r->output));
	if (r->is_closed != script->closes)
		fail_msg("%s: closed: %d", name, r->is_closed);
	if (script->stored.len > 0 &&
	    !bytes_equal(buf_bytes(&script->stored), buf_bytes(&r->stored)))
		fail_msg("%s: stored:\n%.*s", name, BYTES_ARG(buf_bytes(&r->stored)));
	assert_int_equal(count_lines(buf_bytes(&r->stored), BYTES("V:")),
	    count_lines(buf_bytes(&r->output), BYTES("250 2.0.0 accepted")));
}

static void
check_same(const char *name, const struct script *script, const struct run *whole,
    struct cut cut)
{
	struct run r;

	play(&r, script, cut);
	if (!bytes_equal(buf_bytes(&whole->output), buf_bytes(&r.output)) ||
	    !bytes_equal(buf_bytes(&whole->stored), buf_bytes(&r.stored)) ||
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
	if (!script.is_split)
		goto done;
	check_same(name, &script, &whole, (struct cut){ .every = 1 });
	check_same(name, &script, &whole, (struct cut){ .is_late = true });
	check_same(name, &script, &whole,
	    (struct cut){ .every = 7, .is_late = true });
	for (size_t at = 1; at < script.client.len;
	     at = next_position(at, script.client.len))
		check_same(name, &script, &whole, (struct cut){ .first = at });
done:
	run_finish(&whole);
	script_finish(&script);
}

static const char *tests_folder;

static void
test_transcripts(void **state)
{
	(void)state;
	assert_true(for_each_transcript(tests_folder, ".smtp", check_transcript) >= 25);
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
