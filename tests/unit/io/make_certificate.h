/* Certificates that certificate_make does not make. */
#ifndef AMPEL_TESTS_MAKE_CERTIFICATE_H
#define AMPEL_TESTS_MAKE_CERTIFICATE_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"

enum { DAY_S = 24 * 60 * 60 };

/* names: of the extension, "DNS:mail.example"; NULL: none, only the subject CN=subject. */
static inline X509 *
make_certificate(EVP_PKEY *key, const char *subject, const char *names,
    time_t from, int days, EVP_PKEY *signer, const EVP_MD *digest)
{
	X509      *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	ASN1_TIME_adj(X509_getm_notBefore(x), from, 0, 0);
	ASN1_TIME_adj(X509_getm_notAfter(x), from, days, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)subject, -1, -1, 0);
	if (signer != key)
		name = X509_NAME_new();
	X509_set_issuer_name(x, name);
	if (signer != key)
		X509_NAME_free(name);
	X509_set_pubkey(x, key);
	if (names != NULL) {
		X509_EXTENSION *extension = X509V3_EXT_nconf_nid(
		    NULL, NULL, NID_subject_alt_name, names);

		X509_add_ext(x, extension, -1);
		X509_EXTENSION_free(extension);
	}
	if (X509_sign(x, signer, digest) <= 0)
		abort();
	return x;
}

static inline void
add_bio(struct buf *b, BIO *bio)
{
	char      *p;
	const long n = BIO_get_mem_data(bio, &p);

	buf_add(b, p, (size_t)n);
	BIO_free(bio);
}

static inline void
add_certificate(struct buf *b, X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(bio, certificate);
	add_bio(b, bio);
}

/* pass_phrase: NULL: none. */
static inline void
add_key(struct buf *b, EVP_PKEY *key, const char *pass_phrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(bio, key,
	    pass_phrase != NULL ? EVP_aes_128_cbc() : NULL, pass_phrase,
	    pass_phrase != NULL ? (int)strlen(pass_phrase) : 0, NULL, NULL);
	add_bio(b, bio);
}

/* The old form, "BEGIN RSA PRIVATE KEY". */
static inline void
add_old_key(struct buf *b, EVP_PKEY *key, const char *pass_phrase)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey_traditional(bio, key,
	    pass_phrase != NULL ? EVP_aes_128_cbc() : NULL,
	    (const unsigned char *)pass_phrase,
	    pass_phrase != NULL ? (int)strlen(pass_phrase) : 0, NULL, NULL);
	add_bio(b, bio);
}

/* A key, and a certificate that it signed itself. */
static inline void
add_pair(struct buf *b, EVP_PKEY *key, const char *names)
{
	X509 *certificate = make_certificate(key, "test", names,
	    time(NULL) - DAY_S, 30, key, EVP_sha256());

	add_key(b, key, NULL);
	add_certificate(b, certificate);
	X509_free(certificate);
}

#endif
