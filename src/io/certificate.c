#include "io/certificate.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "io/x509.h"

enum {
	VALID_DAYS = 800, /* longer looks careless to those who check */
	SERIAL_BITS = 127, /* RFC 5280 section 4.1.2.2: positive, at most 20 bytes */
	COMMON_NAME_MAX = 64, /* ub-common-name */
	SECURITY_BITS_MIN = 112, /* what tls asks for, OpenSSL's level 2 */
	DAY_MS = 24 * 60 * 60 * 1000,
};

/* Checking */

static uint64_t
time_ms(const ASN1_TIME *time)
{
	struct tm tm;
	time_t    seconds;

	if (!ASN1_TIME_to_tm(time, &tm))
		return 0;
	seconds = timegm(&tm);
	return seconds < 0 ? 0 : (uint64_t)seconds * 1000;
}

static bool
key_is_weak(const EVP_PKEY *key)
{
	const int bits = EVP_PKEY_get_bits(key);

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return bits < 2048;
	case EVP_PKEY_EC:
		return bits < 256;
	default:
		return EVP_PKEY_get_security_bits(key) < SECURITY_BITS_MIN;
	}
}

/* A certificate's own signature on itself proves nothing, and may be of any kind. */
static bool
signature_is_weak(X509 *certificate, bool is_self_signed)
{
	int security_bits = 0;

	return !is_self_signed &&
	    X509_get_signature_info(
	        certificate, NULL, NULL, &security_bits, NULL) == 1 &&
	    security_bits < SECURITY_BITS_MIN;
}

static void
describe(X509 *certificate, struct certificate *out)
{
	out->not_before_ms = time_ms(X509_get0_notBefore(certificate));
	out->not_after_ms = time_ms(X509_get0_notAfter(certificate));
	out->is_self_signed = X509_self_signed(certificate, 1) == 1;
	x509_name(certificate, out->name, sizeof out->name);
}

/* The first of the chain. NULL: there is none, or one of them cannot be read. */
static X509 *
read_chain(struct bytes chain)
{
	struct x509_reader reader;
	enum x509_item     item;
	X509              *first = NULL, *certificate;
	EVP_PKEY          *key;

	if (!x509_reader_init(&reader, chain))
		return NULL;
	/* A file may hold the key too. */
	while ((item = x509_next(&reader, &certificate, &key)) !=
	        X509_ITEM_NONE &&
	    item != X509_ITEM_BROKEN) {
		EVP_PKEY_free(key);
		if (first == NULL)
			first = certificate;
		else
			X509_free(certificate);
	}
	x509_reader_finish(&reader);
	if (item == X509_ITEM_NONE)
		return first;
	X509_free(first);
	return NULL;
}

/* The first private key. NULL: there is none that can be read. */
static EVP_PKEY *
read_key(struct bytes text)
{
	struct x509_reader reader;
	X509              *certificate;
	EVP_PKEY          *key;

	if (!x509_reader_init(&reader, text))
		return NULL;
	while (x509_next(&reader, &certificate, &key) == X509_ITEM_CERTIFICATE)
		X509_free(certificate);
	x509_reader_finish(&reader);
	return key;
}

static enum certificate_fault
check(X509 *certificate, const EVP_PKEY *key, uint64_t now_ms,
    const struct certificate *described)
{
	if (X509_check_private_key(certificate, key) != 1)
		return CERTIFICATE_KEY_MISMATCH;
	if (key_is_weak(key) ||
	    signature_is_weak(certificate, described->is_self_signed))
		return CERTIFICATE_KEY_WEAK;
	if (now_ms > described->not_after_ms)
		return CERTIFICATE_EXPIRED;
	if (now_ms < described->not_before_ms)
		return CERTIFICATE_NOT_YET;
	return CERTIFICATE_FINE;
}

enum certificate_fault
certificate_check(struct bytes chain, struct bytes key, uint64_t now_ms,
    struct certificate *out)
{
	X509                  *certificate = read_chain(chain);
	EVP_PKEY              *private_key;
	enum certificate_fault fault = CERTIFICATE_KEY_UNREADABLE;

	*out = (struct certificate){ 0 };
	if (certificate == NULL)
		return CERTIFICATE_UNREADABLE;
	describe(certificate, out);
	private_key = read_key(key);
	if (private_key != NULL)
		fault = check(certificate, private_key, now_ms, out);
	EVP_PKEY_free(private_key);
	X509_free(certificate);
	ERR_clear_error();
	return fault;
}

const char *
certificate_fault_text(enum certificate_fault fault)
{
	static const char *const texts[] = {
		[CERTIFICATE_FINE] = "the certificate is fine",
		[CERTIFICATE_UNREADABLE] = "there is no certificate in PEM",
		[CERTIFICATE_KEY_UNREADABLE] =
		    "there is no private key in PEM without a pass phrase",
		[CERTIFICATE_KEY_MISMATCH] =
		    "the key does not belong to the certificate",
		[CERTIFICATE_KEY_WEAK] = "the key, or how the certificate is signed, is too weak",
		[CERTIFICATE_EXPIRED] = "the certificate has expired",
		[CERTIFICATE_NOT_YET] = "the certificate is not valid yet",
	};

	return texts[fault];
}

int64_t
certificate_days_left(const struct certificate *c, uint64_t now_ms)
{
	if (now_ms <= c->not_after_ms)
		return (int64_t)((c->not_after_ms - now_ms) / DAY_MS);
	return -(int64_t)((now_ms - c->not_after_ms - 1) / DAY_MS) - 1;
}

