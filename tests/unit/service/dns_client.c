#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/memfile.h"
#include "io/peer.h"
#include "service/dns_client.h"

enum { MANY = 8, LARGE = 60 * 1024 };

/* What one asker was told. */
struct told {
	unsigned        times;
	unsigned        turn; /* of all answers, when this one came; from 1 */
	enum dns_result result;
	bool            is_secure;
	uint32_t        ttl_s, n;
	char            canonical[32], text[64], first[32];
	size_t          bytes; /* of all records */
};

/* The client in a loop; dns is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t          loop;
	struct dns_client *client;
	int                dns;
	unsigned           before; /* open descriptors */
	struct told        told[MANY];
	unsigned           n_told;
	bool               asks_again; /* whoever is told, once */
} w;

static unsigned
open_fds(void)
{
	DIR     *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static void
connect_client(void)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	dns_client_connect(w.client, pair[0]);
	w.dns = pair[1];
}

static void
open_world(void)
{
	memset(&w, 0, sizeof w);
	w.dns = -1;
	w.before = open_fds();
	uv_loop_init(&w.loop);
	w.client = dns_client_new(&w.loop);
	assert_non_null(w.client);
}

static void
open_connected(void)
{
	open_world();
	connect_client();
}

/* Nothing is left open, and nobody was told twice. */
static void
close_world(void)
{
	dns_client_free(w.client);
	if (w.dns != -1)
		close(w.dns);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(open_fds(), w.before);
	for (size_t i = 0; i < MANY; i++)
		assert_true(w.told[i].times <= 1);
}

/* --- the askers --- */

static struct dns_question *ask(size_t n);

static void
on_answer(const struct dns_answer *answer, void *context)
{
	struct told        *told = context;
	struct frame_reader records = answer->records;

	told->times++;
	told->turn = ++w.n_told;
	told->result = answer->result;
	told->is_secure = answer->is_secure;
	told->ttl_s = answer->ttl_s;
	told->n = answer->n;
	bytes_to_string(answer->canonical, told->canonical, sizeof told->canonical);
	bytes_to_string(answer->text, told->text, sizeof told->text);
	for (uint32_t i = 0; i < answer->n; i++) {
		struct bytes record = frame_bytes(&records);

		if (i == 0)
			bytes_to_string(record, told->first, sizeof told->first);
		told->bytes += record.n;
	}
	assert_true(frame_end(&records));
	if (w.asks_again) {
		w.asks_again = false;
		ask(MANY - 1);
	}
}

static struct dns_question *
ask(size_t n)
{
	struct dns_question *q = dns_ask(w.client, BYTES("example.net"), DNS_MX,
	    on_answer, &w.told[n]);

	assert_non_null(q);
	assert_int_equal(w.told[n].times, 0); /* never from inside the call */
	return q;
}

/* --- dns --- */

static bool
receive(struct bytes *frame)
{
	static char buffer[PEER_FRAME_MAX];
	int         fds[PEER_DESCRIPTORS];

	return peer_receive_blocking(w.dns, buffer, frame, fds, 1000);
}

static uint64_t
asked(void)
{
	struct msg_ask_dns m;
	struct bytes       frame;

	assert_true(receive(&frame));
	assert_true(msg_ask_dns_read(frame, &m));
	assert_true(bytes_equal(m.name, BYTES("example.net")));
	assert_int_equal(m.type, DNS_MX);
	return m.q;
}

static void
assert_end(void)
{
	struct bytes frame;

	assert_false(receive(&frame));
	assert_false(peer_send_blocking(w.dns, BYTES("\1\0"), NULL, 0));
}

/* All but the last cut bytes. */
static void
answer_cut(const struct msg_dns *m, const int *fds, size_t n_fds, size_t cut)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_dns_add(&frame, m);
	assert_false(frame.failed);
	assert_true(peer_send_blocking(w.dns,
	    bytes_first(buf_bytes(&frame), frame.len - cut), fds, n_fds));
	buf_finish(&frame);
}

static void
answer(uint64_t q, enum dns_result result)
{
	answer_cut(&(struct msg_dns){ .q = q, .result = (uint8_t)result }, NULL, 0, 0);
}

/* --- the tests --- */

