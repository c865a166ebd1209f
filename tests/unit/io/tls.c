#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "make_certificate.h"
#include "tls_talk.h"

static const char other_ticket_key[TLS_TICKET_KEY + 1] =
    "x123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void
handshakes_come_in_any_pieces(void **state)
{
	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++) {
		const struct wish wish = { .version = versions[v] };
		size_t            fed = 1;

		/* one byte at a time first; then, as long as there are bytes, a cut */
		for (size_t cut = 0; cut < fed; cut++) {
			struct talk t = talk_of(plain, &wish);

			t.piece = cut == 0 ? 1 : SIZE_MAX;
			t.cut = cut;
			assert_string_equal(tls_description(t.server), "");
			assert_false(tls_write(t.server, BYTES("too early")));
			assert_true(shake_hands(&t));
			assert_string_equal(tls_description(t.server),
			    v == 0 ? "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" :
			             "TLSv1.3 TLS_AES_256_GCM_SHA384");
			assert_string_equal(tls_fault(t.server), "");
			assert_false(tls_is_resumed(t.server));
			assert_talks(&t);
			fed = t.fed;
			talk_finish(&t);
		}
		assert_true(fed > 200);
	}
}

static void
connections_may_go_at_any_point(void **state)
{
	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++)
		for (size_t n = 0, all = 1; n < all; n++) {
			const struct wish wish = { .version = versions[v] };
			struct talk       t = talk_of(plain, &wish);
			size_t            got;

			SSL_do_handshake(t.client.ssl);
			all = client_output(&t.client).n;
			feed(&t, bytes_first(client_output(&t.client), n));
			assert_int_equal(
			    tls_read(t.server, NULL, 0, &got), TLS_MORE);
			assert_int_equal(tls_output(t.server).n, 0);
			talk_finish(&t);
		}
}

/* Text */

static void
fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
}

/* From the client to us, read in portions of at most max. */
static void
assert_all_heard(struct talk *t, struct bytes text, size_t max)
{
	static char        heard[20000];
	const struct bytes sealed = client_output(&t->client);
	size_t             fed = 0, n = 0, got;

	while (n < text.n) {
		const struct bytes next =
		    bytes_first(bytes_from(sealed, fed), tls_room(t->server));
		const enum tls_result result =
		    (tls_feed(t->server, next), tls_read(t->server, heard, max, &got));

		fed += next.n;
		assert_true(result == TLS_OK || result == TLS_MORE);
		assert_int_equal(result == TLS_OK, got > 0);
		assert_true(got <= max);
		assert_memory_equal(heard, text.p + n, got);
		n += got;
		assert_true(n == text.n || got > 0 || fed < sealed.n);
	}
	assert_int_equal(fed, sealed.n);
	client_sent(&t->client);
}

static void
texts_of_all_sizes_pass(void **state)
{
	static const struct {
		size_t n, max; /* of the text, of a read */
	} rows[] = {
		{ 1, 1 }, { 2, 1 }, { 100, 7 }, { 16383, 20000 }, { 16384, 20000 },
		{ 16385, 20000 }, { 16384, 16383 }, { 40000, 333 },
		{ 300000, 20000 }, { 1000000, 16384 },
	};
	static char text[1000000], heard[1000000];

	(void)state;
	fill(text, sizeof text);
	for (size_t v = 0; v < N_VERSIONS; v++) {
		const struct wish wish = { .version = versions[v] };
		struct talk       t = talk_of(plain, &wish);

		assert_true(shake_hands(&t));
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			const struct bytes all = { text, rows[i].n };
			size_t             n = 0, got;

			assert_int_equal(
			    SSL_write(t.client.ssl, all.p, (int)all.n), all.n);
			assert_all_heard(&t, all, rows[i].max);

			assert_true(tls_write(t.server, all));
			client_take(&t.client, t.server);
			while (n < all.n &&
			    SSL_read_ex(t.client.ssl, heard + n, sizeof heard - n, &got))
				n += got;
			assert_int_equal(n, all.n);
			assert_memory_equal(heard, text, n);
		}
		assert_true(tls_write(t.server, BYTES("")));
		assert_int_equal(tls_output(t.server).n, 0);
		talk_finish(&t);
	}
}