/* Making */

static bool
set_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool    is_set;

	is_set = number != NULL &&
	    BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return is_set;
}

static bool
set_times(X509 *certificate, uint64_t now_ms)
{
	const time_t now = (time_t)(now_ms / 1000);

	return ASN1_TIME_adj(X509_getm_notBefore(certificate), now, 0, 0) != NULL &&
	    ASN1_TIME_adj(
	        X509_getm_notAfter(certificate), now, VALID_DAYS, 0) != NULL;
}

/* A long name does not fit into the subject; the one that counts is in the extension. */
static bool
set_subject(X509 *certificate, struct bytes hostname)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	const struct bytes common =
	    hostname.n <= COMMON_NAME_MAX ? hostname : BYTES("ampel");

	return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
	           (const unsigned char *)common.p, (int)common.n, -1, 0) &&
	    X509_set_issuer_name(certificate, subject);
}

static bool
add_name(X509 *certificate, struct bytes hostname)
{
	GENERAL_NAMES  *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME   *name = GENERAL_NAME_new();
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();
	bool            is_added;

	if (names == NULL || name == NULL || string == NULL ||
	    !ASN1_STRING_set(string, hostname.p, (int)hostname.n) ||
	    sk_GENERAL_NAME_push(names, name) == 0) {
		ASN1_IA5STRING_free(string);
		GENERAL_NAME_free(name);
		sk_GENERAL_NAME_free(names);
		return false;
	}
	GENERAL_NAME_set0_value(name, GEN_DNS, string);
	is_added = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
	               X509V3_ADD_APPEND) == 1;
	GENERAL_NAMES_free(names);
	return is_added;
}

/* texts: of ours only; a hostname is not fit for this reader of texts. */
static bool
add_texts(X509 *certificate)
{
	static const struct {
		int         id;
		const char *text;
	} extensions[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
	};

	for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
		X509_EXTENSION *extension = X509V3_EXT_nconf_nid(
		    NULL, NULL, extensions[i].id, extensions[i].text);
		bool is_added = extension != NULL &&
		    X509_add_ext(certificate, extension, -1);

		X509_EXTENSION_free(extension);
		if (!is_added)
			return false;
	}
	return true;
}

/* NULL: no memory or no randomness. */
static X509 *
make_certificate(EVP_PKEY *key, struct bytes hostname, uint64_t now_ms)
{
	X509 *certificate = X509_new();

	if (certificate != NULL &&
	    X509_set_version(certificate, X509_VERSION_3) &&
	    set_serial(certificate) && set_times(certificate, now_ms) &&
	    set_subject(certificate, hostname) &&
	    X509_set_pubkey(certificate, key) && add_name(certificate, hostname) &&
	    add_texts(certificate) &&
	    X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static bool
add_pem(struct buf *b, BIO *bio)
{
	char      *text;
	const long n = BIO_get_mem_data(bio, &text);

	if (n <= 0)
		return false;
	buf_add(b, text, (size_t)n);
	return !b->failed;
}

static bool
write_both(X509 *certificate, EVP_PKEY *key, struct buf *chain, struct buf *key_text)
{
	BIO *public = BIO_new(BIO_s_mem());
	BIO *secret = BIO_new(BIO_s_secmem()); /* wiped when it grows or is freed */
	bool is_written;

	is_written = public != NULL && secret != NULL &&
	    PEM_write_bio_X509(public, certificate) == 1 &&
	    PEM_write_bio_PKCS8PrivateKey(
	        secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    add_pem(chain, public) && add_pem(key_text, secret);
	BIO_free(public);
	BIO_free(secret);
	return is_written;
}

/* The certificates of a text one behind the other. */
static bool
write_chain(struct bytes chain, BIO *bio)
{
	struct x509_reader reader;
	enum x509_item     item;
	X509              *certificate;
	EVP_PKEY          *key;
	bool               good = x509_reader_init(&reader, chain);

	while (good && (item = x509_next(&reader, &certificate, &key)) !=
	        X509_ITEM_NONE) {
		good = item != X509_ITEM_BROKEN && (certificate == NULL ||
		    PEM_write_bio_X509(bio, certificate) == 1);
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
	x509_reader_finish(&reader);
	return good;
}

bool
certificate_add_pair(struct bytes chain, struct bytes key, struct buf *out)
{
	EVP_PKEY *pair = read_key(key);
	BIO      *bio = BIO_new(BIO_s_secmem()); /* wiped when it grows or is freed */
	bool      good;

	good = pair != NULL && bio != NULL &&
	    PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL) ==
	        1 &&
	    write_chain(chain, bio) && add_pem(out, bio);
	BIO_free(bio);
	EVP_PKEY_free(pair);
	ERR_clear_error();
	return good;
}

bool
certificate_make(
    struct bytes hostname, uint64_t now_ms, struct buf *chain, struct buf *key)
{
	EVP_PKEY *pair;
	X509     *certificate = NULL;
	bool      is_made;

	if (hostname.n == 0 || hostname.n > 255)
		return false;
	pair = EVP_EC_gen("P-256");
	if (pair != NULL)
		certificate = make_certificate(pair, hostname, now_ms);
	is_made = certificate != NULL && write_both(certificate, pair, chain, key);
	X509_free(certificate);
	EVP_PKEY_free(pair);
	ERR_clear_error();
	return is_made;
}
