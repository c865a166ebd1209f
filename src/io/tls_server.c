/*
 * The server's side: keys, certificates, and which of them is shown; sessions.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "io/tls_inside.h"
#include "io/x509.h"

enum {
	NAME_MAX_BYTES = 256,
	LISTENER_HASH = SSL_MAX_SID_CTX_LENGTH,
};

static const char CIPHERS_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char CIPHERS_1_3[] =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/* What libssl asks */

/* Offer to the handshake those pairs that tls.h says; 0 ends it. */
static int
choose_certificates(SSL *ssl, void *context)
{
	const struct key_ring *keys = &((const struct tls_context *)context)->keys;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const bool  by_host = host != NULL && key_ring_bears(keys, host);

	SSL_certs_clear(ssl);
	/* Backwards: of two with one kind of key the first stays. */
	for (size_t i = keys->n; i-- > 0;) {
		const struct key_ring_pair *pair = &keys->pairs[i];

		if (by_host ? !key_ring_pair_bears(pair, host) : !pair->is_preset)
			continue;
		if (SSL_use_cert_and_key(ssl, pair->certificate, pair->key,
		        pair->chain, 1) != 1)
			return 0;
	}
	return 1;
}

/* RFC 6066 section 3: a server that has looked at the name says so. */
static int
acknowledge_name(SSL *ssl, int *alert, void *context)
{
	(void)ssl;
	(void)alert;
	(void)context;
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 section 3.2. names: each behind its length; well formed, libssl has looked. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *names, unsigned names_n, void *context)
{
	const struct tls_context *c = context;

	(void)ssl;
	for (unsigned at = 0; at < names_n; at += 1U + names[at]) {
		if (names[at] != c->protocol_n ||
		    memcmp(names + at + 1, c->protocol, c->protocol_n) != 0)
			continue;
		*out = c->protocol;
		*out_n = (unsigned char)c->protocol_n;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The context */

static bool
set_algorithms(SSL_CTX *ssl)
{
	/* Not const, since macros of libssl's cast it away. */
	char groups[] = "X25519:P-256:P-384";
	/* ECDSA first: of two certificates that the client can verify, the cheaper one. */
	char signatures[] =
	    "ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:"
	    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
	    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
	    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) &&
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) &&
	    SSL_CTX_set_cipher_list(ssl, CIPHERS_1_2) &&
	    SSL_CTX_set_ciphersuites(ssl, CIPHERS_1_3) &&
	    SSL_CTX_set1_groups_list(ssl, groups) &&
	    SSL_CTX_set1_sigalgs_list(ssl, signatures);
}

static bool
set_rules(SSL_CTX *ssl)
{
	SSL_CTX_set_security_level(ssl, 2);
	SSL_CTX_set_options(ssl,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	        /* a password may have stood there */
	        SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	return set_algorithms(ssl) && SSL_CTX_set_max_early_data(ssl, 0) &&
	    SSL_CTX_set_num_tickets(ssl, 1);
}

static bool
set_sessions(SSL_CTX *ssl, struct bytes listener, struct bytes ticket_key)
{
	unsigned char key[TLS_TICKET_KEY];
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned      hash_n;
	bool          is_set;

	/* A listener's name may be longer than a session's context. */
	if (ticket_key.n != sizeof key ||
	    !EVP_Digest(
	        listener.p, listener.n, hash, &hash_n, EVP_sha256(), NULL))
		return false;
	memcpy(key, ticket_key.p, sizeof key);
	is_set = SSL_CTX_set_session_id_context(ssl, hash, LISTENER_HASH) &&
	    SSL_CTX_set_tlsext_ticket_keys(ssl, key, sizeof key) == 1;
	OPENSSL_cleanse(key, sizeof key);
	return is_set;
}

static void
set_calls(struct tls_context *c)
{
	SSL_CTX_set_cert_cb(c->ssl, choose_certificates, c);
	SSL_CTX_set_tlsext_servername_callback(c->ssl, acknowledge_name);
	if (c->protocol_n > 0)
		SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, c);
}

/* Read the keys, and see whether libssl takes each. */
static bool
load_keys(struct tls_context *c, struct bytes keys, char *error, size_t size)
{
	const char *fault = key_ring_read(&c->keys, keys);

	if (fault != NULL)
		return tls_context_fail(error, size, fault);
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct key_ring_pair *pair = &c->keys.pairs[i];
		char                   name[NAME_MAX_BYTES];

		if (SSL_CTX_use_cert_and_key(c->ssl, pair->certificate, pair->key,
		        pair->chain, 1) == 1)
			continue;
		x509_name(pair->certificate, name, sizeof name);
		return tls_context_fail(error, size, name);
	}
	return true;
}

static bool
begin_context(struct tls_context *c, struct bytes protocol, struct bytes listener,
    struct bytes ticket_key, char *error, size_t size)
{
	if (!tls_context_begin(c, TLS_server_method()))
		return tls_context_fail(error, size, "OpenSSL");
	if (protocol.n > TLS_PROTOCOL_MAX)
		return tls_context_fail(error, size, "the name of the protocol is too long");
	if (protocol.n > 0)
		memcpy(c->protocol, protocol.p, protocol.n);
	c->protocol_n = (unsigned)protocol.n;
	if (!set_rules(c->ssl))
		return tls_context_fail(error, size, "OpenSSL");
	if (!set_sessions(c->ssl, listener, ticket_key))
		return tls_context_fail(error, size, "the ticket key cannot be used");
	set_calls(c);
	return true;
}

struct tls_context *
tls_context_new(struct bytes keys, struct bytes protocol, struct bytes listener,
    struct bytes ticket_key, char *error, size_t size)
{
	struct tls_context *c = calloc(1, sizeof *c);

	if (c == NULL) {
		tls_context_fail(error, size, "no memory");
		return NULL;
	}
	c->holds = 1;
	if (begin_context(c, protocol, listener, ticket_key, error, size) &&
	    load_keys(c, keys, error, size))
		return c;
	tls_context_drop(c);
	return NULL;
}

struct tls *
tls_accept(struct tls_context *c)
{
	struct tls *t = tls_new(c);

	if (t != NULL)
		SSL_set_accept_state(t->ssl);
	return t;
}
