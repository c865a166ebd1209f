/*
 * Between the files of the TLS engine; nobody else includes it, and nobody else knows libssl.
 *
 *     tls.c         a connection: bytes in, bytes out
 *     tls_server.c  contexts of listeners
 *     tls_client.c  contexts of connections that we make; what the other side must prove
 */
#ifndef AMPEL_IO_TLS_INSIDE_H
#define AMPEL_IO_TLS_INSIDE_H

#include <openssl/ssl.h>

#include "io/key_ring.h"
#include "io/tls.h"

enum {
	TLS_PROTOCOL_MAX = 255, /* RFC 7301 section 3.1 */
	TLS_TEXT_MAX = 256,
};

struct tls_context {
	SSL_CTX        *ssl;
	BIO_METHOD     *method;
	size_t          holds;
	/* A server's. */
	struct key_ring keys;
	unsigned char   protocol[TLS_PROTOCOL_MAX];
	unsigned        protocol_n;
};

/* Bytes that wait; the first `used` of them no longer. */
struct waiting {
	struct buf bytes;
	size_t     used;
};

struct tls {
	struct tls_context *context;
	SSL                *ssl;
	struct waiting      input;
	struct waiting      output;
	const char         *fault; /* not NULL: broken */
	size_t              handshake_bytes;
	unsigned            idle_messages;
	bool                is_established;
	bool                peer_has_ended;
	bool                has_ended;
	char                description[80];
	/* A client's. */
	enum tls_proof      proof;
	bool                is_unusable; /* DANE, but no record could be used */
	char                text[TLS_TEXT_MAX]; /* a fault or a proof with a name in it */
};

/* A context's common part: libssl without files of the system, our way to bytes. False: no memory. */
bool tls_context_begin(struct tls_context *c, const SSL_METHOD *method);
/* "WHAT: reason of libssl". False. */
bool tls_context_fail(char *error, size_t size, const char *what);

/* A connection of that context, neither side chosen yet. NULL: no memory. */
struct tls *tls_new(struct tls_context *c);

/* A client is established: t->text says what was proved. */
void        tls_describe_proof(struct tls *t);
/* Why the handshake was refused by what the other side did not prove; NULL: not for that. */
const char *tls_unproved(struct tls *t);

#endif
