#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "io/certificate.h"
#include "io/key_ring.h"
#include "io/x509.h"
#include "make_certificate.h"

enum { TEXT_MAX = 64 * 1024 };

#define NOW_S  INT64_C(1767225600) /* 2026 */
#define NOW_MS (UINT64_C(1000) * NOW_S)
#define DAY_MS (UINT64_C(1000) * DAY_S)

static void
made_ones_are_fine(void **state)
{
	static const char *const hosts[] = { "mail.example", "*.mail.example", "localhost",
		/* longer than a CN may be */
		"a.name.of.more.than.sixty.four.characters.that.is.nevertheless.good.example" };

	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		struct certificate c;
		struct buf         chain, key;

		buf_init(&chain, TEXT_MAX);
		buf_init(&key, TEXT_MAX);
		assert_true(certificate_make(bytes_of(hosts[i]), NOW_MS, &chain, &key));
		assert_int_equal(certificate_check(
		    buf_bytes(&chain), buf_bytes(&key), NOW_MS, &c), CERTIFICATE_FINE);
		assert_string_equal(c.name, hosts[i]);
		assert_true(c.is_self_signed);
		assert_int_equal(c.not_before_ms, NOW_MS);
		assert_int_equal(c.not_after_ms, NOW_MS + 800 * DAY_MS);
		assert_int_equal(certificate_days_left(&c, NOW_MS), 800);
		buf_finish(&chain);
		buf_finish(&key);
	}
}

static X509 *
parse(const struct buf *chain)
{
	BIO  *bio = BIO_new_mem_buf(chain->p, (int)chain->len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(x);
	return x;
}

static void
made_ones_say_what_they_are(void **state)
{
	struct buf chains[2], keys[2];
	X509      *x[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		buf_init(&chains[i], TEXT_MAX);
		buf_init(&keys[i], TEXT_MAX);
		assert_true(certificate_make(
		    BYTES("mail.example"), NOW_MS, &chains[i], &keys[i]));
		x[i] = parse(&chains[i]);
		assert_int_equal(X509_check_host(x[i], "mail.example", 0, 0, NULL), 1);
		assert_int_equal(X509_check_purpose(x[i], X509_PURPOSE_SSL_SERVER, 0), 1);
		assert_int_equal(X509_check_purpose(x[i], X509_PURPOSE_SSL_CLIENT, 0), 0);
		assert_int_equal(X509_check_ca(x[i]), 0);
		assert_int_equal(X509_get_version(x[i]), X509_VERSION_3);
		assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(x[i])), 256);
		assert_int_equal(
		    ASN1_STRING_length(X509_get0_serialNumber(x[i])), 16);
	}
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(x[0]),
	    X509_get0_serialNumber(x[1])), 0);
	assert_int_equal(
	    EVP_PKEY_eq(X509_get0_pubkey(x[0]), X509_get0_pubkey(x[1])), 0);
	for (size_t i = 0; i < 2; i++) {
		X509_free(x[i]);
		buf_finish(&chains[i]);
		buf_finish(&keys[i]);
	}
}

static void
what_has_no_room_is_not_made(void **state)
{
	static char long_name[256];
	const struct {
		struct bytes host;
		size_t       chain_max, key_max;
		bool         is_made;
	} rows[] = {
		{ BYTES("mail.example"), TEXT_MAX, TEXT_MAX, true },
		{ BYTES("mail.example"), 100, TEXT_MAX, false },
		{ BYTES("mail.example"), TEXT_MAX, 100, false },
		{ BYTES(""), TEXT_MAX, TEXT_MAX, false },
		{ { long_name, 255 }, TEXT_MAX, TEXT_MAX, true },
		{ { long_name, 256 }, TEXT_MAX, TEXT_MAX, false },
	};

	(void)state;
	memset(long_name, 'a', sizeof long_name);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf chain, key;

		buf_init(&chain, rows[i].chain_max);
		buf_init(&key, rows[i].key_max);
		assert_int_equal(certificate_make(rows[i].host, NOW_MS, &chain, &key),
		    rows[i].is_made);
		buf_finish(&chain);
		buf_finish(&key);
	}
}

