/*
 * No memory that is given back holds a password, in clear or in base64: free and realloc are
 * watched (the linker wraps them).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "proto/sasl.h"
#include "proto/smtp_client.h"
#include "proto/smtp_server.h"

/* Long, so that buffers grow with it. */
#define TEN       "wonderland"
#define PASSWORD  TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const char *secrets[3]; /* a piece each of the clear text and of both codings */
static size_t      n_leaks;

void  __real_free(void *p);
void *__real_realloc(void *p, size_t size);
void  __wrap_free(void *p);
void *__wrap_realloc(void *p, size_t size);

static void
look(void *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		if (secrets[i] != NULL && memmem(p, malloc_usable_size(p), secrets[i],
		                              strlen(secrets[i])) != NULL)
			n_leaks++;
}

void
__wrap_free(void *p)
{
	look(p);
	__real_free(p);
}

void *
__wrap_realloc(void *p, size_t size)
{
	look(p);
	return __real_realloc(p, size);
}

/* --- what is sent --- */

static char plain[1000], login[1000];
static char plain_piece[20], login_piece[20];

static void
encode(char *out, size_t size, struct bytes data)
{
	struct buf b;

	buf_init(&b, size - 1);
	buf_room(&b, size - 1);
	base64_add(&b, data);
	assert_false(b.failed);
	memcpy(out, buf_string(&b), b.len + 1);
	buf_wipe(&b);
}

static void
prepare(void)
{
	encode(plain, sizeof plain, BYTES("\0alice\0" PASSWORD));
	encode(login, sizeof login, BYTES(PASSWORD));
	memcpy(plain_piece, plain + 60, sizeof plain_piece - 1);
	memcpy(login_piece, login + 60, sizeof login_piece - 1);
	secrets[0] = TEN;
	secrets[1] = plain_piece;
	secrets[2] = login_piece;
}

/* The watch works at all: without wiping each kind is found. */
static void
the_watch_sees(void **state)
{
	struct buf b;

	(void)state;
	prepare();
	for (size_t i = 0; i < 3; i++) {
		n_leaks = 0;
		buf_init(&b, 1000);
		buf_add_string(&b, secrets[i]);
		buf_finish(&b);
		assert_int_equal(n_leaks, 1);
		n_leaks = 0;
		buf_add_string(&b, secrets[i]);
		buf_wipe(&b);
		assert_int_equal(n_leaks, 0);
	}
	/* growing leaves a copy, so room is asked for before */
	n_leaks = 0;
	buf_add_string(&b, TEN);
	buf_room(&b, 500);
	buf_wipe(&b);
	assert_int_equal(n_leaks, 1);
	buf_wipe(&b); /* calm when nothing is there */
}

static void
sasl(void **state)
{
	struct sasl s = { .mechanism = SASL_NONE };

	(void)state;
	prepare();
	n_leaks = 0;
	assert_int_equal(sasl_begin(&s, SASL_PLAIN, bytes_of(plain)), SASL_DONE);
	sasl_finish(&s);
	sasl_begin(&s, SASL_LOGIN, BYTES("YWxpY2U="));
	assert_int_equal(sasl_line(&s, bytes_of(login)), SASL_DONE);
	assert_int_equal(sasl_begin(&s, SASL_PLAIN, bytes_of(plain)), SASL_DONE);
	sasl_finish(&s);
	/* malformed: a NUL in the password */
	assert_int_equal(sasl_begin(&s, SASL_LOGIN, bytes_of(plain)), SASL_MALFORMED);
	assert_int_equal(n_leaks, 0);
}

/* --- a session --- */

static const struct smtp_policy policy = {
	.hostname = BYTES_INIT("mx.example"),
	.listener = BYTES_INIT("smtps"),
	.size_max = 1000,
	.recipients_max = 10,
	.errors_max = 100,
	.hops_max = 100,
	.tls = LISTENER_TLS,
	.auth = true,
};

static void
pump(struct smtp_server *s)
{
	enum smtp_event event;

	while ((event = smtp_server_next(s)) != SMTP_MORE) {
		assert_int_equal(event, SMTP_ASK_AUTH);
		assert_true(bytes_equal(smtp_server_password(s), BYTES(PASSWORD)));
		smtp_server_answer_auth(s, SMTP_AUTH_NO, BYTES(""));
	}
	smtp_server_sent(s, smtp_server_output(s).n);
}

/* In pieces of that size, so that the input grows while a line is not whole. */
static void
feed(struct smtp_server *s, struct bytes text, size_t piece)
{
	while (text.n > 0) {
		smtp_server_feed(s, bytes_first(text, piece));
		text = bytes_from(text, piece);
		pump(s);
	}
}

static void
say(struct smtp_server *s, const char *front, const char *text, const char *end,
    size_t piece)
{
	feed(s, bytes_of(front), piece);
	feed(s, bytes_of(text), piece);
	feed(s, bytes_of(end), piece);
}

