/*
 * One connection, whichever side of it we are.
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tls_inside.h"

enum {
	OUTPUT_MAX = 16 * 1024 * 1024,
	/* What a handshake may take in; an honest one is under 8 KiB, data may follow. */
	HANDSHAKE_MAX = 64 * 1024,
	/* Messages in a row that bring no text: KeyUpdate, alerts, wishes to renegotiate. */
	IDLE_MESSAGES_MAX = 16,
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
	const char *reason = tls_unproved(t);

	if (reason == NULL)
		reason = ERR_reason_error_string(ERR_peek_error());
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

bool
tls_context_fail(char *error, size_t size, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	snprintf(error, size, "%s%s%s", what, reason != NULL ? ": " : "",
	    reason != NULL ? reason : "");
	ERR_clear_error();
	return false;
}

bool
tls_context_begin(struct tls_context *c, const SSL_METHOD *method)
{
	/* Our rules are all here: no openssl.cnf of a system or a chroot adds to them. */
	if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return false;
	ERR_clear_error();
	c->method = new_method();
	c->ssl = SSL_CTX_new(method);
	if (c->method == NULL || c->ssl == NULL)
		return false;
	SSL_CTX_set_msg_callback(c->ssl, count_message);
	return true;
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
	return true;
}

struct tls *
tls_new(struct tls_context *c)
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
	if (!SSL_is_server(t->ssl))
		tls_describe_proof(t);
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
