/*
 * A server of TLS that is broken, or a stranger. Either the bytes are what it sends, or they
 * are a script for one of ours whose records are changed on their way. In both cases: a
 * demand that the server cannot meet is never met, and only what is established says that
 * something was proved; text that we read is what the server wrote, from its beginning, with
 * nothing left out; there is never more room than promised; what is broken stays so and says
 * no more.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../unit/io/tls_client.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 64, STEPS_MAX = 200 };

static struct tls_context *server_context, *client_context_of_ours;

static const struct bytes right = BYTES_INIT("mail.example");
static const struct bytes wrong = BYTES_INIT("other.example");
static const char         no_digest[32];

static const struct tls_tlsa tlsa[] = {
	{ 3, 1, 1, { no_digest, sizeof no_digest } },
	{ 2, 0, 1, { no_digest, sizeof no_digest } },
	{ 1, 1, 1, { no_digest, sizeof no_digest } },
};

static const struct {
	struct tls_demand demand;
	bool              can_be_met;
} demands[] = {
	{ { .proof = TLS_PROOF_NONE }, true },
	{ { .proof = TLS_PROOF_NONE, .sni = BYTES_INIT("other.example") }, true },
	{ { .proof = TLS_PROOF_NAME, .names = &right, .n_names = 1 }, true },
	{ { .proof = TLS_PROOF_NAME, .names = &wrong, .n_names = 1 }, false },
	{ { .proof = TLS_PROOF_DANE, .names = &right, .n_names = 1, .tlsa = tlsa, .n_tlsa = 3 }, false },
	/* none that could be used */
	{ { .proof = TLS_PROOF_DANE, .names = &wrong, .n_names = 1, .tlsa = tlsa + 2, .n_tlsa = 1 }, true },
};

enum { DEMANDS = sizeof demands / sizeof demands[0] };

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
	server_context = tls_context_new(buf_bytes(&keys), BYTES(""), BYTES("smtp"),
	    (struct bytes){ ticket_key, sizeof ticket_key }, error, sizeof error);
	/* its certificate is in there too, and vouches for itself */
	client_context_of_ours =
	    tls_client_context_new(buf_bytes(&keys), error, sizeof error);
	claim(server_context != NULL && client_context_of_ours != NULL);
	buf_finish(&keys);
	return 0;
}

struct session {
	struct tls     *client;
	enum tls_result last;
	bool            can_be_met;
	size_t          n_heard;
	size_t          n_written; /* by the server */
};

static void
check(struct session *s)
{
	char   p[1];
	size_t got, n = tls_output(s->client).n;

	claim(tls_room(s->client) <= TLS_INPUT_MAX);
	claim(s->can_be_met || !tls_is_established(s->client));
	claim((*tls_proof_description(s->client) != '\0') ==
	    tls_is_established(s->client));
	claim((*tls_fault(s->client) != '\0') == (s->last == TLS_BROKEN));
	claim(s->n_heard <= s->n_written);
	if (s->last != TLS_BROKEN)
		return;
	claim(tls_room(s->client) == 0);
	tls_feed(s->client, BYTES("more"));
	claim(tls_read(s->client, p, 1, &got) == TLS_BROKEN && got == 0);
	claim(!tls_write(s->client, BYTES("more")));
	tls_end(s->client);
	claim(tls_output(s->client).n == n);
}

/* The text that the server writes, byte by byte. */
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
		s->last = tls_read(s->client, p, sizeof p, &got);
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
		const size_t       room = tls_room(s->client);
		const struct bytes next =
		    bytes_first(input, piece < room ? piece : room);

		claim(room > 0);
		tls_feed(s->client, next);
		input = bytes_from(input, next.n);
		hear(s);
	}
}

/* What each has said reaches the other: of the server's a byte changed, the end left out. */
static void
exchange(struct session *s, struct tls *server, unsigned at, unsigned by, unsigned less)
{
	const struct bytes from_client = tls_output(s->client);
	struct bytes       output;
	char              *copy;
	size_t             got;

	tls_feed(server, bytes_first(from_client, tls_room(server)));
	tls_sent(s->client, from_client.n);
	while (tls_read(server, NULL, 0, &got) == TLS_OK &&
	    !tls_is_established(server))
		;
	output = tls_output(server);
	copy = malloc(output.n + 1);
	claim(copy != NULL);
	if (output.n > 0) {
		memcpy(copy, output.p, output.n);
		copy[at * 3 % output.n] ^= (char)by;
	}
	feed(s, (struct bytes){ copy, output.n - less % (output.n + 1) }, SIZE_MAX);
	free(copy);
	tls_sent(server, output.n);
}

static void
server_writes(struct session *s, struct tls *server, unsigned n)
{
	char text[256];

	for (size_t i = 0; i < n; i++)
		text[i] = text_at(s->n_written + i);
	if (n > 0 && tls_write(server, (struct bytes){ text, n }))
		s->n_written += n;
}

static void
follow(struct session *s, struct tls *server, const uint8_t *step)
{
	switch (step[0] % 6) {
	case 0:
		exchange(s, server, 0, 0, 0);
		break;
	case 1:
		exchange(s, server, step[1], step[2], 0);
		break;
	case 2:
		exchange(s, server, 0, 0, step[1]);
		break;
	case 3:
		server_writes(s, server, step[1]);
		break;
	case 4:
		tls_write(s->client, BYTES("text"));
		break;
	default:
		tls_end(step[1] % 2 == 0 ? server : s->client);
		break;
	}
	check(s);
}

static void
play(struct session *s, const uint8_t *script, size_t size)
{
	struct tls *server = tls_accept(server_context);

	claim(server != NULL);
	for (size_t i = 0; i + 3 <= size && i < STEPS_MAX; i += 3)
		follow(s, server, script + i);
	tls_free(server);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s = { 0 };
	size_t         which;

	if (size < 2)
		return 0;
	which = data[0] % DEMANDS;
	s.can_be_met = demands[which].can_be_met;
	s.client = tls_connect(client_context_of_ours, &demands[which].demand);
	claim(s.client != NULL);
	hear(&s);
	claim(s.last == TLS_MORE && tls_output(s.client).n > 0);
	if (data[1] == 'S')
		play(&s, data + 2, size - 2);
	else
		feed(&s, (struct bytes){ (const char *)data + 2, size - 2 },
		    data[1] % PIECES + 1U);
	tls_free(s.client);
	return 0;
}
