/*
 * The client's side: connections between servers, and what the other one must prove
 * before it is believed (RFC 7435, RFC 7672, RFC 8461).
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tls_inside.h"
#include "io/x509.h"

enum {
	HOST_MAX = 256, /* of a name, with its NUL */
	AUTHORITIES_MAX = 10000,
	/* What mail servers have today is encrypted rather than refused; who has to prove his name does it
	 * with keys that count. */
	LEVEL_UNVERIFIED = 1,
	LEVEL_VERIFIED = 2,
};

/* --- the context --- */

static bool
set_rules(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ssl, LEVEL_UNVERIFIED);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) &&
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) &&
	    SSL_CTX_dane_enable(ssl) > 0;
}

/* What is broken among them is passed over: one bad root must not stop all mail. */
static bool
load_authorities(SSL_CTX *ssl, struct bytes text)
{
	X509_STORE        *store = SSL_CTX_get_cert_store(ssl);
	struct x509_reader reader;
	enum x509_item     item;
	size_t             n = 0;

	if (text.n == 0)
		return true;
	if (!x509_reader_init(&reader, text))
		return false;
	do {
		X509     *certificate = NULL;
		EVP_PKEY *key = NULL;

		item = x509_next(&reader, &certificate, &key);
		if (certificate != NULL && X509_STORE_add_cert(store, certificate))
			n++;
		X509_free(certificate);
		EVP_PKEY_free(key);
	} while (item != X509_ITEM_NONE && n < AUTHORITIES_MAX);
	x509_reader_finish(&reader);
	ERR_clear_error();
	return n > 0;
}

struct tls_context *
tls_client_context_new(struct bytes authorities, char *error, size_t size)
{
	struct tls_context *c = calloc(1, sizeof *c);

	if (c == NULL) {
		tls_context_fail(error, size, "no memory");
		return NULL;
	}
	c->holds = 1;
	if (!tls_context_begin(c, TLS_client_method()) || !set_rules(c->ssl))
		tls_context_fail(error, size, "OpenSSL");
	else if (!load_authorities(c->ssl, authorities))
		tls_context_fail(error, size, "there is no certificate in it");
	else
		return c;
	tls_context_drop(c);
	return NULL;
}

/* --- what is demanded --- */

static bool
add_names(SSL *ssl, const struct tls_demand *demand, size_t from)
{
	char name[HOST_MAX];

	for (size_t i = from; i < demand->n_names; i++)
		if (!bytes_to_string(demand->names[i], name, sizeof name) ||
		    !SSL_add1_host(ssl, name))
			return false;
	return demand->n_names > 0;
}

static bool
is_of_name(long result)
{
	return result == X509_V_ERR_HOSTNAME_MISMATCH ||
	    result == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* Whose certificate it was, when that is what is wrong: libssl does not keep it. */
static int
note_other_name(int is_good, X509_STORE_CTX *store)
{
	const SSL  *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = BIO_get_data(SSL_get_rbio(ssl));
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	char        name[TLS_TEXT_MAX / 2] = "";

	if (!is_of_name(X509_STORE_CTX_get_error(store)))
		return is_good;
	if (certificate != NULL)
		x509_name(certificate, name, sizeof name);
	snprintf(t->text, sizeof t->text,
	    "the certificate is for another host: %s",
	    name[0] != '\0' ? name : "(no name)");
	return is_good;
}

static void
demand_proof(SSL *ssl)
{
	SSL_set_verify(ssl, SSL_VERIFY_PEER, note_other_name);
	SSL_set_security_level(ssl, LEVEL_VERIFIED);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

/* RFC 7672 section 3.1.3: the other usages cannot be used for mail. */
static bool
is_for_mail(const struct tls_tlsa *record)
{
	return record->usage == 2 || record->usage == 3;
}

/* How many of the records can be used. */
static size_t
add_records(SSL *ssl, const struct tls_demand *demand)
{
	size_t n = 0;

	for (size_t i = 0; i < demand->n_tlsa; i++) {
		const struct tls_tlsa *r = &demand->tlsa[i];

		/* 0: an algorithm that is not known; below: malformed */
		if (is_for_mail(r) &&
		    SSL_dane_tlsa_add(ssl, r->usage, r->selector,
		        r->matching_type, (const unsigned char *)r->association.p,
		        r->association.n) > 0)
			n++;
	}
	ERR_clear_error();
	return n;
}

static bool
demand_dane(struct tls *t, const struct tls_demand *demand)
{
	char base[HOST_MAX];

	if (demand->n_names == 0 ||
	    !bytes_to_string(demand->names[0], base, sizeof base) ||
	    SSL_dane_enable(t->ssl, base) <= 0)
		return false;
	SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	if (add_records(t->ssl, demand) == 0) {
		t->is_unusable = true;
		SSL_set_verify(t->ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	demand_proof(t->ssl);
	return demand->n_names == 1 || add_names(t->ssl, demand, 1);
}

static bool
set_demand(struct tls *t, const struct tls_demand *demand)
{
	char sni[HOST_MAX];

	t->proof = demand->proof;
	if (demand->sni.n > 0 &&
	    (!bytes_to_string(demand->sni, sni, sizeof sni) ||
	        !SSL_set_tlsext_host_name(t->ssl, sni)))
		return false;
	switch (demand->proof) {
	case TLS_PROOF_NONE:
		SSL_set_verify(t->ssl, SSL_VERIFY_NONE, NULL);
		return true;
	case TLS_PROOF_NAME:
		demand_proof(t->ssl);
		return add_names(t->ssl, demand, 0);
	case TLS_PROOF_DANE:
		return demand_dane(t, demand);
	}
	return false;
}

struct tls *
tls_connect(struct tls_context *c, const struct tls_demand *demand)
{
	struct tls *t = tls_new(c);

	if (t == NULL)
		return NULL;
	SSL_set_connect_state(t->ssl);
	if (set_demand(t, demand))
		return t;
	ERR_clear_error();
	tls_free(t);
	return NULL;
}

/* --- what was proved --- */

const char *
tls_unproved(struct tls *t)
{
	long result = SSL_get_verify_result(t->ssl);

	if (t->proof == TLS_PROOF_NONE || t->is_unusable ||
	    SSL_is_server(t->ssl) || result == X509_V_OK)
		return NULL;
	if (result == X509_V_ERR_DANE_NO_MATCH)
		return "no TLSA record matches the certificate";
	if (!is_of_name(result))
		snprintf(t->text, sizeof t->text, "the certificate is refused: %s",
		    X509_verify_cert_error_string(result));
	return t->text;
}

/* The name that the certificate was found to be for, or the address. */
static void
describe_name(struct tls *t)
{
	const char *name = SSL_get0_peername(t->ssl);
	char       *address = NULL;

	if (name == NULL)
		address = X509_VERIFY_PARAM_get1_ip_asc(SSL_get0_param(t->ssl));
	snprintf(t->text, sizeof t->text, "verified %s",
	    name ? name : address ? address : "");
	OPENSSL_free(address);
}

void
tls_describe_proof(struct tls *t)
{
	if (t->is_unusable)
		snprintf(t->text, sizeof t->text, "DANE, no usable record");
	else if (t->proof == TLS_PROOF_DANE)
		snprintf(t->text, sizeof t->text, "DANE");
	else if (t->proof == TLS_PROOF_NAME)
		describe_name(t);
	else
		snprintf(t->text, sizeof t->text, "unverified");
}

const char *
tls_proof_description(const struct tls *t)
{
	return t->is_established && !SSL_is_server(t->ssl) ? t->text : "";
}
