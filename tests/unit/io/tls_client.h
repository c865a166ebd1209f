/* A client made with libssl, joined to a connection of ours by memory. */
#ifndef AMPEL_TESTS_TLS_CLIENT_H
#define AMPEL_TESTS_TLS_CLIENT_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/certificate.h"
#include "io/tls.h"

enum { KEYS_MAX = 64 * 1024 };

/* What the client wants; zero: whatever libssl does. */
struct wish {
	int          version;
	const char  *host;
	struct bytes alpn;       /* each name behind its length */
	const char  *signatures;
	const char  *ciphers;    /* of 1.2 */
	const char  *groups;
	SSL_SESSION *session;
};

struct client {
	SSL *ssl;
	BIO *in, *out; /* seen from here; they belong to ssl */
};

/* Macros of libssl's cast const away. */
struct text {
	char p[128];
};

static inline struct text
text_of(const char *p)
{
	struct text text;

	if (!bytes_to_string(bytes_of(p), text.p, sizeof text.p))
		abort();
	return text;
}

/* One for all, for as long as the program runs: making it takes longer than a handshake. */
static inline SSL_CTX *
client_context(void)
{
	static SSL_CTX *context;

	if (context == NULL)
		context = SSL_CTX_new(TLS_client_method());
	return context;
}

static inline struct client
client_of(const struct wish *wish)
{
	struct client c = { .ssl = SSL_new(client_context()) };

	SSL_set_security_level(c.ssl, 0);
	SSL_set_min_proto_version(c.ssl, wish->version);
	SSL_set_max_proto_version(c.ssl, wish->version);
	c.in = BIO_new(BIO_s_mem());
	c.out = BIO_new(BIO_s_mem());
	SSL_set_bio(c.ssl, c.in, c.out);
	SSL_set_connect_state(c.ssl);
	if (wish->host != NULL)
		SSL_set_tlsext_host_name(c.ssl, text_of(wish->host).p);
	if (wish->alpn.n > 0)
		SSL_set_alpn_protos(c.ssl, (const unsigned char *)wish->alpn.p,
		    (unsigned)wish->alpn.n);
	if (wish->signatures != NULL)
		SSL_set1_sigalgs_list(c.ssl, text_of(wish->signatures).p);
	if (wish->ciphers != NULL)
		SSL_set_cipher_list(c.ssl, wish->ciphers);
	if (wish->groups != NULL)
		SSL_set1_groups_list(c.ssl, text_of(wish->groups).p);
	if (wish->session != NULL)
		SSL_set_session(c.ssl, wish->session);
	return c;
}

static inline void
client_finish(struct client *c)
{
	SSL_free(c->ssl);
	ERR_clear_error();
}

/* What the client has for us; dies with its next call. */
static inline struct bytes
client_output(const struct client *c)
{
	char      *p;
	const long n = BIO_get_mem_data(c->out, &p);

	return (struct bytes){ p, (size_t)n };
}

static inline void
client_sent(const struct client *c)
{
	BIO_reset(c->out);
}

/* All that the server has for the client. */
static inline void
client_take(const struct client *c, struct tls *server)
{
	const struct bytes output = tls_output(server);

	if (output.n > 0)
		BIO_write(c->in, output.p, (int)output.n);
	tls_sent(server, output.n);
}

/* A private key and a certificate of its own, as tls_context_new wants them. */
static inline void
add_keys(struct buf *keys, const char *host)
{
	struct buf chain, key;

	buf_init(&chain, KEYS_MAX);
	buf_init(&key, KEYS_MAX);
	if (!certificate_make(
	        bytes_of(host), (uint64_t)time(NULL) * 1000, &chain, &key))
		abort();
	buf_add_bytes(keys, buf_bytes(&key));
	buf_add_bytes(keys, buf_bytes(&chain));
	buf_finish(&chain);
	buf_finish(&key);
}

#endif