static void
output_goes_in_any_pieces(void **state)
{
	static const size_t pieces[] = { 1, 5, 100, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		const struct wish wish = { .version = TLS1_3_VERSION };
		struct talk       t = talk_of(plain, &wish);
		char              heard[10];

		assert_true(shake_hands(&t));
		assert_true(tls_write(t.server, BYTES("first")));
		while (tls_output(t.server).n > 10) {
			struct bytes piece = bytes_first(tls_output(t.server), pieces[i]);

			BIO_write(t.client.in, piece.p, (int)piece.n);
			tls_sent(t.server, piece.n);
		}
		assert_true(tls_write(t.server, BYTES("second")));
		client_take(&t.client, t.server);
		assert_int_equal(SSL_read(t.client.ssl, heard, 5), 5);
		assert_memory_equal(heard, "first", 5);
		assert_int_equal(SSL_read(t.client.ssl, heard, 10), 6);
		assert_memory_equal(heard, "second", 6);
		talk_finish(&t);
	}
}

/* Names and certificates */

/* The number-th certificate of a text. */
static X509 *
certificate_of(const struct buf *keys, int number)
{
	BIO  *bio = BIO_new_mem_buf(keys->p, (int)keys->len);
	X509 *x = NULL;

	for (int i = 0; i <= number; i++) {
		X509_free(x);
		x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		assert_non_null(x);
	}
	BIO_free(bio);
	return x;
}

static void
the_name_chooses_the_certificate(void **state)
{
	enum { EC_ONE, RSA_ONE, CHAIN, TWO, WILD, EC_ONE_AGAIN, IN_WILD, NOBODY };
	static const char only_rsa[] = "rsa_pss_rsae_sha256:RSA+SHA256";
	static const char only_ec[] = "ECDSA+SHA256";
	static const struct {
		const char *host, *signatures;
		int         shown, n_chain;
	} rows[] = {
		{ NULL, NULL, EC_ONE, 1 },
		{ "one.example", NULL, EC_ONE, 1 },
		{ "ONE.Example", NULL, EC_ONE, 1 },
		{ "nobody.example", NULL, EC_ONE, 1 },
		{ "one.example.", NULL, EC_ONE, 1 },
		{ "two.example", NULL, TWO, 1 },
		{ "alias.example", NULL, RSA_ONE, 2 },
		{ "a.wild.example", NULL, WILD, 1 },
		{ "in.wild.example", NULL, WILD, 1 },
		{ "a.b.wild.example", NULL, EC_ONE, 1 },
		{ "wild.example", NULL, EC_ONE, 1 },
		{ "one.example", only_rsa, RSA_ONE, 2 },
		{ NULL, only_rsa, RSA_ONE, 2 },
		{ "nobody.example", only_rsa, RSA_ONE, 2 },
		{ "two.example", only_rsa, NOBODY, 0 },
		{ "one.example", only_ec, EC_ONE, 1 },
		{ "alias.example", only_ec, NOBODY, 0 },
	};
	EVP_PKEY           *rsa = EVP_RSA_gen(2048);
	struct tls_context *context;
	struct buf          keys, chain;

	(void)state;
	buf_init(&keys, KEYS_MAX);
	buf_init(&chain, KEYS_MAX);
	add_keys(&keys, "one.example");
	add_pair(&keys, rsa, "DNS:one.example,DNS:alias.example");
	add_pair(&chain, rsa, "DNS:authority.example");
	buf_add_bytes(&keys, bytes_from(buf_bytes(&chain),
	    (size_t)(strstr(buf_string(&chain), "-----BEGIN CERT") - chain.p)));
	add_keys(&keys, "two.example");
	add_keys(&keys, "*.wild.example");
	add_keys(&keys, "one.example");
	add_keys(&keys, "in.wild.example");
	context = context_of(&keys, "", "one", ticket_key);
	for (size_t i = 0; i < N_VERSIONS * sizeof rows / sizeof rows[0]; i++) {
		const size_t      r = i / N_VERSIONS;
		const struct wish wish = { .version = versions[i % N_VERSIONS],
			.host = rows[r].host,
			.signatures = rows[r].signatures };
		struct talk       t = talk_of(context, &wish);
		X509             *expected = NULL;

		assert_int_equal(shake_hands(&t), rows[r].shown != NOBODY);
		if (rows[r].shown != NOBODY) {
			expected = certificate_of(&keys, rows[r].shown);
			assert_int_equal(X509_cmp(expected,
			    SSL_get0_peer_certificate(t.client.ssl)), 0);
			assert_int_equal(
			    sk_X509_num(SSL_get_peer_cert_chain(t.client.ssl)),
			    rows[r].n_chain);
			assert_talks(&t);
		} else {
			assert_int_equal(t.last, TLS_BROKEN);
		}
		X509_free(expected);
		talk_finish(&t);
	}
	tls_context_drop(context);
	buf_finish(&keys);
	buf_finish(&chain);
	EVP_PKEY_free(rsa);
}

