/* Clients that do not behave, or would have it weak: TLS_BROKEN, and bounds. */
#include "tls_talk.h"

/* Feed as much as there is room for, and read it. */
static enum tls_result
swallow(struct tls *server, struct bytes input)
{
	enum tls_result result = TLS_MORE;
	char            heard[1000];
	size_t          got;

	do {
		const struct bytes next = bytes_first(input, tls_room(server));

		tls_feed(server, next);
		input = bytes_from(input, next.n);
		do
			result = tls_read(server, heard, sizeof heard, &got);
		while (result == TLS_OK);
	} while (input.n > 0 && result == TLS_MORE);
	return result;
}

/* Nothing goes on; what is to be sent is an alert in the clear, or nothing. */
static void
assert_broken(struct tls *server, const char *fault)
{
	const struct bytes output = tls_output(server);
	const size_t       n = output.n;
	char               heard[10];
	size_t             got = 1;

	assert_string_equal(tls_fault(server), fault);
	assert_true(n == 0 || (n == 7 && output.p[0] == SSL3_RT_ALERT));
	assert_int_equal(tls_room(server), 0);
	tls_feed(server, BYTES("more"));
	assert_int_equal(tls_read(server, heard, sizeof heard, &got), TLS_BROKEN);
	assert_int_equal(got, 0);
	assert_false(tls_write(server, BYTES("text")));
	tls_end(server);
	assert_int_equal(tls_output(server).n, n);
	assert_string_equal(tls_fault(server), fault);
}

