#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/key_ring.h"
#include "io/x509.h"

enum {
	OUTPUT_MAX = 16 * 1024 * 1024,
	/* What a handshake may take in; an honest one is under 8 KiB, data may follow. */
	HANDSHAKE_MAX = 64 * 1024,
	/* Messages in a row that bring no text: KeyUpdate, alerts, wishes to renegotiate. */
	IDLE_MESSAGES_MAX = 16,
	NAME_MAX_BYTES = 256,
	PROTOCOL_MAX = 255, /* RFC 7301 section 3.1 */
	LISTENER_HASH = SSL_MAX_SID_CTX_LENGTH,
};

static const char CIPHERS_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char CIPHERS_1_3[] =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

struct tls_context {
	SSL_CTX        *ssl;
	BIO_METHOD     *method;
	struct key_ring keys;
	unsigned char   protocol[PROTOCOL_MAX];
	unsigned        protocol_n;
	size_t          holds;
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
};

/* Bytes that wait */

static size_t
waiting_n(const struct waiting *w)
{
	return w->bytes.len - w->used;
}

static void
waiting_use(struct waiting *w, size_t n)
{
	w->used += n < waiting_n(w) ? n : waiting_n(w);
	if (waiting_n(w) > 0)
		return;
	/* An idle connection holds no memory here. */
	buf_finish(&w->bytes);
	w->used = 0;
}

/* False: too much, or no memory. */
static bool
waiting_add(struct waiting *w, const char *p, size_t n)
{
	buf_drop(&w->bytes, w->used);
	w->used = 0;
	buf_add(&w->bytes, p, n);
	return !w->bytes.failed;
}

/* Faults */

static bool
is_broken(const struct tls *t)
{
	return t->fault != NULL;
}

/* The first fault is the cause; what follows from it is not told. */
static void
break_off(struct tls *t, const char *fault)
{
	if (!is_broken(t))
		t->fault = fault;
}

/* For whatever libssl has just refused. */
static void
break_off_refused(struct tls *t)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	break_off(t, reason != NULL ? reason : "refused for a reason without a name");
	ERR_clear_error();
}

/* The way of libssl to our bytes */

static int
bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*got = n < waiting_n(&t->input) ? n : waiting_n(&t->input);
	if (*got == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (!t->is_established)
		t->handshake_bytes += *got;
	if (t->handshake_bytes > HANDSHAKE_MAX)
		break_off(t, "the handshake does not end");
	if (t->idle_messages > IDLE_MESSAGES_MAX)
		break_off(t, "too many messages that bring nothing");
	if (is_broken(t))
		return 0;
	memcpy(p, t->input.bytes.p + t->input.used, *got);
	waiting_use(&t->input, *got);
	return 1;
}

static int
bio_write(BIO *bio, const char *p, size_t n, size_t *written)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!waiting_add(&t->output, p, n)) {
		break_off(t, "no memory for output");
		return 0;
	}
	*written = n;
	return 1;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *
new_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tls");

	if (method != NULL && BIO_meth_set_read_ex(method, bio_read) &&
	    BIO_meth_set_write_ex(method, bio_write) &&
	    BIO_meth_set_ctrl(method, bio_control))
		return method;
	BIO_meth_free(method);
	return NULL;
}

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

/*
 * Each message that libssl sees. Once established, all but data brings us nothing, but
 * costs work, or an answer; the answer to a wish to renegotiate is an alert.
 */
static void
count_message(int is_written, int version, int type, const void *p, size_t n,
    SSL *ssl, void *connection)
{
	struct tls *t = connection;

	(void)version;
	(void)p;
	(void)n;
	(void)ssl;
	if (!t->is_established)
		return;
	if (type == SSL3_RT_ALERT || (type == SSL3_RT_HANDSHAKE && !is_written))
		t->idle_messages++;
}

/* The context */

static bool
fail(char *error, size_t size, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	snprintf(error, size, "%s%s%s", what, reason != NULL ? ": " : "",
	    reason != NULL ? reason : "");
	ERR_clear_error();
	return false;
}

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
	SSL_CTX_set_msg_callback(c->ssl, count_message);
	if (c->protocol_n > 0)
		SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, c);
}

/* Read the keys, and see whether libssl takes each. */
static bool
load_keys(struct tls_context *c, struct bytes keys, char *error, size_t size)
{
	const char *fault = key_ring_read(&c->keys, keys);

	if (fault != NULL)
		return fail(error, size, fault);
	for (size_t i = 0; i < c->keys.n; i++) {
		const struct key_ring_pair *pair = &c->keys.pairs[i];
		char                   name[NAME_MAX_BYTES];

		if (SSL_CTX_use_cert_and_key(c->ssl, pair->certificate, pair->key,
		        pair->chain, 1) == 1)
			continue;
		x509_name(pair->certificate, name, sizeof name);
		return fail(error, size, name);
	}
	return true;
}