/* Kinds of keys. */
enum kind { NO_KEY, RSA_2048, RSA_1024, EC_256, EC_224, ED25519, N_KINDS };

static EVP_PKEY *keys[N_KINDS];

static void
make_keys(void)
{
	keys[RSA_2048] = EVP_RSA_gen(2048);
	keys[RSA_1024] = EVP_RSA_gen(1024);
	keys[EC_256] = EVP_EC_gen("P-256");
	keys[EC_224] = EVP_EC_gen("P-224");
	keys[ED25519] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void
finish_keys(void)
{
	for (size_t i = 0; i < N_KINDS; i++)
		EVP_PKEY_free(keys[i]);
}

static void
pairs_are_checked(void **state)
{
	static const struct {
		enum kind              certificate, signer, key;
		const char            *digest;
		enum certificate_fault fault;
	} rows[] = {
		{ RSA_2048, RSA_2048, RSA_2048, "SHA256", CERTIFICATE_FINE },
		{ EC_256, EC_256, EC_256, "SHA256", CERTIFICATE_FINE },
		{ EC_256, RSA_2048, EC_256, "SHA384", CERTIFICATE_FINE },
		{ ED25519, ED25519, ED25519, NULL, CERTIFICATE_FINE },
		{ RSA_2048, RSA_2048, EC_256, "SHA256", CERTIFICATE_KEY_MISMATCH },
		{ RSA_2048, RSA_2048, RSA_1024, "SHA256", CERTIFICATE_KEY_MISMATCH },
		{ RSA_1024, RSA_1024, RSA_1024, "SHA256", CERTIFICATE_KEY_WEAK },
		{ EC_224, EC_224, EC_224, "SHA256", CERTIFICATE_KEY_WEAK },
		{ RSA_2048, RSA_2048, RSA_2048, "SHA1", CERTIFICATE_FINE },
		{ EC_256, RSA_2048, EC_256, "SHA1", CERTIFICATE_KEY_WEAK },
		{ EC_256, EC_256, NO_KEY, "SHA256", CERTIFICATE_KEY_UNREADABLE },
		{ NO_KEY, NO_KEY, EC_256, NULL, CERTIFICATE_UNREADABLE },
		{ NO_KEY, NO_KEY, NO_KEY, NULL, CERTIFICATE_UNREADABLE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const EVP_MD *digest = rows[i].digest == NULL ?
		    NULL :
		    EVP_get_digestbyname(rows[i].digest);
		struct buf chain, key;
		struct certificate c;

		buf_init(&chain, TEXT_MAX);
		buf_init(&key, TEXT_MAX);
		if (rows[i].certificate != NO_KEY) {
			X509 *x = make_certificate(keys[rows[i].certificate], "common",
			    "DNS:mail.example", NOW_S, 30, keys[rows[i].signer], digest);

			add_certificate(&chain, x);
			X509_free(x);
		}
		if (rows[i].key != NO_KEY)
			add_key(&key, keys[rows[i].key], NULL);
		assert_int_equal(certificate_check(buf_bytes(&chain),
		    buf_bytes(&key), NOW_MS, &c), rows[i].fault);
		assert_string_equal(
		    c.name, rows[i].certificate != NO_KEY ? "mail.example" : "");
		assert_int_equal(c.is_self_signed,
		    rows[i].certificate != NO_KEY &&
		        rows[i].certificate == rows[i].signer);
		buf_finish(&chain);
		buf_finish(&key);
	}
}

static void
names_are_printable(void **state)
{
	static const struct {
		const char *common, *names, *name;
	} rows[] = {
		{ "mail.example", NULL, "mail.example" },
		{ "common", "DNS:first.example,DNS:second.example", "first.example" },
		{ "common", "IP:192.0.2.1,email:a@b.example,DNS:third.example", "third.example" },
		{ "common", "IP:192.0.2.1", "common" },
		{ "two\nlines\033[0m", NULL, "two lines?[0m" },
		{ "", NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		X509 *x = make_certificate(keys[EC_256], rows[i].common, rows[i].names,
		    NOW_S, 30, keys[EC_256], EVP_sha256());
		struct buf         text;
		struct certificate c;

		buf_init(&text, TEXT_MAX);
		add_certificate(&text, x);
		add_key(&text, keys[EC_256], NULL);
		assert_int_equal(certificate_check(buf_bytes(&text), buf_bytes(&text),
		    NOW_MS, &c), CERTIFICATE_FINE);
		assert_string_equal(c.name, rows[i].name);
		buf_finish(&text);
		X509_free(x);
	}
}

static void
time_is_told(void **state)
{
	static const struct {
		int64_t                at_s; /* since its first second */
		enum certificate_fault fault;
		int64_t                days_left;
	} rows[] = {
		{ -1, CERTIFICATE_NOT_YET, 30 },
		{ 0, CERTIFICATE_FINE, 30 },
		{ 1, CERTIFICATE_FINE, 29 },
		{ 29 * DAY_S, CERTIFICATE_FINE, 1 },
		{ 29 * DAY_S + 1, CERTIFICATE_FINE, 0 },
		{ 30 * DAY_S, CERTIFICATE_FINE, 0 },
		{ 30 * DAY_S + 1, CERTIFICATE_EXPIRED, -1 },
		{ 31 * DAY_S, CERTIFICATE_EXPIRED, -1 },
		{ 31 * DAY_S + 1, CERTIFICATE_EXPIRED, -2 },
	};
	X509 *x = make_certificate(keys[EC_256], "common", NULL, NOW_S, 30,
	    keys[EC_256], EVP_sha256());
	struct buf text;

	(void)state;
	buf_init(&text, TEXT_MAX);
	add_certificate(&text, x);
	add_key(&text, keys[EC_256], NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const uint64_t     at_ms = (uint64_t)(NOW_S + rows[i].at_s) * 1000;
		struct certificate c;

		assert_int_equal(certificate_check(buf_bytes(&text), buf_bytes(&text),
		    at_ms, &c), rows[i].fault);
		assert_int_equal(certificate_days_left(&c, at_ms), rows[i].days_left);
		assert_string_equal(c.name, "common");
	}
	buf_finish(&text);
	X509_free(x);
}

static void
texts_that_cannot_be_read_are_told_apart(void **state)
{
	enum { CERTIFICATE, KEY, LOCKED, OLD_LOCKED, WORDS, CUT, NOTHING, N };
	static const struct {
		int                    chain[2], key;
		enum certificate_fault fault;
	} rows[] = {
		{ { CERTIFICATE, NOTHING }, KEY, CERTIFICATE_FINE },
		{ { WORDS, CERTIFICATE }, KEY, CERTIFICATE_FINE },
		{ { KEY, CERTIFICATE }, KEY, CERTIFICATE_FINE },
		{ { CERTIFICATE, CERTIFICATE }, KEY, CERTIFICATE_FINE },
		{ { CERTIFICATE, CUT }, KEY, CERTIFICATE_UNREADABLE },
		{ { CUT, NOTHING }, KEY, CERTIFICATE_UNREADABLE },
		{ { WORDS, KEY }, KEY, CERTIFICATE_UNREADABLE },
		{ { CERTIFICATE, NOTHING }, LOCKED, CERTIFICATE_KEY_UNREADABLE },
		{ { CERTIFICATE, NOTHING }, OLD_LOCKED, CERTIFICATE_KEY_UNREADABLE },
		{ { CERTIFICATE, NOTHING }, WORDS, CERTIFICATE_KEY_UNREADABLE },
		{ { CERTIFICATE, NOTHING }, CERTIFICATE, CERTIFICATE_KEY_UNREADABLE },
		{ { CERTIFICATE, NOTHING }, NOTHING, CERTIFICATE_KEY_UNREADABLE },
	};
	struct buf parts[N];
	X509      *x = make_certificate(keys[RSA_2048], "common", NULL, NOW_S, 30,
	         keys[RSA_2048], EVP_sha256());

	(void)state;
	for (size_t i = 0; i < N; i++)
		buf_init(&parts[i], TEXT_MAX);
	add_certificate(&parts[CERTIFICATE], x);
	add_key(&parts[KEY], keys[RSA_2048], NULL);
	add_key(&parts[LOCKED], keys[RSA_2048], "secret");
	add_old_key(&parts[OLD_LOCKED], keys[RSA_2048], "secret");
	buf_add_string(&parts[WORDS], "words\n");
	buf_add(&parts[CUT], parts[CERTIFICATE].p, parts[CERTIFICATE].len / 2);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct certificate c;
		struct buf         chain;

		buf_init(&chain, TEXT_MAX);
		buf_add_bytes(&chain, buf_bytes(&parts[rows[i].chain[0]]));
		buf_add_bytes(&chain, buf_bytes(&parts[rows[i].chain[1]]));
		assert_int_equal(certificate_check(buf_bytes(&chain),
		    buf_bytes(&parts[rows[i].key]), NOW_MS, &c), rows[i].fault);
		buf_finish(&chain);
	}
	for (size_t i = 0; i < N; i++)
		buf_finish(&parts[i]);
	X509_free(x);
}

static void
every_fault_has_a_text(void **state)
{
	(void)state;
	for (int i = CERTIFICATE_FINE; i <= CERTIFICATE_NOT_YET; i++)
		assert_non_null(certificate_fault_text((enum certificate_fault)i));
	assert_string_equal(certificate_fault_text(CERTIFICATE_KEY_MISMATCH),
	    "the key does not belong to the certificate");
}

/* Both files may hold both, with words around: out comes the key, then the chain. */
static void
a_pair_is_a_key_and_its_chain(void **state)
{
	struct buf           chain, key, file, out;
	struct key_ring      ring = { 0 };
	struct x509_reader   reader;
	X509                *certificate;
	EVP_PKEY            *private_key;

	(void)state;
	buf_init(&chain, TEXT_MAX);
	buf_init(&key, TEXT_MAX);
	buf_init(&file, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	assert_true(certificate_make(BYTES("mail.example"), NOW_MS, &chain, &key));
	buf_add_string(&file, "words\n");
	buf_add_bytes(&file, buf_bytes(&chain));
	buf_add_string(&file, "more words\n");
	buf_add_bytes(&file, buf_bytes(&key));
	buf_add_bytes(&file, buf_bytes(&chain));
	assert_true(
	    certificate_add_pair(buf_bytes(&file), buf_bytes(&file), &out));
	assert_null(key_ring_read(&ring, buf_bytes(&out)));
	assert_int_equal(ring.n, 1);
	assert_true(key_ring_bears(&ring, "mail.example"));
	key_ring_finish(&ring);

	assert_true(x509_reader_init(&reader, buf_bytes(&out)));
	assert_int_equal(x509_next(&reader, &certificate, &private_key), X509_ITEM_KEY);
	EVP_PKEY_free(private_key);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(x509_next(&reader, &certificate, &private_key),
		    X509_ITEM_CERTIFICATE);
		X509_free(certificate);
	}
	assert_int_equal(x509_next(&reader, &certificate, &private_key), X509_ITEM_NONE);
	x509_reader_finish(&reader);

	assert_false(certificate_add_pair(buf_bytes(&chain), buf_bytes(&chain), &out));
	out.max = out.len + 100; /* no room */
	assert_false(certificate_add_pair(buf_bytes(&file), buf_bytes(&file), &out));
	buf_finish(&out);
	buf_finish(&file);
	buf_finish(&key);
	buf_finish(&chain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_ones_are_fine),
		cmocka_unit_test(made_ones_say_what_they_are),
		cmocka_unit_test(what_has_no_room_is_not_made),
		cmocka_unit_test(pairs_are_checked),
		cmocka_unit_test(names_are_printable),
		cmocka_unit_test(time_is_told),
		cmocka_unit_test(texts_that_cannot_be_read_are_told_apart),
		cmocka_unit_test(every_fault_has_a_text),
		cmocka_unit_test(a_pair_is_a_key_and_its_chain),
	};
	int failed;

	make_keys();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	finish_keys();
	return failed;
}
