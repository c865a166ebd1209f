#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/certificate.h"
#include "io/clock.h"
#include "service/wire.h"

enum {
	LARGE = 1024 * 1024,
	TURNS_MAX = 5000,
	SEND_BUFFER = 8 * 1024,
};

/* The wire and its owner in a loop; the client is a socket, with libssl on it or not. */
static struct world {
	uv_loop_t           loop;
	uv_tcp_t            listening;
	struct wire         wire;
	struct buf          got;
	size_t              room;
	bool                wants;
	bool                is_inside;     /* a call of ours to the wire */
	bool                closes_at_input;
	bool                secures_at_input;
	bool                answers_when_secured;
	const char         *last_text;     /* where it lay */
	size_t              last_n;
	unsigned            n_ended, n_reset, n_sent, n_sent_gone, n_secured, n_closed;
	int                 client;
	SSL                *ssl;
} w;

static SSL_CTX            *client_rules;
static struct tls_context *server_rules;

/* --- the owner --- */

static size_t
on_room(const struct wire *wire)
{
	assert_ptr_equal(wire->owner, &w);
	return w.room;
}

static void
want(bool wants)
{
	w.is_inside = true;
	w.wants = wants;
	wire_read(&w.wire, wants);
	w.is_inside = false;
}

static void
secure(void)
{
	w.is_inside = true;
	assert_true(wire_secure(&w.wire, server_rules));
	w.is_inside = false;
}

static void
on_input(struct wire *wire, struct bytes text)
{
	assert_false(w.is_inside);
	assert_true(w.wants);
	assert_true(text.n > 0 && text.n <= w.room);
	buf_add_bytes(&w.got, text);
	w.last_text = text.p;
	w.last_n = text.n;
	if (w.secures_at_input) {
		w.secures_at_input = false;
		wire_send(wire, BYTES("220 go ahead\r\n"));
		secure();
	}
	if (w.closes_at_input)
		wire_close(wire);
}

static void
on_ended(struct wire *wire, bool is_reset)
{
	(void)wire;
	assert_false(w.is_inside);
	w.n_ended++;
	w.n_reset += is_reset;
}

static void
on_sent(struct wire *wire, bool is_gone)
{
	(void)wire;
	assert_false(w.is_inside);
	assert_false(wire_is_sending(wire) && !is_gone);
	w.n_sent++;
	w.n_sent_gone += is_gone;
}

static void
on_secured(struct wire *wire)
{
	assert_false(w.is_inside);
	w.n_secured++;
	if (w.answers_when_secured)
		wire_send(wire, BYTES("220 hello\r\n"));
}

static void
on_closed(struct wire *wire)
{
	(void)wire;
	w.n_closed++;
}

static const struct wire_calls calls = {
	on_room, on_input, on_ended, on_sent, on_secured, on_closed,
};

/* --- the world --- */

/* The kernel takes a moment to carry what was sent. */
static void
turn(void)
{
	uv_run(&w.loop, UV_RUN_NOWAIT);
	poll(NULL, 0, 1);
}

static void
turns(void)
{
	for (int i = 0; i < 5; i++)
		turn();
}

static void
on_client(uv_stream_t *listening, int status)
{
	assert_int_equal(status, 0);
	assert_true(wire_accept(&w.wire, &w.loop, listening, &calls, &w));
	uv_send_buffer_size((uv_handle_t *)&w.wire.tcp, &(int){ SEND_BUFFER });
}

static void
open_world(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int                size = sizeof at;

	memset(&w, 0, sizeof w);
	w.room = 64 * 1024;
	buf_init(&w.got, 4 * LARGE);
	uv_loop_init(&w.loop);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	uv_tcp_init(&w.loop, &w.listening);
	assert_int_equal(
	    uv_tcp_bind(&w.listening, (struct sockaddr *)&at, 0), 0);
	assert_int_equal(
	    uv_listen((uv_stream_t *)&w.listening, 8, on_client), 0);
	uv_tcp_getsockname(&w.listening, (struct sockaddr *)&at, &size);
	w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(w.client, (struct sockaddr *)&at, sizeof at), 0);
	fcntl(w.client, F_SETFL, O_NONBLOCK);
	setsockopt(w.client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	turns();
	assert_ptr_equal(w.wire.owner, &w);
}