static void
protocols_are_agreed_on(void **state)
{
	static const struct {
		const char  *ours;
		struct bytes offered;
		const char  *agreed; /* NULL: refused */
	} rows[] = {
		{ "pop3", BYTES_INIT(""), "" },
		{ "pop3", BYTES_INIT("\4pop3"), "pop3" },
		{ "pop3", BYTES_INIT("\2h2\4pop3\5other"), "pop3" },
		{ "pop3", BYTES_INIT("\2h2\10http/1.1"), NULL },
		{ "pop3", BYTES_INIT("\4POP3"), NULL },
		{ "pop3", BYTES_INIT("\3pop"), NULL },
		{ "pop3", BYTES_INIT("\5pop3s"), NULL },
		{ "", BYTES_INIT("\2h2"), "" },
	};

	(void)state;
	for (size_t i = 0; i < N_VERSIONS * sizeof rows / sizeof rows[0]; i++) {
		const size_t        r = i / N_VERSIONS;
		const struct wish   wish = { .version = versions[i % N_VERSIONS],
			  .alpn = rows[r].offered };
		struct tls_context *context =
		    context_of(&plain_keys, rows[r].ours, "one", ticket_key);
		struct talk          t = talk_of(context, &wish);
		const unsigned char *agreed;
		unsigned             n;

		assert_int_equal(shake_hands(&t), rows[r].agreed != NULL);
		SSL_get0_alpn_selected(t.client.ssl, &agreed, &n);
		if (rows[r].agreed != NULL) {
			assert_int_equal(n, strlen(rows[r].agreed));
			assert_memory_equal(agreed, rows[r].agreed, n);
		} else {
			assert_int_equal(t.last, TLS_BROKEN);
			assert_string_equal(
			    tls_fault(t.server), "no application protocol");
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
			    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		}
		talk_finish(&t);
		tls_context_drop(context);
	}
}

static void
keys_that_cannot_be_used_are_refused(void **state)
{
	enum { BITS_STRONG = 2048, BITS_WEAK = 1024 };
	static const struct {
		unsigned    bits;
		bool        is_own; /* the certificate */
		const char *digest; /* of its signature */
		const char *error;
	} rows[] = {
		{ BITS_STRONG, true, "SHA256", "" },
		{ BITS_STRONG, false, "SHA256", "test.example: private key mismatch" },
		{ BITS_WEAK, true, "SHA256", "test.example: ee key too small" },
		{ BITS_STRONG, true, "SHA1", "test.example: ca md too weak" },
	};
	EVP_PKEY *other = EVP_RSA_gen(BITS_STRONG);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char                error[100] = "";
		EVP_PKEY           *key = EVP_RSA_gen(rows[i].bits);
		struct tls_context *context;
		struct buf          text;
		X509               *certificate;

		buf_init(&text, KEYS_MAX);
		buf_add_bytes(&text, buf_bytes(&plain_keys));
		add_key(&text, key, NULL);
		certificate = make_certificate(rows[i].is_own ? key : other, "test",
		    "DNS:test.example", time(NULL), 30, other,
		    EVP_get_digestbyname(rows[i].digest));
		add_certificate(&text, certificate);
		X509_free(certificate);
		EVP_PKEY_free(key);
		context = tls_context_new(buf_bytes(&text), BYTES(""), BYTES("one"),
		    (struct bytes){ ticket_key, TLS_TICKET_KEY }, error, sizeof error);
		assert_string_equal(error, rows[i].error);
		assert_int_equal(context != NULL, *error == '\0');
		tls_context_drop(context);
		buf_finish(&text);
	}
	EVP_PKEY_free(other);
}