static void
answers_out_of_order(void **state)
{
	uint64_t q[3];

	(void)state;
	open_connected();
	for (size_t i = 0; i < 3; i++) {
		ask(i);
		q[i] = asked();
	}
	answer(q[2], DNS_NO_NAME);
	answer_cut(&(struct msg_dns){ .q = q[0],
	               .result = DNS_BOGUS,
	               .is_secure = 1,
	               .text = BYTES("signature expired") },
	    NULL, 0, 0);
	answer_cut(&(struct msg_dns){ .q = q[1],
	               .result = DNS_FOUND,
	               .is_secure = 1,
	               .ttl = 300,
	               .canonical = BYTES("www.example.net"),
	               .n = 2,
	               .records = BYTES("\3\0\0\0one\0\0\0\0") },
	    NULL, 0, 0);
	turn();
	assert_int_equal(w.told[2].turn, 1);
	assert_int_equal(w.told[2].result, DNS_NO_NAME);
	assert_false(w.told[2].is_secure);
	assert_int_equal(w.told[0].turn, 2);
	assert_int_equal(w.told[0].result, DNS_BOGUS);
	assert_false(w.told[0].is_secure); /* whatever else was said */
	assert_string_equal(w.told[0].text, "signature expired");
	assert_int_equal(w.told[1].turn, 3);
	assert_int_equal(w.told[1].result, DNS_FOUND);
	assert_true(w.told[1].is_secure);
	assert_int_equal(w.told[1].ttl_s, 300);
	assert_int_equal(w.told[1].n, 2);
	assert_string_equal(w.told[1].canonical, "www.example.net");
	assert_string_equal(w.told[1].first, "one");
	assert_int_equal(w.told[1].bytes, 3);
	close_world();
}

/* Only 1 is secure. */
static void
security(void **state)
{
	static const uint8_t rows[] = { 0, 1, 2, 255 };

	(void)state;
	open_connected();
	for (size_t i = 0; i < sizeof rows; i++) {
		ask(i);
		answer_cut(&(struct msg_dns){ .q = asked(),
		               .result = DNS_NO_DATA,
		               .is_secure = rows[i] },
		    NULL, 0, 0);
		turn();
		assert_int_equal(w.told[i].is_secure, rows[i] == 1);
	}
	close_world();
}

static void
large_answer(void **state)
{
	struct buf list;
	char      *record = calloc(1, LARGE);
	int        fd;

	(void)state;
	assert_non_null(record);
	open_connected();
	buf_init(&list, 2 * LARGE);
	frame_add_bytes(&list, BYTES("first"));
	frame_add_bytes(&list, (struct bytes){ record, LARGE });
	fd = memfile_of("records", buf_bytes(&list));
	ask(0);
	answer_cut(&(struct msg_dns){ .q = asked(),
	               .result = DNS_FOUND,
	               .n = 2,
	               .is_large = 1 },
	    &fd, 1, 0);
	close(fd);
	turn();
	assert_int_equal(w.told[0].result, DNS_FOUND);
	assert_string_equal(w.told[0].first, "first");
	assert_int_equal(w.told[0].bytes, LARGE + 5);
	buf_finish(&list);
	free(record);
	close_world();
}

static void
dns_dies(void **state)
{
	(void)state;
	open_connected();
	w.asks_again = true; /* the first that is told, while the others are being told */
	ask(0);
	ask(1);
	turn();
	close(w.dns);
	turn();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(w.told[i].turn, i + 1);
		assert_int_equal(w.told[i].result, DNS_TRY_LATER);
		assert_true(w.told[i].text[0] != '\0');
	}
	ask(2);
	turn();
	/* Those that were asked without it wait for the next, in their order. */
	assert_int_equal(w.n_told, 2);
	connect_client();
	answer(asked(), DNS_NO_NAME);
	answer(asked(), DNS_NO_DATA);
	turn();
	assert_int_equal(w.told[MANY - 1].result, DNS_NO_NAME);
	assert_int_equal(w.told[2].result, DNS_NO_DATA);
	assert_int_equal(w.n_told, 4);
	close_world();
}

static void
dns_is_replaced(void **state)
{
	int old;

	(void)state;
	open_connected();
	ask(0);
	turn();
	old = w.dns;
	connect_client();
	assert_int_equal(w.told[0].times, 1);
	assert_int_equal(w.told[0].result, DNS_TRY_LATER);
	ask(1);
	answer(asked(), DNS_NO_NAME);
	turn();
	assert_int_equal(w.told[1].result, DNS_NO_NAME);
	assert_false(peer_send_blocking(old, BYTES("\1\0"), NULL, 0));
	close(old);
	close_world();
}

static void
forgotten(void **state)
{
	struct dns_question *question;
	uint64_t             q[2];

	(void)state;
	dns_forget(NULL);
	dns_client_free(NULL);
	open_world();
	dns_forget(ask(0)); /* it waits */
	connect_client();
	question = ask(1);
	ask(2);
	q[0] = asked();
	q[1] = asked();
	dns_forget(question);
	answer(q[0], DNS_NO_NAME);
	answer(q[1], DNS_NO_NAME);
	answer(q[1], DNS_NO_DATA); /* a second one counts for nothing */
	turn();
	assert_int_equal(w.n_told, 1);
	assert_int_equal(w.told[2].result, DNS_NO_NAME); /* no fault of dns */
	close_world();
}