static void
close_client(void)
{
	SSL_free(w.ssl);
	w.ssl = NULL;
	if (w.client != -1)
		close(w.client);
	w.client = -1;
}

static void
close_world(void)
{
	wire_close(&w.wire);
	wire_close(&w.wire); /* once is enough */
	uv_close((uv_handle_t *)&w.listening, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(w.n_closed, 1);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close_client();
	buf_finish(&w.got);
}

/* --- the client --- */

/* Until the call has come through; *n is then its count. */
static bool
is_done(int result)
{
	int error = SSL_get_error(w.ssl, result);

	if (result > 0)
		return true;
	assert_true(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE);
	turn();
	return false;
}

static void
begin_tls(void)
{
	w.ssl = SSL_new(client_rules);
	assert_non_null(w.ssl);
	SSL_set_fd(w.ssl, w.client);
	SSL_set_mode(w.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (int i = 0; i < TURNS_MAX; i++)
		if (is_done(SSL_connect(w.ssl)))
			break;
	turns();
	assert_int_equal(w.n_secured, 1);
}

static void
open_secured(void)
{
	open_world();
	secure();
	begin_tls();
}

static void
client_says(const char *text)
{
	size_t n = strlen(text), written = 0;

	if (w.ssl)
		assert_int_equal(SSL_write_ex(w.ssl, text, n, &written), 1);
	else
		assert_int_equal(send(w.client, text, n, 0), (ssize_t)n);
	turns();
}

/* What comes until that many bytes are there, or nothing comes any more. */
static void
client_hears(struct buf *heard, size_t n)
{
	char part[4096];

	for (int i = 0; i < TURNS_MAX && heard->len < n; i++) {
		int got = w.ssl ? SSL_read(w.ssl, part, sizeof part)
		                : (int)recv(w.client, part, sizeof part, 0);

		if (got > 0)
			buf_add(heard, part, (size_t)got);
		else if (got == 0)
			break;
		else
			turn();
	}
}

static void
assert_client_hears(const char *text)
{
	struct buf heard;

	buf_init(&heard, 4096);
	client_hears(&heard, strlen(text));
	assert_string_equal(buf_string(&heard), text);
	buf_finish(&heard);
}

static void
assert_got(const char *text)
{
	assert_string_equal(buf_string(&w.got), text);
	buf_clear(&w.got);
}

/* --- tests --- */

static void
test_in_the_clear(void **state)
{
	uint8_t address[16];
	char    peer[INET6_ADDRSTRLEN];

	(void)state;
	open_world();
	assert_true(wire_peer(&w.wire, address, peer));
	assert_string_equal(peer, "127.0.0.1");
	client_says("early");
	assert_got(""); /* not wanted */
	want(true);
	turns();
	assert_got("early");
	assert_int_equal(wire_send(&w.wire, BYTES("hello\r\n")), WIRE_SENT);
	assert_int_equal(wire_send(&w.wire, BYTES("")), WIRE_SENT);
	assert_client_hears("hello\r\n");
	shutdown(w.client, SHUT_WR);
	turns();
	assert_int_equal(w.n_ended, 1);
	assert_int_equal(w.n_reset, 0);
	assert_int_equal(wire_send(&w.wire, BYTES("still\r\n")), WIRE_SENT);
	assert_client_hears("still\r\n");
	close_world();
}

static void
test_reset(void **state)
{
	struct linger hard = { 1, 0 };

	(void)state;
	open_world();
	want(true);
	setsockopt(w.client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close_client();
	turns();
	assert_int_equal(w.n_ended, 1);
	assert_int_equal(w.n_reset, 1);
	close_world();
}

static void
test_under_tls(void **state)
{
	(void)state;
	open_secured();
	assert_true(w.wire.is_secured);
	want(true);
	client_says("EHLO\r\n");
	assert_got("EHLO\r\n");
	assert_int_equal(wire_send(&w.wire, BYTES("250 hello\r\n")), WIRE_SENT);
	assert_client_hears("250 hello\r\n");
	assert_int_equal(w.n_ended, 0);
	close_world();
}

/* Nobody finds a password in memory that was used up. */
static void
test_text_is_wiped(void **state)
{
	static const char zeros[64];

	(void)state;
	open_secured();
	want(true);
	client_says("PASS secret\r\n");
	assert_got("PASS secret\r\n");
	assert_memory_equal(w.last_text, zeros, w.last_n);
	close_world();
}

static void
test_starttls(void **state)
{
	(void)state;
	open_world();
	w.secures_at_input = true;
	want(true);
	client_says("STARTTLS\r\n");
	assert_got("STARTTLS\r\n");
	assert_client_hears("220 go ahead\r\n");
	begin_tls();
	client_says("EHLO\r\n");
	assert_got("EHLO\r\n");
	close_world();
}

/* A greeting from inside `secured` comes in the same packets as the end of the handshake. */
static void
test_greeting_when_secured(void **state)
{
	(void)state;
	open_world();
	w.answers_when_secured = true;
	secure();
	begin_tls();
	assert_client_hears("220 hello\r\n");
	close_world();
}

static void
fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i * 7919 % 26);
}

/* Room for few bytes at a time loses none, whatever the records are. */
static void
test_large_input(void **state)
{
	static char content[LARGE];
	size_t      at = 0;

	(void)state;
	fill(content, sizeof content);
	open_secured();
	w.room = 1000;
	want(true);
	for (int i = 0; i < TURNS_MAX && w.got.len < LARGE; i++) {
		size_t n = 0;

		if (at < LARGE && SSL_write_ex(w.ssl, content + at, LARGE - at, &n))
			at += n;
		else
			turn();
	}
	assert_int_equal(w.got.len, LARGE);
	assert_memory_equal(w.got.p, content, LARGE);
	close_world();
}

/* What is deciphered and has no room waits for it, and no socket has to wake us. */
static void
test_no_room_for_a_while(void **state)
{
	(void)state;
	open_secured();
	w.room = 4;
	want(true);
	client_says("abcd");
	assert_got("abcd");
	want(false);
	client_says("efghijkl");
	assert_got("");
	w.room = 0;
	want(true);
	turns();
	assert_got("");
	w.room = 5;
	want(true);
	assert_got(""); /* not from inside the call */
	turns();
	assert_got("efghijkl");
	close_world();
}

static void
test_large_output(void **state)
{
	static char      content[LARGE];
	struct buf       heard;
	enum wire_result result;

	(void)state;
	fill(content, sizeof content);
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		if (is_tls)
			open_secured();
		else
			open_world();
		buf_init(&heard, LARGE);
		result = wire_send(&w.wire, (struct bytes){ content, LARGE });
		assert_int_equal(result, WIRE_WAITS);
		assert_true(wire_is_sending(&w.wire));
		turns();
		assert_int_equal(w.n_sent, 0);
		client_hears(&heard, LARGE);
		turns();
		assert_int_equal(heard.len, LARGE);
		assert_memory_equal(heard.p, content, LARGE);
		assert_int_equal(w.n_sent, 1);
		assert_int_equal(w.n_sent_gone, 0);
		assert_false(wire_is_sending(&w.wire));
		buf_finish(&heard);
		close_world();
	}
}