static void
contexts_that_make_no_sense_are_refused(void **state)
{
	static char  name[300];
	const struct bytes key = { ticket_key, TLS_TICKET_KEY };
	const struct {
		struct bytes protocol, listener, key;
		bool         is_good;
	} rows[] = {
		{ { name, 255 }, { name, 300 }, key, true },
		{ { name, 256 }, { name, 1 }, key, false },
		{ { NULL, 0 }, { NULL, 0 }, key, true },
		{ { name, 1 }, { name, 1 }, { NULL, 0 }, false },
		{ { name, 1 }, { name, 1 }, bytes_first(key, 79), false },
		{ { name, 1 }, { name, 1 }, { key.p, 81 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char                error[100] = "";
		struct tls_context *context = tls_context_new(buf_bytes(&plain_keys),
		    rows[i].protocol, rows[i].listener, rows[i].key, error, sizeof error);

		assert_int_equal(context != NULL, rows[i].is_good);
		assert_int_equal(*error == '\0', rows[i].is_good);
		tls_context_drop(context);
	}
	tls_context_drop(NULL);
	tls_free(NULL);
}

/* Sessions */

static size_t n_tickets;

static int
count_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	n_tickets++;
	return 0;
}

/* A handshake with an earlier session, or none; the session for the next. */
static SSL_SESSION *
visit(struct tls_context *context, int version, SSL_SESSION *session, bool is_resumed)
{
	const struct wish wish = { .version = version, .session = session };
	struct talk       t = talk_of(context, &wish);
	SSL_SESSION      *next;

	n_tickets = 0;
	assert_true(shake_hands(&t));
	assert_int_equal(tls_is_resumed(t.server), is_resumed);
	assert_int_equal(SSL_session_reused(t.client.ssl), is_resumed);
	assert_talks(&t);
	if (version == TLS1_3_VERSION || !is_resumed)
		assert_int_equal(n_tickets, 1);
	next = SSL_get1_session(t.client.ssl);
	assert_true(SSL_SESSION_is_resumable(next));
	assert_int_equal(SSL_SESSION_get_max_early_data(next), 0);
	SSL_shutdown(t.client.ssl);
	talk_finish(&t);
	return next;
}

static void
sessions_are_resumed_within_a_listener(void **state)
{
	static const struct {
		const char *listener, *key;
		bool        is_resumed;
	} rows[] = {
		{ "one", ticket_key, true }, /* another worker */
		{ "two", ticket_key, false },
		{ "one", other_ticket_key, false },
		{ "", ticket_key, false },
	};

	(void)state;
	SSL_CTX_set_session_cache_mode(client_context(),
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_context(), count_ticket);
	for (size_t i = 0; i < N_VERSIONS * sizeof rows / sizeof rows[0]; i++) {
		const size_t        r = i / N_VERSIONS;
		const int           version = versions[i % N_VERSIONS];
		struct tls_context *other =
		    context_of(&plain_keys, "", rows[r].listener, rows[r].key);
		SSL_SESSION *first = visit(plain, version, NULL, false);
		SSL_SESSION *second = visit(plain, version, first, true);
		SSL_SESSION *third = visit(other, version, second, rows[r].is_resumed);

		SSL_SESSION_free(visit(other, version, third, true));
		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
		SSL_SESSION_free(third);
		tls_context_drop(other);
	}
}

/* Ends */

static void
each_side_ends_for_itself(void **state)
{
	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++) {
		const struct wish wish = { .version = versions[v] };
		struct talk       t = talk_of(plain, &wish);
		char              heard[10];
		size_t            got;

		assert_true(shake_hands(&t));
		say(&t, "bye");
		assert_int_equal(SSL_shutdown(t.client.ssl), 0);
		tls_feed(t.server, client_output(&t.client));
		assert_int_equal(tls_read(t.server, heard, 10, &got), TLS_OK);
		assert_int_equal(got, 3);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(tls_read(t.server, heard, 10, &got), TLS_ENDED);
			assert_int_equal(got, 0);
			/* RFC 8446 section 6.1: ignored */
			tls_feed(t.server, BYTES("what nobody reads"));
			assert_int_equal(tls_room(t.server), TLS_INPUT_MAX);
		}
		assert_answers(&t, "good bye");
		tls_end(t.server);
		client_take(&t.client, t.server);
		assert_int_equal(SSL_read(t.client.ssl, heard, 10), 0);
		assert_int_equal(SSL_get_error(t.client.ssl, 0), SSL_ERROR_ZERO_RETURN);
		talk_finish(&t);
	}
}