/* Whoever is not asked any more is not told, nor at the client's end. */
static void
the_end_tells_nobody(void **state)
{
	(void)state;
	open_connected();
	ask(0);
	ask(1);
	turn();
	close_world();
	assert_int_equal(w.n_told, 0);
}

/* The question is then answered "try later", and dns is to be restarted. */
static void
garbled_answers_end_the_connection(void **state)
{
	static const struct {
		uint8_t      result;
		uint32_t     n;
		struct bytes records;
		uint8_t      is_large;
		size_t       n_fds;
		size_t       cut; /* bytes missing at the end */
	} rows[] = {
		{ .cut = 1 },
		{ .result = DNS_BOGUS + 1 },
		{ .result = DNS_FOUND }, /* nothing */
		{ .result = DNS_NO_NAME, .n = 1, .records = BYTES_INIT("\1\0\0\0a") },
		{ .result = DNS_BOGUS, .n = 1, .records = BYTES_INIT("\1\0\0\0a") },
		{ .result = DNS_NO_NAME, .records = BYTES_INIT("\1\0\0\0a") },
		{ .result = DNS_FOUND, .n = 2, .records = BYTES_INIT("\1\0\0\0a") },
		{ .result = DNS_FOUND, .n = 1, .records = BYTES_INIT("\1\0\0\0ab") },
		{ .result = DNS_FOUND, .n = 1, .records = BYTES_INIT("\2\0\0\0a") },
		{ .result = DNS_FOUND, .n = 1, .records = BYTES_INIT("\1\0") },
		{ .result = DNS_FOUND, .n = UINT32_MAX, .records = BYTES_INIT("") },
		{ .result = DNS_FOUND, .n = 1, .n_fds = 1 },
		{ .result = DNS_FOUND, .n = 1, .is_large = 1 },
		{ .result = DNS_FOUND, .n = 1, .is_large = 1, .n_fds = 2 },
		{ .result = DNS_FOUND, .n = 1, .is_large = 2, .n_fds = 1 },
		{ .result = DNS_FOUND, .n = 1, .is_large = 1, .n_fds = 1 }, /* "rubbish" */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fds[2];

		open_connected();
		fds[0] = fds[1] = memfile_of("records", BYTES("rubbish"));
		ask(0);
		answer_cut(&(struct msg_dns){ .q = asked(),
		               .result = rows[i].result,
		               .n = rows[i].n,
		               .records = rows[i].records,
		               .is_large = rows[i].is_large },
		    fds, rows[i].n_fds, rows[i].cut);
		turn();
		assert_int_equal(w.told[0].times, 1);
		assert_int_equal(w.told[0].result, DNS_TRY_LATER);
		assert_end();
		close(fds[0]);
		close_world();
	}
}

/* What somebody may still write is not read. */
static void
unsealed_records(void **state)
{
	int fd;

	(void)state;
	open_connected();
	fd = memfile_new("records");
	assert_int_equal(memfile_write(fd, BYTES("\1\0\0\0a")), 0);
	ask(0);
	answer_cut(&(struct msg_dns){ .q = asked(),
	               .result = DNS_FOUND,
	               .n = 1,
	               .is_large = 1 },
	    &fd, 1, 0);
	close(fd);
	turn();
	assert_int_equal(w.told[0].result, DNS_TRY_LATER);
	assert_end();
	close_world();
}

static void
question_too_large(void **state)
{
	static char  name[FRAME_MAX];
	struct bytes large = { name, sizeof name };

	(void)state;
	open_connected();
	assert_null(dns_ask(w.client, large, DNS_MX, on_answer, &w.told[0]));
	ask(1);
	answer(asked(), DNS_NO_NAME);
	turn();
	assert_int_equal(w.told[0].times, 0);
	assert_int_equal(w.told[1].result, DNS_NO_NAME);
	close_world();
}

/* The first loop of a process opens descriptors that stay. */
static int
first_loop(void **state)
{
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	return uv_loop_close(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_out_of_order),
		cmocka_unit_test(security),
		cmocka_unit_test(large_answer),
		cmocka_unit_test(dns_dies),
		cmocka_unit_test(dns_is_replaced),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(the_end_tells_nobody),
		cmocka_unit_test(garbled_answers_end_the_connection),
		cmocka_unit_test(unsealed_records),
		cmocka_unit_test(question_too_large),
	};

	return cmocka_run_group_tests(tests, first_loop, NULL);
}