static void
test_client_leaves_while_sending(void **state)
{
	static char content[LARGE];

	(void)state;
	open_secured();
	assert_int_equal(wire_send(&w.wire, (struct bytes){ content, LARGE }),
	    WIRE_WAITS);
	close_client();
	turns();
	assert_int_equal(w.n_sent, 1);
	assert_int_equal(w.n_sent_gone, 1);
	close_world();
}

/* RFC 8446 section 6.1: each side ends on its own. */
static void
test_half_close(void **state)
{
	(void)state;
	open_secured();
	want(true);
	client_says("QUIT\r\n");
	SSL_shutdown(w.ssl);
	turns();
	assert_got("QUIT\r\n");
	assert_int_equal(w.n_ended, 1);
	assert_int_equal(w.n_reset, 0);
	assert_int_equal(wire_send(&w.wire, BYTES("bye\r\n")), WIRE_SENT);
	assert_client_hears("bye\r\n");
	close_world();
}

static void
test_end_without_close_notify(void **state)
{
	(void)state;
	open_secured();
	want(true);
	client_says("NOOP\r\n");
	shutdown(w.client, SHUT_WR);
	turns();
	assert_got("NOOP\r\n");
	assert_int_equal(w.n_ended, 1);
	assert_int_equal(w.n_reset, 0);
	close_world();
}