static void
session(void **state)
{
	static const size_t pieces[] = { 1, 7, 64, 100, 4000 };

	(void)state;
	prepare();
	n_leaks = 0;
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct smtp_server s;
		size_t             n = pieces[i];

		smtp_server_init(&s, &policy, BYTES("192.0.2.1"), BYTES(""), false);
		smtp_server_secured(&s, BYTES("TLSv1.3"));
		smtp_server_greet(&s);
		say(&s, "EHLO client.example\r\n", "", "", n);
		say(&s, "AUTH PLAIN ", plain, "\r\n", n);
		say(&s, "AUTH PLAIN\r\n", plain, "\r\nNOOP\r\n", n);
		say(&s, "AUTH LOGIN YWxpY2U=\r\n", login, "\r\n", n);
		say(&s, "AUTH LOGIN YWxpY2U=\r\n", login, "!\r\n", n);
		say(&s, "AUTH CRAM-MD5 ", plain, "\r\n", n);
		say(&s, "AUHT PLAIN ", plain, "\r\n", n);
		/* the session ends in the middle of it */
		say(&s, "AUTH LOGIN YWxpY2U=\r\n", login, "", n);
		smtp_server_finish(&s);
		if (n_leaks > 0)
			fail_msg("pieces of %zu: %zu", n, n_leaks);
	}
}

/* --- a session of ours with another server --- */

#define USER_MAX                                                                  \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"   \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"   \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"   \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"

/* What the server says up to the password; the last of them lets it out. */
static const struct {
	const char *user, *replies[4];
} dialogs[] = {
	{ "alice", { "250-mx\r\n250 AUTH PLAIN\r\n" } },
	{ "alice", { "250-mx\r\n250 AUTH LOGIN\r\n", "334\r\n", "334\r\n" } },
	{ USER_MAX, { "250-mx\r\n250 AUTH PLAIN\r\n", "334\r\n" } },
};

enum { N_DIALOGS = sizeof dialogs / sizeof *dialogs };

/* At most max octets of what is to be sent, in pieces. */
static void
send_some(struct smtp_client *c, size_t piece, size_t max)
{
	enum smtp_client_event event;

	do {
		event = smtp_client_next(c);
		while (max > 0 && smtp_client_output(c).n > 0) {
			size_t n = smtp_client_output(c).n;

			n = n < piece ? n : piece;
			n = n < max ? n : max;
			max -= n;
			smtp_client_sent(c, n);
		}
	} while (max > 0 && event == SMTP_CLIENT_FLUSH);
}

/* So many octets of the line with the password go out, then replies come, and it ends. */
static void
dialog(size_t i, size_t piece, size_t max)
{
	const struct smtp_client_policy ours = {
		.hostname = BYTES("client.example"),
		.tls = SMTP_CLIENT_TLS_ALREADY,
		.user = bytes_of(dialogs[i].user),
		.password = BYTES(PASSWORD),
	};
	struct smtp_client *c = smtp_client_new(&ours);

	assert_non_null(c);
	smtp_client_feed(c, BYTES("220 mx\r\n"));
	send_some(c, piece, SIZE_MAX);
	for (size_t n = 0; dialogs[i].replies[n]; n++) {
		bool is_last = dialogs[i].replies[n + 1] == NULL;

		smtp_client_feed(c, bytes_of(dialogs[i].replies[n]));
		send_some(c, piece, is_last ? max : SIZE_MAX);
	}
	smtp_client_feed(c, BYTES("235 ok\r\n"));
	send_some(c, piece, max > 0 ? SIZE_MAX : 0);
	/* a server that accepts it too early does not make the buffer grow */
	assert_int_equal(smtp_client_next(c),
	    max == 0 ? SMTP_CLIENT_FLUSH : SMTP_CLIENT_IDLE);
	smtp_client_free(c);
}

/* The coding of PLAIN depends on what stands in front of the password. */
static void
prepare_plain(struct bytes user)
{
	struct buf message;

	buf_init(&message, 1000);
	buf_room(&message, 1000);
	buf_add_char(&message, '\0');
	buf_add_bytes(&message, user);
	buf_add_char(&message, '\0');
	buf_add_string(&message, PASSWORD);
	encode(plain, sizeof plain, buf_bytes(&message));
	buf_wipe(&message);
	memcpy(plain_piece, plain + strlen(plain) - 60, sizeof plain_piece - 1);
}

static void
client(void **state)
{
	static const size_t pieces[] = { 1, 50, 5000 };
	static const size_t most[] = { 0, 1, 100, SIZE_MAX };

	(void)state;
	prepare();
	for (size_t i = 0; i < N_DIALOGS * 12; i++) {
		size_t piece = pieces[i / 4 % 3], max = most[i % 4];

		prepare_plain(bytes_of(dialogs[i / 12].user));
		n_leaks = 0;
		dialog(i / 12, piece, max);
		if (n_leaks > 0)
			fail_msg("dialog %zu, pieces of %zu, %zu: %zu", i / 12, piece,
			    max, n_leaks);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_watch_sees),
		cmocka_unit_test(sasl),
		cmocka_unit_test(session),
		cmocka_unit_test(client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