static bool
begin_context(struct tls_context *c, struct bytes protocol, struct bytes listener,
    struct bytes ticket_key, char *error, size_t size)
{
	/* Our rules are all here: no openssl.cnf of a system or a chroot adds to them. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return fail(error, size, "OpenSSL");
	ERR_clear_error();
	if (protocol.n > PROTOCOL_MAX)
		return fail(error, size, "the name of the protocol is too long");
	if (protocol.n > 0)
		memcpy(c->protocol, protocol.p, protocol.n);
	c->protocol_n = (unsigned)protocol.n;
	c->method = new_method();
	c->ssl = SSL_CTX_new(TLS_server_method());
	if (c->method == NULL || c->ssl == NULL || !set_rules(c->ssl))
		return fail(error, size, "OpenSSL");
	if (!set_sessions(c->ssl, listener, ticket_key))
		return fail(error, size, "the ticket key cannot be used");
	set_calls(c);
	return true;
}

struct tls_context *
tls_context_new(struct bytes keys, struct bytes protocol, struct bytes listener,
    struct bytes ticket_key, char *error, size_t size)
{
	struct tls_context *c = calloc(1, sizeof *c);

	if (c == NULL) {
		fail(error, size, "no memory");
		return NULL;
	}
	c->holds = 1;
	if (begin_context(c, protocol, listener, ticket_key, error, size) &&
	    load_keys(c, keys, error, size))
		return c;
	tls_context_drop(c);
	return NULL;
}

struct tls_context *
tls_context_hold(struct tls_context *c)
{
	c->holds++;
	return c;
}

void
tls_context_drop(struct tls_context *c)
{
	if (c == NULL || --c->holds > 0)
		return;
	key_ring_finish(&c->keys);
	SSL_CTX_free(c->ssl);
	BIO_meth_free(c->method);
	free(c);
}

/* The connection */

static bool
begin_connection(struct tls *t)
{
	BIO *bio;

	t->ssl = SSL_new(t->context->ssl);
	bio = BIO_new(t->context->method);
	if (t->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_msg_callback_arg(t->ssl, t);
	SSL_set_accept_state(t->ssl);
	return true;
}

struct tls *
tls_accept(struct tls_context *c)
{
	struct tls *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->context = tls_context_hold(c);
	buf_init(&t->input.bytes, TLS_INPUT_MAX);
	buf_init(&t->output.bytes, OUTPUT_MAX);
	if (begin_connection(t))
		return t;
	ERR_clear_error();
	tls_free(t);
	return NULL;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	/* Keys and plain text are all in there; what waits here is sealed. */
	SSL_free(t->ssl);
	buf_finish(&t->input.bytes);
	buf_finish(&t->output.bytes);
	tls_context_drop(t->context);
	free(t);
}

size_t
tls_room(const struct tls *t)
{
	return is_broken(t) ? 0 : TLS_INPUT_MAX - waiting_n(&t->input);
}

void
tls_feed(struct tls *t, struct bytes input)
{
	/* RFC 8446 section 6.1: what follows a close_notify is ignored. */
	if (is_broken(t) || t->peer_has_ended)
		return;
	if (!waiting_add(&t->input, input.p, input.n))
		break_off(t, "no room for input");
}

static void
note_established(struct tls *t)
{
	t->is_established = true;
	snprintf(t->description, sizeof t->description, "%s %s",
	    SSL_get_version(t->ssl),
	    SSL_CIPHER_standard_name(SSL_get_current_cipher(t->ssl)));
}

/* result: of the call that has just come back. */
static enum tls_result
result_of(struct tls *t, int result)
{
	if (!t->is_established && SSL_is_init_finished(t->ssl))
		note_established(t);
	if (result > 0)
		return TLS_OK;
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_MORE;
	case SSL_ERROR_ZERO_RETURN:
		t->peer_has_ended = true;
		waiting_use(&t->input, waiting_n(&t->input));
		return TLS_ENDED;
	default:
		break_off_refused(t);
		return TLS_BROKEN;
	}
}

enum tls_result
tls_read(struct tls *t, char *p, size_t n, size_t *got)
{
	enum tls_result result;

	*got = 0;
	if (is_broken(t))
		return TLS_BROKEN;
	ERR_clear_error();
	result = result_of(t,
	    n > 0 ? SSL_read_ex(t->ssl, p, n, got) : SSL_do_handshake(t->ssl));
	if (*got > 0)
		t->idle_messages = 0;
	return result;
}

bool
tls_write(struct tls *t, struct bytes text)
{
	size_t written;

	if (is_broken(t) || !t->is_established || t->has_ended)
		return false;
	if (text.n == 0)
		return true;
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, text.p, text.n, &written) == 1)
		return true;
	break_off_refused(t);
	return false;
}

void
tls_end(struct tls *t)
{
	if (is_broken(t) || !t->is_established || t->has_ended)
		return;
	t->has_ended = true;
	ERR_clear_error();
	if (SSL_shutdown(t->ssl) < 0)
		break_off_refused(t);
}

struct bytes
tls_output(const struct tls *t)
{
	return bytes_from(buf_bytes(&t->output.bytes), t->output.used);
}

void
tls_sent(struct tls *t, size_t n)
{
	waiting_use(&t->output, n);
}

bool
tls_is_established(const struct tls *t)
{
	return t->is_established;
}

const char *
tls_description(const struct tls *t)
{
	return t->description;
}

const char *
tls_fault(const struct tls *t)
{
	return is_broken(t) ? t->fault : "";
}

bool
tls_is_resumed(const struct tls *t)
{
	return t->is_established && SSL_session_reused(t->ssl);
}