/* What the client says afterwards is nobody's input; that he ends is told. */
static void
test_our_end(void **state)
{
	char c;

	(void)state;
	open_secured();
	want(true);
	w.is_inside = true;
	wire_end(&w.wire);
	w.is_inside = false;
	turns();
	assert_int_equal(SSL_read(w.ssl, &c, 1), 0);
	assert_int_equal(SSL_get_shutdown(w.ssl), SSL_RECEIVED_SHUTDOWN);
	client_says("too late");
	assert_got("");
	assert_int_equal(w.n_ended, 0);
	close_client();
	turns();
	assert_int_equal(w.n_ended, 1);
	close_world();
}

static void
test_closed_by_owner_at_input(void **state)
{
	(void)state;
	open_secured();
	w.closes_at_input = true;
	w.room = 2;
	want(true);
	client_says("abcdef");
	assert_got("ab");
	assert_int_equal(w.n_closed, 1);
	close_world();
}

static void
test_yield(void **state)
{
	(void)state;
	open_secured();
	want(true);
	assert_int_equal(wire_send(&w.wire, BYTES("1")), WIRE_SENT);
	w.is_inside = true;
	wire_yield(&w.wire);
	w.is_inside = false;
	assert_true(wire_is_sending(&w.wire));
	turns();
	assert_int_equal(w.n_sent, 1);
	assert_false(wire_is_sending(&w.wire));
	client_says("x");
	assert_got("x");
	assert_int_equal(w.n_sent, 1);
	close_world();
}

/* --- handshakes that fail --- */

static int log_pipe[2], true_stderr;

