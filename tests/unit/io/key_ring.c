#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "io/key_ring.h"
#include "make_certificate.h"

enum { TEXT_MAX = 64 * 1024 };

/* What texts are put together of. */
enum part {
	NOTHING,
	KEY,          /* in today's form, and the old one */
	OLD_KEY,
	LOCKED,       /* the same, with a pass phrase */
	OLD_LOCKED,
	OWN,          /* certificates: its own, others */
	SECOND,
	THIRD,
	PARAMETERS,   /* in PEM, but nothing of ours */
	WORDS,
	CUT,          /* in the middle */
	BAD,          /* no certificate at all, in spite of the name */
	N_PARTS,
};

static struct buf parts[N_PARTS];

static void
make_parts(void)
{
	static const char *const names[] = { [OWN] = "DNS:own.example,DNS:alias.example",
		[SECOND] = "DNS:OWN.example", [THIRD] = "DNS:*.third.example" };
	EVP_PKEY *key = EVP_RSA_gen(2048);

	for (size_t i = 0; i < N_PARTS; i++)
		buf_init(&parts[i], TEXT_MAX);
	add_key(&parts[KEY], key, NULL);
	add_old_key(&parts[OLD_KEY], key, NULL);
	add_key(&parts[LOCKED], key, "secret");
	add_old_key(&parts[OLD_LOCKED], key, "secret");
	for (size_t i = OWN; i <= THIRD; i++) {
		X509 *x = make_certificate(
		    key, "common", names[i], time(NULL), 30, key, EVP_sha256());

		add_certificate(&parts[i], x);
		X509_free(x);
	}
	buf_add_string(&parts[PARAMETERS],
	    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
	    "-----END EC PARAMETERS-----\n");
	buf_add_string(&parts[WORDS], "subject=CN = own.example\n---\n\n");
	buf_add(&parts[CUT], parts[OWN].p, parts[OWN].len / 2);
	buf_add_string(&parts[BAD],
	    "-----BEGIN CERTIFICATE-----\nBggqhkjOPQMBBw==\n"
	    "-----END CERTIFICATE-----\n");
	EVP_PKEY_free(key);
}

static void
finish_parts(void)
{
	for (size_t i = 0; i < N_PARTS; i++)
		buf_finish(&parts[i]);
}

static const char *
read_parts(struct key_ring *ring, const enum part *list, size_t n)
{
	struct buf  text;
	const char *fault;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		buf_add_bytes(&text, buf_bytes(&parts[list[i]]));
	fault = key_ring_read(ring, buf_bytes(&text));
	buf_finish(&text);
	return fault;
}

static void
texts_are_read(void **state)
{
	static const struct {
		enum part   parts[6];
		size_t      n;     /* pairs */
		int         chain; /* of the last */
		const char *fault;
	} rows[] = {
		{ { KEY, OWN }, 1, 0, NULL },
		{ { OLD_KEY, OWN, SECOND, THIRD }, 1, 2, NULL },
		{ { WORDS, KEY, WORDS, OWN, WORDS }, 1, 0, NULL },
		{ { PARAMETERS, KEY, PARAMETERS, OWN }, 1, 0, NULL },
		{ { KEY, OWN, SECOND, OLD_KEY, THIRD, OWN }, 2, 1, NULL },
		{ { NOTHING }, 0, 0, "there is no private key" },
		{ { WORDS }, 0, 0, "there is no private key" },
		{ { PARAMETERS }, 0, 0, "there is no private key" },
		{ { OWN }, 0, 0, "a certificate stands before its key" },
		{ { OWN, KEY }, 0, 0, "a certificate stands before its key" },
		{ { KEY }, 0, 0, "a private key has no certificate" },
		{ { KEY, KEY, OWN }, 0, 0, "a private key has no certificate" },
		{ { KEY, OWN, KEY }, 0, 0, "a private key has no certificate" },
		{ { LOCKED, OWN }, 0, 0, "a private key wants a pass phrase" },
		{ { OLD_LOCKED, OWN }, 0, 0, "a private key wants a pass phrase" },
		{ { KEY, OWN, CUT }, 0, 0, "a key or certificate cannot be read" },
		{ { KEY, BAD }, 0, 0, "a key or certificate cannot be read" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct key_ring ring = { 0 };
		const char     *fault = read_parts(&ring, rows[i].parts, 6);

		if (rows[i].fault != NULL) {
			assert_non_null(fault);
			assert_string_equal(fault, rows[i].fault);
		} else {
			assert_null(fault);
			assert_int_equal(ring.n, rows[i].n);
			assert_int_equal(
			    sk_X509_num(ring.pairs[ring.n - 1].chain), rows[i].chain);
		}
		key_ring_finish(&ring);
		assert_null(ring.pairs);
		key_ring_finish(&ring);
	}
}

static void
the_name_of_the_first_is_preset(void **state)
{
	static const enum part list[] = { KEY, OWN, THIRD, KEY, THIRD, KEY, SECOND };
	static const struct {
		const char *host;
		bool        first, second, third;
	} rows[] = {
		{ "own.example", true, false, true },
		{ "alias.example", true, false, false },
		{ "Own.Example", true, false, true },
		{ "a.third.example", false, true, false },
		{ "a.b.third.example", false, false, false },
		{ "third.example", false, false, false },
		{ "common", false, false, false }, /* names in the extension go before the CN */
		{ "", false, false, false },
		{ "own.example.", false, false, false },
		{ "127.0.0.1", false, false, false },
	};
	struct key_ring ring = { 0 };

	(void)state;
	assert_null(read_parts(&ring, list, sizeof list / sizeof list[0]));
	assert_int_equal(ring.n, 3);
	assert_true(ring.pairs[0].is_preset);
	assert_false(ring.pairs[1].is_preset);
	assert_true(ring.pairs[2].is_preset);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *host = rows[i].host;

		assert_int_equal(key_ring_pair_bears(&ring.pairs[0], host), rows[i].first);
		assert_int_equal(key_ring_pair_bears(&ring.pairs[1], host), rows[i].second);
		assert_int_equal(key_ring_pair_bears(&ring.pairs[2], host), rows[i].third);
		assert_int_equal(key_ring_bears(&ring, host),
		    rows[i].first || rows[i].second || rows[i].third);
	}
	key_ring_finish(&ring);
}

static void
text_that_is_cut_anywhere_does_no_harm(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, TEXT_MAX);
	buf_add_bytes(&text, buf_bytes(&parts[KEY]));
	buf_add_bytes(&text, buf_bytes(&parts[OWN]));
	/* the last byte is a line end that nobody misses */
	for (size_t n = 0; n < text.len - 1; n++) {
		struct key_ring ring = { 0 };

		assert_non_null(
		    key_ring_read(&ring, bytes_first(buf_bytes(&text), n)));
		key_ring_finish(&ring);
	}
	buf_finish(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read),
		cmocka_unit_test(the_name_of_the_first_is_preset),
		cmocka_unit_test(text_that_is_cut_anywhere_does_no_harm),
	};
	int failed;

	make_parts();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	finish_parts();
	return failed;
}