static void
garbage_is_refused(void **state)
{
	static const struct {
		struct bytes input; /* again and again */
		const char  *fault;
	} rows[] = {
		{ BYTES_INIT("EHLO client.example\r\n"), "wrong version number" },
		{ BYTES_INIT("GET / HTTP/1.0\r\n\r\n"), "http request" },
		{ BYTES_INIT("CONNECT mail.example:25 HTTP/1.0\r\n"), "https proxy request" },
		{ BYTES_INIT("\0\0\0\0\0\0\0\0\0\0\0\0"), "wrong version number" },
		{ BYTES_INIT("\377\377\377\377\377\377\377\377\377\377"), "wrong version number" },
		/* records: data, nothing, a change of ciphers, alerts, one that is too long */
		{ BYTES_INIT("\27\3\3\0\3abc"), "unexpected message" },
		{ BYTES_INIT("\26\3\3\0\0"), "record too small" },
		{ BYTES_INIT("\24\3\3\0\1\1"), "unexpected message" },
		{ BYTES_INIT("\25\3\3\0\2\1\132"), "unexpected message" },
		{ BYTES_INIT("\25\3\3\0\2\2\50"), "unexpected message" },
		{ BYTES_INIT("\26\3\3\377\377"), "packet length too long" },
		/* ClientHello: 16 MiB, and as long as it may be; Finished of nothing */
		{ BYTES_INIT("\26\3\1\0\4\1\377\377\377"), "excessive message size" },
		{ BYTES_INIT("\26\3\1\0\4\1\1\0\0"), "the handshake does not end" },
		{ BYTES_INIT("\26\3\3\0\4\24\0\0\0"), "unexpected message" },
		/* SSL 2 */
		{ BYTES_INIT("\200\56\1\0\2\0\25\0\0\0\20\1\0\200\2\0\200\3\0\200\4\0\200"
		             "\5\0\200\6\0\100\7\0\300" "0123456789abcdef"), "unknown protocol" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct tls     *server = tls_accept(plain);
		enum tls_result result = TLS_MORE;

		for (size_t fed = 0; result == TLS_MORE && fed < 200000;
		     fed += rows[i].input.n)
			result = swallow(server, rows[i].input);
		assert_int_equal(result, TLS_BROKEN);
		assert_broken(server, rows[i].fault);
		tls_free(server);
	}
}

static void
old_and_weak_clients_are_refused(void **state)
{
	static const struct {
		struct wish wish;
		const char *fault;
	} rows[] = {
		{ { .version = TLS1_VERSION }, "unsupported protocol" },
		{ { .version = TLS1_1_VERSION }, "unsupported protocol" },
		{ { .version = TLS1_2_VERSION, .ciphers = "kRSA" }, "no shared cipher" },
		{ { .version = TLS1_2_VERSION, .ciphers = "DHE:!ECDHE" }, "no shared cipher" },
		{ { .version = TLS1_2_VERSION, .ciphers = "ECDHE+SHA1:ECDHE+SHA256:!AEAD" }, "no shared cipher" },
		{ { .version = TLS1_2_VERSION, .ciphers = "aNULL:eNULL" }, "no shared cipher" },
		{ { .version = TLS1_2_VERSION, .ciphers = "ECDHE+AESCCM" }, "no shared cipher" },
		{ { .version = TLS1_2_VERSION, .groups = "P-521" }, "no shared cipher" },
		{ { .version = TLS1_3_VERSION, .groups = "P-521" }, "no suitable key share" },
		{ { .version = TLS1_2_VERSION, .signatures = "ECDSA+SHA1" }, "no shared signature algorithms" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct talk t = talk_of(plain, &rows[i].wish);

		assert_false(shake_hands(&t));
		assert_broken(t.server, rows[i].fault);
		talk_finish(&t);
	}
}

static void
changed_records_are_refused(void **state)
{
	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++)
		for (size_t at = 0, n = 1; at < n; at++) {
			const struct wish wish = { .version = versions[v] };
			struct talk       t = talk_of(plain, &wish);
			char              record[200];

			assert_true(shake_hands(&t));
			SSL_write(t.client.ssl, "PASS secret\r\n", 13);
			n = client_output(&t.client).n;
			assert_true(n < sizeof record);
			memcpy(record, client_output(&t.client).p, n);
			record[at] ^= 1;
			/* the rest of a longer record is waited for */
			if (swallow(t.server, (struct bytes){ record, n }) == TLS_MORE)
				assert_in_range(at, 3, 4);
			else
				assert_true(*tls_fault(t.server) != '\0');
			talk_finish(&t);
		}
}

static void
input_has_a_maximum(void **state)
{
	static char  zeros[TLS_INPUT_MAX + 1];
	struct tls  *server = tls_accept(plain);

	(void)state;
	assert_int_equal(tls_room(server), TLS_INPUT_MAX);
	tls_feed(server, (struct bytes){ zeros, TLS_INPUT_MAX });
	assert_int_equal(tls_room(server), 0);
	assert_string_equal(tls_fault(server), "");
	tls_feed(server, (struct bytes){ zeros, 1 });
	assert_broken(server, "no room for input");
	tls_free(server);
}

static void
output_has_a_maximum(void **state)
{
	static char       text[17 * 1024 * 1024];
	const struct wish wish = { .version = TLS1_3_VERSION };
	struct talk       t = talk_of(plain, &wish);

	(void)state;
	assert_true(shake_hands(&t));
	assert_false(tls_write(t.server, (struct bytes){ text, sizeof text }));
	assert_string_equal(tls_fault(t.server), "no memory for output");
	assert_false(tls_write(t.server, BYTES("more")));
	talk_finish(&t);
}

static void
renegotiation_is_refused(void **state)
{
	const struct wish wish = { .version = TLS1_2_VERSION };
	struct talk       t = talk_of(plain, &wish);
	char              heard[10];
	size_t            got;

	(void)state;
	assert_true(shake_hands(&t));
	SSL_renegotiate(t.client.ssl);
	SSL_do_handshake(t.client.ssl);
	assert_true(client_output(&t.client).n > 100);
	tls_feed(t.server, client_output(&t.client));
	client_sent(&t.client);
	assert_int_equal(tls_read(t.server, heard, 10, &got), TLS_MORE);
	/* one alert, sealed: 5 + 8 + 2 + 16 bytes */
	assert_int_equal(tls_output(t.server).n, 31);
	assert_int_equal(tls_output(t.server).p[0], SSL3_RT_ALERT);
	client_take(&t.client, t.server);
	assert_true(SSL_do_handshake(t.client.ssl) <= 0);
	assert_int_equal(
	    ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	talk_finish(&t);
}

static void
ask_for_new_keys(struct talk *t)
{
	SSL_key_update(t->client.ssl, SSL_KEY_UPDATE_REQUESTED);
	assert_int_equal(SSL_do_handshake(t->client.ssl), 1);
}

static void
keys_may_be_renewed(void **state)
{
	const struct wish wish = { .version = TLS1_3_VERSION };
	struct talk       t = talk_of(plain, &wish);

	(void)state;
	assert_true(shake_hands(&t));
	for (int i = 0; i < 100; i++) {
		ask_for_new_keys(&t);
		say(&t, "ping");
		assert_hears(&t, "ping");
		assert_answers(&t, "pong");
	}
	talk_finish(&t);
}

static void
messages_that_bring_nothing_have_an_end(void **state)
{
	const struct wish wish = { .version = TLS1_3_VERSION };
	struct talk       t = talk_of(plain, &wish);
	enum tls_result   result = TLS_MORE;
	char              heard[10];
	size_t            got, n = 0;

	(void)state;
	assert_true(shake_hands(&t));
	for (; n < 100 && result == TLS_MORE; n++) {
		ask_for_new_keys(&t);
		tls_feed(t.server, client_output(&t.client));
		client_sent(&t.client);
		result = tls_read(t.server, heard, sizeof heard, &got);
		client_take(&t.client, t.server);
	}
	assert_int_equal(result, TLS_BROKEN);
	assert_int_equal(n, 18);
	assert_string_equal(
	    tls_fault(t.server), "too many messages that bring nothing");
	talk_finish(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(old_and_weak_clients_are_refused),
		cmocka_unit_test(changed_records_are_refused),
		cmocka_unit_test(input_has_a_maximum),
		cmocka_unit_test(output_has_a_maximum),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(keys_may_be_renewed),
		cmocka_unit_test(messages_that_bring_nothing_have_an_end),
	};
	int failed;

	begin_plain();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	finish_plain();
	return failed;
}
