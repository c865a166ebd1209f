/*
 * TLS 1.2 and 1.3, both sides, as an engine: bytes of the network in, bytes
 * for the network out, plain text on the other side. tls*.c alone know libssl.
 *
 * The server's side:
 * No renegotiation, no compression, no early data. Sessions are resumed by tickets that are
 * sealed with the listener's ticket key, so that all its workers can open them and no
 * other listener's can. Which certificate is shown depends on the name that the client
 * asks for (SNI): those that bear it, else those of the first key's; of several
 * with that name the one whose kind of key the client can verify.
 */
#ifndef AMPEL_IO_TLS_H
#define AMPEL_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	TLS_TICKET_KEY = 80,       /* bytes, random */
	TLS_INPUT_MAX = 32 * 1024, /* fed and not yet used; a record is 16 KiB */
};

struct tls_context; /* keys and rules of one listener; counted */
struct tls;         /* one connection */

/*
 * keys: private keys and certificates in PEM; behind each key its chain, the server's
 * own first. protocol: the only name for which ALPN is accepted ("pop3"); a client
 * that offers only others is refused with no_application_protocol, one that offers none
 * is welcome; empty: what clients offer is not looked at. listener: sessions of other
 * listeners are not resumed. Everything is copied.
 * NULL with a text in error.
 */
struct tls_context *tls_context_new(struct bytes keys, struct bytes protocol,
    struct bytes listener, struct bytes ticket_key, char *error, size_t size);
struct tls_context *tls_context_hold(struct tls_context *c);
/* NULL is allowed. */
void                tls_context_drop(struct tls_context *c);

/* The server's end of a connection; it holds the context. NULL: no memory. */
struct tls *tls_accept(struct tls_context *c);

/* --- the client's side --- */

/* One record of TLSA, RFC 6698; association borrows. */
struct tls_tlsa {
	uint8_t      usage, selector, matching_type;
	struct bytes association;
};

enum tls_proof {
	/* Encrypted, whoever it is (RFC 7435); its certificate is not looked at. */
	TLS_PROOF_NONE,
	/* An authority vouches for one of names, or for the address that stands there. */
	TLS_PROOF_NAME,
	/* RFC 7672: usages 2 and 3 alone count. Usage 3: neither names nor dates are looked at.
	 * Usage 2: one of names. Of records none of which can be used: as TLS_PROOF_NONE, and
	 * tls_proof_description says so. */
	TLS_PROOF_DANE,
};

struct tls_demand {
	enum tls_proof         proof;
	struct bytes           sni;     /* the name that is asked for; empty: none (an address) */
	const struct bytes    *names;   /* any of them proves it; the first is the TLSA base domain */
	size_t                 n_names;
	const struct tls_tlsa *tlsa;
	size_t                 n_tlsa;
};

/*
 * For connections that we make. authorities: certificates in PEM that may vouch for others;
 * empty: none, TLS_PROOF_NAME then never holds. Sessions are not resumed. For TLS_PROOF_NONE
 * the oldest version is 1.2 too: what is older is treated as no TLS at all. NULL with a text
 * in error.
 */
struct tls_context *tls_client_context_new(
    struct bytes authorities, char *error, size_t size);

/*
 * The client's end. The handshake fails (BROKEN, with a fault that says what was missing)
 * unless the demand is met. demand is copied. NULL: no memory, or the demand cannot be used.
 */
struct tls *tls_connect(struct tls_context *c, const struct tls_demand *demand);

/*
 * Once established, what was proved: "unverified", "verified mx.example.net", "DANE", "DANE,
 * no usable record". As long as t.
 */
const char *tls_proof_description(const struct tls *t);
/* Wipes and frees. NULL is allowed. */
void        tls_free(struct tls *t);

/* How much may be fed now; feeding more breaks the connection. Copies. */
size_t tls_room(const struct tls *t);
void   tls_feed(struct tls *t, struct bytes input);

enum tls_result {
	TLS_OK,
	TLS_MORE,   /* nothing before more input comes */
	TLS_ENDED,  /* the peer has said that it sends no more (close_notify) */
	TLS_BROKEN, /* handshake or record refused: send the output (an alert), close */
};

/*
 * Move on, and read plain text: at most n bytes to p, *got says how many. OK: some came
 * (with n 0: the handshake is done). There may be output behind every call.
 */
enum tls_result tls_read(struct tls *t, char *p, size_t n, size_t *got);

/* Plain text to send, all of it becomes output. Only when established. False: broken, or no memory. */
bool tls_write(struct tls *t, struct bytes text);
/* Nothing more will be written: close_notify. */
void tls_end(struct tls *t);

/* For the network; and how much of it was sent. */
struct bytes tls_output(const struct tls *t);
void         tls_sent(struct tls *t, size_t n);

bool        tls_is_established(const struct tls *t);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; static or as long as t. "" before it is established. */
const char *tls_description(const struct tls *t);
/*
 * Why it is broken, one line for the log. The peer's words are in it only as a name of its
 * certificate, made printable.
 */
const char *tls_fault(const struct tls *t);
bool        tls_is_resumed(const struct tls *t);

#endif