static void
catch_log(void)
{
	assert_int_equal(pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	true_stderr = dup(STDERR_FILENO);
	dup2(log_pipe[1], STDERR_FILENO);
}

/* How many lines, and the last of them. */
static size_t
caught_log(char *last, size_t size)
{
	static char text[64 * 1024];
	ssize_t     n = read(log_pipe[0], text, sizeof text - 1);
	size_t      lines = 0;

	dup2(true_stderr, STDERR_FILENO);
	close(true_stderr);
	close(log_pipe[0]);
	close(log_pipe[1]);
	last[0] = '\0';
	text[n > 0 ? n : 0] = '\0';
	for (char *at = text, *lf; (lf = strchr(at, '\n')) != NULL; at = lf + 1) {
		*lf = '\0';
		snprintf(last, size, "%.500s", at);
		lines++;
	}
	return lines;
}

static void
test_failed_handshake(void **state)
{
	char last[512];

	(void)state;
	open_world();
	secure();
	catch_log();
	client_says("EHLO in the clear\r\n");
	assert_int_equal(caught_log(last, sizeof last), 1);
	assert_memory_equal(last, "ev=tls-failed peer=127.0.0.1 why=", 33);
	assert_int_equal(w.n_secured, 0);
	assert_int_equal(w.n_ended, 1);
	assert_int_equal(w.n_reset, 1);
	close_world();
}

/* A client of another protocol hears why: RFC 7301 section 3.2. */
static void
test_refused_handshake(void **state)
{
	char last[512];

	(void)state;
	open_world();
	secure();
	catch_log();
	w.ssl = SSL_new(client_rules);
	SSL_set_fd(w.ssl, w.client);
	SSL_set_alpn_protos(w.ssl, (const unsigned char *)"\4pop3", 5);
	for (int i = 0; i < TURNS_MAX && SSL_connect(w.ssl) != 1; i++) {
		if (ERR_peek_error() != 0)
			break;
		turn();
	}
	assert_int_equal(ERR_GET_REASON(ERR_get_error()),
	    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	assert_int_equal(caught_log(last, sizeof last), 1);
	assert_int_equal(w.n_reset, 1);
	close_world();
}

/* Whoever only looks whether somebody is there is not worth a line. */
static void
test_silent_handshake(void **state)
{
	char last[512];

	(void)state;
	open_world();
	secure();
	catch_log();
	close_client();
	turns();
	assert_int_equal(caught_log(last, sizeof last), 0);
	assert_int_equal(w.n_ended, 1);
	close_world();
}

static void
test_failures_are_bounded(void **state)
{
	char     last[512];
	uint64_t began_ms = clock_monotonic_ms(), seconds;
	size_t   n = 0, lines;

	(void)state;
	catch_log();
	do {
		open_world();
		secure();
		client_says("EHLO in the clear\r\n");
		close_world();
		seconds = (clock_monotonic_ms() - began_ms) / 1000;
	} while (++n < 20 * (seconds + 2) + 10); /* of a second at each end a part */
	lines = caught_log(last, sizeof last);
	/* the tests before have used up some of the first second */
	assert_in_range(lines, 10, 20 * (seconds + 2));
	assert_true(lines < n);
}

static void
make_server_rules(void)
{
	struct bytes host = BYTES("mx.example");
	char         key[TLS_TICKET_KEY] = "ticket", error[256];
	struct buf   chain, keys;

	buf_init(&chain, CERTIFICATE_FILE_MAX);
	buf_init(&keys, CERTIFICATE_FILE_MAX);
	assert_true(certificate_make(host, clock_now_ms(), &chain, &keys));
	buf_add_bytes(&keys, buf_bytes(&chain));
	server_rules = tls_context_new(buf_bytes(&keys), BYTES("smtp"),
	    BYTES("smtps"), (struct bytes){ key, sizeof key }, error, sizeof error);
	assert_non_null(server_rules);
	buf_finish(&chain);
	buf_finish(&keys);
}

static int
make_rules(void **state)
{
	(void)state;
	make_server_rules();
	client_rules = SSL_CTX_new(TLS_client_method());
	return client_rules ? 0 : -1;
}

static int
free_rules(void **state)
{
	(void)state;
	SSL_CTX_free(client_rules);
	tls_context_drop(server_rules);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_the_clear),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_under_tls),
		cmocka_unit_test(test_text_is_wiped),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_greeting_when_secured),
		cmocka_unit_test(test_large_input),
		cmocka_unit_test(test_no_room_for_a_while),
		cmocka_unit_test(test_large_output),
		cmocka_unit_test(test_client_leaves_while_sending),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_end_without_close_notify),
		cmocka_unit_test(test_our_end),
		cmocka_unit_test(test_closed_by_owner_at_input),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_failed_handshake),
		cmocka_unit_test(test_refused_handshake),
		cmocka_unit_test(test_silent_handshake),
		cmocka_unit_test(test_failures_are_bounded),
	};

	return cmocka_run_group_tests(tests, make_rules, free_rules);
}
