/* Conversations between a client and a connection of ours, whole or in pieces. */
#ifndef AMPEL_TESTS_TLS_TALK_H
#define AMPEL_TESTS_TLS_TALK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_client.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

enum { N_VERSIONS = sizeof versions / sizeof versions[0] };

static const char ticket_key[TLS_TICKET_KEY + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct buf          plain_keys; /* of mail.example */
static struct tls_context *plain;      /* with them, listener "one", no ALPN */

static inline struct tls_context *
context_of(const struct buf *keys, const char *protocol, const char *listener,
    const char *key)
{
	char                error[256] = "";
	struct tls_context *c = tls_context_new(buf_bytes(keys),
	    bytes_of(protocol), bytes_of(listener),
	    (struct bytes){ key, TLS_TICKET_KEY }, error, sizeof error);

	assert_string_equal(error, "");
	assert_non_null(c);
	return c;
}

/* A client and a connection of ours. */
struct talk {
	struct client   client;
	struct tls     *server;
	enum tls_result last; /* of the last read */
	size_t          cut;  /* after so many more bytes of the client's feed apart; 0: never again */
	size_t          piece; /* at most so many at once */
	size_t          fed;
};

static inline struct talk
talk_of(struct tls_context *context, const struct wish *wish)
{
	struct talk t = { .client = client_of(wish), .piece = SIZE_MAX };

	t.server = tls_accept(context);
	assert_non_null(t.server);
	return t;
}

static inline void
talk_finish(struct talk *t)
{
	client_finish(&t->client);
	tls_free(t->server);
}

static inline void
feed(struct talk *t, struct bytes input)
{
	while (input.n > 0) {
		size_t n = t->piece < input.n ? t->piece : input.n;
		size_t got;

		if (t->cut > 0 && t->cut < n)
			n = t->cut;
		t->cut -= t->cut < n ? t->cut : n;
		tls_feed(t->server, bytes_first(input, n));
		t->fed += n;
		input = bytes_from(input, n);
		t->last = tls_read(t->server, NULL, 0, &got);
		assert_int_equal(got, 0);
	}
}

/* What each has said and the other has not heard. False: nothing. */
static inline bool
pass(struct talk *t)
{
	const struct bytes from_client = client_output(&t->client);
	const struct bytes from_server = tls_output(t->server);
	const bool         some = from_client.n > 0 || from_server.n > 0;

	feed(t, from_client);
	client_sent(&t->client);
	client_take(&t->client, t->server);
	return some;
}

/* Until nobody says more. True: both are content. */
static inline bool
shake_hands(struct talk *t)
{
	int result;

	do
		result = SSL_do_handshake(t->client.ssl);
	while (pass(t));
	return result == 1 && t->last == TLS_OK && tls_is_established(t->server);
}

static inline void
say(struct talk *t, const char *text)
{
	assert_int_equal(
	    SSL_write(t->client.ssl, text, (int)strlen(text)), strlen(text));
	tls_feed(t->server, client_output(&t->client));
	client_sent(&t->client);
}

static inline void
assert_hears(struct talk *t, const char *text)
{
	char   heard[100];
	size_t got;

	assert_int_equal(tls_read(t->server, heard, sizeof heard, &got), TLS_OK);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(heard, text, got);
	assert_int_equal(tls_read(t->server, heard, sizeof heard, &got), TLS_MORE);
	assert_int_equal(got, 0);
}

static inline void
assert_answers(struct talk *t, const char *text)
{
	char heard[100];

	assert_true(tls_write(t->server, bytes_of(text)));
	client_take(&t->client, t->server);
	assert_int_equal(
	    SSL_read(t->client.ssl, heard, sizeof heard), strlen(text));
	assert_memory_equal(heard, text, strlen(text));
}

static inline void
assert_talks(struct talk *t)
{
	say(t, "ping");
	assert_hears(t, "ping");
	assert_answers(t, "pong");
	assert_int_equal(tls_output(t->server).n, 0);
	assert_int_equal(tls_room(t->server), TLS_INPUT_MAX);
}

/* The keys and the context that most tests are content with. */
static inline void
begin_plain(void)
{
	buf_init(&plain_keys, KEYS_MAX);
	add_keys(&plain_keys, "mail.example");
	plain = context_of(&plain_keys, "", "one", ticket_key);
}

static inline void
finish_plain(void)
{
	tls_context_drop(plain);
	buf_finish(&plain_keys);
}

#endif