static void
what_has_ended_can_still_listen(void **state)
{
	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++) {
		const struct wish wish = { .version = versions[v] };
		struct talk       t = talk_of(plain, &wish);
		char              heard[10];
		size_t            got, n;

		tls_end(t.server);
		assert_int_equal(tls_output(t.server).n, 0);
		assert_true(shake_hands(&t));
		tls_end(t.server);
		n = tls_output(t.server).n;
		assert_true(n > 0);
		tls_end(t.server);
		assert_false(tls_write(t.server, BYTES("more")));
		assert_int_equal(tls_output(t.server).n, n);
		assert_string_equal(tls_fault(t.server), "");
		say(&t, "last");
		assert_hears(&t, "last");
		SSL_shutdown(t.client.ssl);
		tls_feed(t.server, client_output(&t.client));
		assert_int_equal(tls_read(t.server, heard, 10, &got), TLS_ENDED);
		talk_finish(&t);
	}
}

static void
a_connection_holds_its_context(void **state)
{
	const struct wish   wish = { .version = TLS1_3_VERSION };
	struct tls_context *context = context_of(&plain_keys, "", "one", ticket_key);
	struct talk         t = talk_of(context, &wish);

	(void)state;
	tls_context_drop(tls_context_hold(context));
	tls_context_drop(context);
	assert_true(shake_hands(&t));
	assert_talks(&t);
	talk_finish(&t);
}

static void
an_idle_connection_is_small(void **state)
{
	enum { N = 100, IDLE_MAX = 20 * 1024 };
	static char text[30000];

	(void)state;
	for (size_t v = 0; v < N_VERSIONS; v++) {
		const struct wish wish = { .version = versions[v] };
		const size_t      before = mallinfo2().uordblks;
		struct talk       talks[N];

		for (size_t i = 0; i < N; i++) {
			talks[i] = talk_of(plain, &wish);
			assert_true(shake_hands(&talks[i]));
			assert_talks(&talks[i]);
			SSL_write(talks[i].client.ssl, text, sizeof text);
			assert_all_heard(
			    &talks[i], (struct bytes){ text, sizeof text }, 20000);
			assert_true(tls_write(
			    talks[i].server, (struct bytes){ text, sizeof text }));
			client_take(&talks[i].client, talks[i].server);
			client_finish(&talks[i].client);
		}
		assert_in_range(mallinfo2().uordblks - before, 0, N * IDLE_MAX);
		for (size_t i = 0; i < N; i++)
			tls_free(talks[i].server);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_come_in_any_pieces),
		cmocka_unit_test(connections_may_go_at_any_point),
		cmocka_unit_test(texts_of_all_sizes_pass),
		cmocka_unit_test(output_goes_in_any_pieces),
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(protocols_are_agreed_on),
		cmocka_unit_test(keys_that_cannot_be_used_are_refused),
		cmocka_unit_test(contexts_that_make_no_sense_are_refused),
		cmocka_unit_test(sessions_are_resumed_within_a_listener),
		cmocka_unit_test(each_side_ends_for_itself),
		cmocka_unit_test(what_has_ended_can_still_listen),
		cmocka_unit_test(a_connection_holds_its_context),
		cmocka_unit_test(an_idle_connection_is_small),
	};
	int failed;

	begin_plain();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	finish_plain();
	return failed;
}
