/*
 * A session with any input at all, cut in any way, any messages and any answers. The first
 * byte says where the second feeding is cut, the second and third draw the answers; then
 * come the messages, each ended by 0xff (at most MESSAGES), and what the client sends.
 * Invariants:
 *
 * - neither the output nor what is removed depends on the cut,
 * - nothing is asked for before a login was granted, and nothing but CAPA's list, "+ "
 *   and one line a command is said,
 * - no update without a login and a line QUIT, and then one,
 * - what RETR sends is the message, by the plain rules of RFC 1939 section 3, and as long as
 *   the list says; what TOP sends is the beginning of that,
 * - every reply is a line of at most 512 octets, ended by CRLF.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/pop3_server.h"

enum { OUTPUT_MAX = 64 * 1024 * 1024, FOREVER = 10 * 1000 * 1000, MESSAGES = 5 };

static const struct pop3_policy policy = {
	.hostname = BYTES_INIT("mx.example"),
	.errors_max = 20,
};

struct mail {
	struct bytes stored;
	struct buf   wire; /* as RETR sends it, without the dot at the end */
	uint64_t     octets;
};

struct maildrop {
	struct mail mails[MESSAGES];
	size_t      n;
	struct buf  list;
};

struct run {
	const struct maildrop *maildrop;
	struct pop3_server     s;
	struct buf             output, removed;
	uint32_t               random; /* the same answers in every run */
	size_t                 text_every;
	enum pop3_event        question;
	bool                   is_in, is_open, is_closed;
	size_t                 opened_at; /* where in the output the message begins */
	size_t                 entered_at;
	size_t                 text_at;
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

/* --- the maildrop --- */

static void
make_mail(struct mail *m, struct bytes stored)
{
	char last = '\n';

	*m = (struct mail){ .stored = stored };
	buf_init(&m->wire, OUTPUT_MAX);
	for (size_t i = 0; i < stored.n; i++) {
		bool is_stuffed = last == '\n' && stored.p[i] == '.';
		bool is_ended = last != '\r' && stored.p[i] == '\n';

		if (is_stuffed)
			buf_add_char(&m->wire, '.');
		if (is_ended)
			buf_add_char(&m->wire, '\r');
		buf_add_char(&m->wire, last = stored.p[i]);
		m->octets += 1u + is_ended;
	}
	if (last != '\n') {
		buf_add_string(&m->wire, last == '\r' ? "\n" : "\r\n");
		m->octets += last == '\r' ? 1 : 2;
	}
}

static void
make_maildrop(struct maildrop *d, struct bytes *input)
{
	static const char *const uids[] = { "!", "b", "c", "d", "e" };
	struct maildrop_message  record;
	struct bytes             stored;

	*d = (struct maildrop){ .n = 0 };
	buf_init(&d->list, OUTPUT_MAX);
	while (d->n < MESSAGES && bytes_find(*input, '\xff') < input->n) {
		struct mail *m = &d->mails[d->n];

		bytes_split(input, '\xff', &stored);
		make_mail(m, stored);
		record = (struct maildrop_message){ m->octets, bytes_of(uids[d->n]) };
		maildrop_add(&d->list, &record);
		d->n++;
	}
	check(maildrop_is_list(buf_bytes(&d->list), d->n));
}

static void
finish_maildrop(struct maildrop *d)
{
	for (size_t i = 0; i < d->n; i++)
		buf_finish(&d->mails[i].wire);
	buf_finish(&d->list);
}

/* --- the driver --- */

static void
take_output(struct run *r)
{
	struct bytes out = pop3_server_output(&r->s);

	buf_add_bytes(&r->output, out);
	pop3_server_sent(&r->s, out.n);
}

static const struct mail *
current_mail(const struct run *r)
{
	size_t number = pop3_server_number(&r->s);

	check(r->is_in && number >= 1 && number <= r->maildrop->n);
	return &r->maildrop->mails[number - 1];
}

static void
answer_login(struct run *r)
{
	struct bytes    user = pop3_server_user(&r->s);
	struct bytes    password = pop3_server_password(&r->s);
	enum pop3_login answer = draw(r) % 4 ? POP3_LOGIN_OK : draw(r) % 3;

	check(!r->is_in && !pop3_server_is_logged_in(&r->s));
	check(user.n > 0 && user.n <= SASL_USER_MAX);
	check(password.n > 0 && password.n <= SASL_PASSWORD_MAX);
	check(bytes_find(user, '\0') == user.n);
	check(bytes_find(password, '\0') == password.n);
	r->is_in = answer == POP3_LOGIN_OK;
	take_output(r);
	r->entered_at = r->output.len;
	pop3_server_answer_login(
	    &r->s, answer, buf_bytes(&r->maildrop->list), r->maildrop->n);
	check(pop3_server_is_logged_in(&r->s) == r->is_in);
}

static void
answer_message(struct run *r)
{
	check(!r->is_open);
	check(!pop3_server_is_deleted(&r->s, pop3_server_number(&r->s)));
	current_mail(r);
	take_output(r);
	r->is_open = draw(r) % 16 != 0;
	r->opened_at = r->output.len;
	r->text_at = 0;
	pop3_server_answer_message(&r->s, r->is_open);
}

static void
answer_update(struct run *r)
{
	size_t n = 0;

	check(r->is_in && !r->is_open);
	check(r->removed.len == 0);
	buf_add_char(&r->removed, 'U');
	for (size_t number = 1; number <= r->maildrop->n; number++)
		if (pop3_server_is_deleted(&r->s, number)) {
			buf_add_number(&r->removed, number);
			n++;
		}
	check(n == pop3_server_deleted_count(&r->s));
	pop3_server_answer_update(&r->s, draw(r) % 2);
}

static void
answer(struct run *r)
{
	if (r->question == POP3_ASK_LOGIN)
		answer_login(r);
	else if (r->question == POP3_ASK_MESSAGE)
		answer_message(r);
	else
		answer_update(r);
	r->question = POP3_MORE;
}

static void
give_text(struct run *r)
{
	struct bytes rest = bytes_from(current_mail(r)->stored, r->text_at);
	struct bytes piece = bytes_first(rest, r->text_every);

	check(r->is_open);
	r->text_at += piece.n;
	pop3_server_text(&r->s, piece, piece.n == rest.n);
}

/* The first line of text, without CRLF. */
static struct bytes
first_line(struct bytes *text)
{
	struct bytes line;

	check(bytes_split(text, '\n', &line));
	check(line.n > 0 && line.p[line.n - 1] == '\r');
	return bytes_first(line, line.n - 1);
}

/* All of it was sent, and its end. */
static void
check_message(struct run *r)
{
	const struct mail *m = current_mail(r);
	struct bytes       sent, status;
	struct buf         retr;

	check(r->is_open);
	r->is_open = false;
	take_output(r);
	sent = bytes_from(buf_bytes(&r->output), r->opened_at);
	status = first_line(&sent);
	check(sent.n >= 3 && memcmp(sent.p + sent.n - 3, ".\r\n", 3) == 0);
	sent = bytes_first(sent, sent.n - 3);
	check(bytes_start(buf_bytes(&m->wire), sent));
	check(sent.n == 0 || sent.p[sent.n - 1] == '\n');
	if (bytes_equal(status, BYTES("+OK the top follows")))
		return;
	buf_init(&retr, OUTPUT_MAX);
	buf_add_string(&retr, "+OK ");
	buf_add_number(&retr, m->octets);
	buf_add_string(&retr, " octets");
	check(bytes_equal(status, buf_bytes(&retr)));
	check(sent.n == m->wire.len);
	buf_finish(&retr);
}

static void
pump(struct run *r)
{
	for (int turns = 0; turns < FOREVER; turns++) {
		enum pop3_event event = pop3_server_next(&r->s);

		switch (event) {
		case POP3_ASK_LOGIN:
		case POP3_ASK_MESSAGE:
		case POP3_ASK_UPDATE:
			check(r->question == POP3_MORE);
			r->question = event;
			break;
		case POP3_WAIT:
			check(r->question != POP3_MORE);
			answer(r);
			break;
		case POP3_ASK_TEXT:
			give_text(r);
			break;
		case POP3_MESSAGE_DONE:
			check_message(r);
			break;
		case POP3_FLUSH:
			check(pop3_server_output(&r->s).n >= POP3_OUTPUT_HIGH);
			take_output(r);
			break;
		case POP3_MORE:
			take_output(r);
			return;
		case POP3_CLOSE:
			check(!r->is_open);
			take_output(r);
			r->is_closed = true;
			return;
		}
	}
	abort();
}

/* cut: the size of the pieces; 0: as large as there is room. */
static void
play(struct run *r, const struct maildrop *maildrop, struct bytes input,
    uint32_t random, size_t cut)
{
	*r = (struct run){
		.maildrop = maildrop,
		.random = random,
		.question = POP3_MORE,
		.text_every = cut > 0 ? cut : POP3_TEXT_MAX,
	};
	buf_init(&r->output, OUTPUT_MAX);
	buf_init(&r->removed, OUTPUT_MAX);
	pop3_server_init(&r->s, &policy);
	pop3_server_greet(&r->s);
	pump(r);
	while (input.n > 0 && !r->is_closed) {
		size_t n = pop3_server_room(&r->s);

		check(n > 0);
		if (cut > 0 && n > cut)
			n = cut;
		pop3_server_feed(&r->s, bytes_first(input, n));
		input = bytes_from(input, n);
		pump(r);
	}
	check(!r->output.failed && !r->removed.failed);
	if (!r->is_closed) {
		pop3_server_timeout(&r->s);
		check(pop3_server_next(&r->s) == POP3_CLOSE);
		check(pop3_server_output(&r->s).n == 0);
	}
	pop3_server_finish(&r->s);
}

static void
finish(struct run *r)
{
	buf_finish(&r->output);
	buf_finish(&r->removed);
}

/* --- what must hold in the end --- */

static bool
is_quit(struct bytes line)
{
	return bytes_start_nocase(line, BYTES("QUIT")) &&
	    bytes_trim(bytes_from(line, 4)).n == 1; /* its CR */
}

/* Only that leads to an update. */
static bool
has_quit(struct bytes input)
{
	struct bytes line;

	while (bytes_split(&input, '\n', &line))
		if (is_quit(line))
			return true;
	return false;
}

static bool
is_capability(struct bytes line)
{
	static const char *const all[] = { "TOP", "USER", "SASL PLAIN", "RESP-CODES",
		"AUTH-RESP-CODE", "PIPELINING", "UIDL", "UTF8", "IMPLEMENTATION Ampel", "." };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (bytes_equal(line, bytes_of(all[i])))
			return true;
	return false;
}

/* To whom nobody has let in. */
static void
check_outside(struct bytes output)
{
	while (output.n > 0) {
		struct bytes line = first_line(&output);

		check(line.n + 2 <= 512);
		check(bytes_start(line, BYTES("+OK")) ||
		    bytes_start(line, BYTES("-ERR ")) ||
		    bytes_equal(line, BYTES("+ ")) || is_capability(line));
		check(!bytes_start(line, BYTES("+OK ")) || !byte_is_digit(line.p[4]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes    input = { (const char *)data, size };
	struct maildrop maildrop;
	struct run      whole, split;
	struct bytes    output;
	uint32_t        random;

	if (size < 3)
		return 0;
	random = (uint32_t)data[1] << 8 | data[2];
	input = bytes_from(input, 3);
	make_maildrop(&maildrop, &input);
	play(&whole, &maildrop, input, random, 0);
	play(&split, &maildrop, input, random, data[0] % 64 + 1u);
	output = buf_bytes(&whole.output);
	check_outside(whole.is_in ? bytes_first(output, whole.entered_at) : output);
	check(whole.removed.len == 0 || (whole.is_in && has_quit(input)));
	check(bytes_equal(output, buf_bytes(&split.output)));
	check(whole.is_closed == split.is_closed);
	check(bytes_equal(buf_bytes(&whole.removed), buf_bytes(&split.removed)));
	finish(&whole);
	finish(&split);
	finish_maildrop(&maildrop);
	return 0;
}
