/*
 * A client of TLS that is broken. Either the bytes are what it sends, or they are a script
 * for a real one whose records are changed on their way. In both cases:
 * text that we read is what the client wrote, from its beginning, with nothing left out;
 * there is never more room than promised; what is broken stays so and says no more;
 * only what is established has a description; and before that, we say no more than one
 * flight of a handshake, or an alert.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../unit/io/tls_client.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 64, STEPS_MAX = 200, FLIGHT_MAX = 4096 };

static struct tls_context *context;

static void
claim(bool is_so)
{
	if (!is_so)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char ticket_key[TLS_TICKET_KEY];
	struct buf        keys;
	char              error[256];

	(void)argc;
	(void)argv;
	buf_init(&keys, KEYS_MAX);
	add_keys(&keys, "mail.example");
	add_keys(&keys, "*.example");
	context = tls_context_new(buf_bytes(&keys), BYTES("pop3"), BYTES("pop3s"),
	    (struct bytes){ ticket_key, sizeof ticket_key }, error, sizeof error);
	claim(context != NULL);
	buf_finish(&keys);
	return 0;
}

struct session {
	struct tls     *server;
	enum tls_result last;
	size_t          n_heard;
	size_t          n_written; /* by the client */
};

static void
check(struct session *s)
{
	char   p[1];
	size_t got, n = tls_output(s->server).n;

	claim(tls_room(s->server) <= TLS_INPUT_MAX);
	claim((*tls_description(s->server) != '\0') ==
	    tls_is_established(s->server));
	claim((*tls_fault(s->server) != '\0') == (s->last == TLS_BROKEN));
	claim(s->n_heard <= s->n_written);
	claim(n <= FLIGHT_MAX || tls_is_established(s->server));
	if (s->last != TLS_BROKEN)
		return;
	claim(tls_room(s->server) == 0);
	tls_feed(s->server, BYTES("more"));
	claim(tls_read(s->server, p, 1, &got) == TLS_BROKEN && got == 0);
	claim(!tls_write(s->server, BYTES("more")));
	tls_end(s->server);
	claim(tls_output(s->server).n == n);
}

/* The text that the client writes, byte by byte. */
static char
text_at(size_t at)
{
	return (char)(at * 7 + at / 251);
}

static void
hear(struct session *s)
{
	char   p[999];
	size_t got;

	do {
		s->last = tls_read(s->server, p, sizeof p, &got);
		claim(got <= sizeof p && (got > 0) == (s->last == TLS_OK));
		for (size_t i = 0; i < got; i++)
			claim(p[i] == text_at(s->n_heard++));
	} while (s->last == TLS_OK);
	check(s);
}

static void
feed(struct session *s, struct bytes input, size_t piece)
{
	while (input.n > 0 && s->last == TLS_MORE) {
		const size_t       room = tls_room(s->server);
		const struct bytes next =
		    bytes_first(input, piece < room ? piece : room);

		claim(room > 0);
		tls_feed(s->server, next);
		claim(tls_room(s->server) == room - next.n);
		input = bytes_from(input, next.n);
		hear(s);
	}
}

/* The client's records, one byte of them changed when by is not 0, the end left out. */
static void
deliver(struct session *s, struct client *c, unsigned at, unsigned by, unsigned less)
{
	const struct bytes output = client_output(c);
	char              *copy = malloc(output.n + 1);

	claim(copy != NULL);
	if (output.n > 0) {
		memcpy(copy, output.p, output.n);
		copy[at * 3 % output.n] ^= (char)by;
	}
	feed(s, (struct bytes){ copy, output.n - less % (output.n + 1) }, SIZE_MAX);
	free(copy);
	client_sent(c);
	client_take(c, s->server);
}

static void
client_writes(struct session *s, struct client *c, unsigned n)
{
	char text[256];

	for (size_t i = 0; i < n; i++)
		text[i] = text_at(s->n_written + i);
	if (n > 0 && SSL_write(c->ssl, text, (int)n) == (int)n)
		s->n_written += n;
}

static void
follow(struct session *s, struct client *c, const uint8_t *step)
{
	char heard[100];

	switch (step[0] % 8) {
	case 0:
		SSL_do_handshake(c->ssl);
		deliver(s, c, 0, 0, 0);
		break;
	case 1:
		deliver(s, c, step[1], step[2], 0);
		break;
	case 2:
		deliver(s, c, 0, 0, step[1]);
		break;
	case 3:
		client_writes(s, c, step[1]);
		break;
	case 4:
		SSL_key_update(c->ssl, step[1] % 2);
		SSL_do_handshake(c->ssl);
		break;
	case 5:
		SSL_renegotiate(c->ssl);
		SSL_do_handshake(c->ssl);
		break;
	case 6:
		if (tls_write(s->server, BYTES("text")))
			SSL_read(c->ssl, heard, sizeof heard);
		break;
	default:
		if (step[1] % 2 == 0)
			SSL_shutdown(c->ssl);
		else
			tls_end(s->server);
		break;
	}
	ERR_clear_error();
	check(s);
}

static void
play(struct session *s, const uint8_t *script, size_t size)
{
	const struct wish wish = {
		.version = script[0] % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION,
		.host = script[1] % 2 == 0 ? NULL : "a.example",
		.alpn = script[2] % 2 == 0 ? BYTES("") : BYTES("\4pop3"),
	};
	struct client c = client_of(&wish);

	for (size_t i = 3; i + 3 <= size && i < STEPS_MAX; i += 3)
		follow(s, &c, script + i);
	client_finish(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s = { .server = tls_accept(context), .last = TLS_MORE };

	claim(s.server != NULL);
	if (size >= 4 && data[0] == 'S')
		play(&s, data + 1, size - 1);
	else if (size >= 1)
		feed(&s,
		    (struct bytes){ (const char *)data + 1, size - 1 },
		    data[0] % PIECES + 1U);
	tls_free(s.server);
	return 0;
}
