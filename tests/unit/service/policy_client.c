#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/peer.h"
#include "service/policy_client.h"

enum { MANY = 8, PATTERNS_MAX = 100 };

/* What one asker was told. */
struct told {
	unsigned      times;
	unsigned      turn; /* of all answers, when this one came; from 1 */
	enum sts_mode mode;
	uint32_t      n;
	char          first[32], text[64];
};

/* The client in a loop; fetch is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t             loop;
	struct policy_client *client;
	int                   fetch;
	struct told           told[MANY];
	unsigned              n_told;
	bool                  asks_again; /* whoever is told, once */
} w;

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
	policy_client_connect(w.client, pair[0]);
	w.fetch = pair[1];
}

static void
open_world(void)
{
	memset(&w, 0, sizeof w);
	w.fetch = -1;
	uv_loop_init(&w.loop);
	w.client = policy_client_new(&w.loop);
	assert_non_null(w.client);
}

static void
open_connected(void)
{
	open_world();
	connect_client();
}

/* Nothing is left in the loop, and nobody was told twice. */
static void
close_world(void)
{
	policy_client_free(w.client);
	if (w.fetch != -1)
		close(w.fetch);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	for (size_t i = 0; i < MANY; i++)
		assert_true(w.told[i].times <= 1);
}

/* --- the askers --- */

static struct policy_question *ask(size_t n);

static void
on_answer(const struct policy_answer *answer, void *context)
{
	struct told        *told = context;
	struct frame_reader patterns = answer->patterns;

	told->times++;
	told->turn = ++w.n_told;
	told->mode = answer->mode;
	told->n = answer->n;
	bytes_to_string(answer->text, told->text, sizeof told->text);
	for (uint32_t i = 0; i < answer->n; i++) {
		struct bytes pattern = frame_bytes(&patterns);

		if (i == 0)
			bytes_to_string(pattern, told->first, sizeof told->first);
	}
	if (w.asks_again) {
		w.asks_again = false;
		ask(MANY - 1);
	}
}

static struct policy_question *
ask(size_t n)
{
	struct policy_question *q = policy_ask(
	    w.client, BYTES("example.net"), on_answer, &w.told[n]);

	assert_non_null(q);
	assert_int_equal(w.told[n].times, 0); /* never from inside the call */
	return q;
}

/* --- fetch --- */

static bool
receive(struct bytes *frame)
{
	static char buffer[PEER_FRAME_MAX];
	int         fds[PEER_DESCRIPTORS];

	return peer_receive_blocking(w.fetch, buffer, frame, fds, 1000);
}

static uint64_t
asked(void)
{
	struct msg_ask_policy m;
	struct bytes          frame;

	assert_true(receive(&frame));
	assert_true(msg_ask_policy_read(frame, &m));
	assert_true(bytes_equal(m.domain, BYTES("example.net")));
	return m.q;
}

static void
assert_end(void)
{
	struct bytes frame;

	assert_false(receive(&frame));
	assert_false(peer_send_blocking(w.fetch, BYTES("\1\0"), NULL, 0));
}

/* All but the last cut bytes, and an open file if is_with_file. */
static void
answer_cut(const struct msg_policy *m, bool is_with_file, size_t cut)
{
	const int  file = STDIN_FILENO;
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_policy_add(&frame, m);
	assert_false(frame.failed);
	assert_true(peer_send_blocking(w.fetch,
	    bytes_first(buf_bytes(&frame), frame.len - cut), &file, is_with_file));
	buf_finish(&frame);
}

static void
answer(uint64_t q, enum sts_mode mode)
{
	const struct msg_policy m = {
		.q = q,
		.mode = (uint8_t)mode,
		.n = mode == STS_NONE ? 0 : 1,
		.patterns = mode == STS_NONE ? BYTES("") : BYTES("\1\0\0\0a"),
	};

	answer_cut(&m, false, 0);
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
	answer(q[2], STS_TESTING);
	answer_cut(&(struct msg_policy){ .q = q[0],
	               .mode = STS_NONE,
	               .text = BYTES("no certificate") },
	    false, 0);
	answer_cut(&(struct msg_policy){ .q = q[1],
	               .mode = STS_ENFORCE,
	               .n = 2,
	               .patterns = BYTES("\4\0\0\0mx.a\3\0\0\0*.b") },
	    false, 0);
	turn();
	assert_int_equal(w.told[2].turn, 1);
	assert_int_equal(w.told[2].mode, STS_TESTING);
	assert_int_equal(w.told[0].turn, 2);
	assert_int_equal(w.told[0].mode, STS_NONE);
	assert_int_equal(w.told[0].n, 0);
	assert_string_equal(w.told[0].text, "no certificate");
	assert_int_equal(w.told[1].turn, 3);
	assert_int_equal(w.told[1].mode, STS_ENFORCE);
	assert_int_equal(w.told[1].n, 2);
	assert_string_equal(w.told[1].first, "mx.a");
	close_world();
}

static void
as_many_patterns_as_there_may_be(void **state)
{
	(void)state;
	for (uint32_t n = PATTERNS_MAX; n <= PATTERNS_MAX + 1; n++) {
		struct buf list;

		open_connected();
		buf_init(&list, FRAME_MAX);
		for (uint32_t i = 0; i < n; i++)
			frame_add_bytes(&list, BYTES("mx.example.net"));
		ask(0);
		answer_cut(&(struct msg_policy){ .q = asked(),
		               .mode = STS_ENFORCE,
		               .n = n,
		               .patterns = buf_bytes(&list) },
		    false, 0);
		turn();
		assert_int_equal(w.told[0].mode,
		    n == PATTERNS_MAX ? STS_ENFORCE : STS_NONE);
		assert_int_equal(w.told[0].n, n == PATTERNS_MAX ? n : 0);
		buf_finish(&list);
		close_world();
	}
}

static void
fetch_dies(void **state)
{
	(void)state;
	open_connected();
	w.asks_again = true; /* the first that is told, while the others are being told */
	ask(0);
	ask(1);
	turn();
	close(w.fetch);
	turn();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(w.told[i].turn, i + 1);
		assert_int_equal(w.told[i].mode, STS_NONE);
		assert_true(w.told[i].text[0] != '\0');
	}
	ask(2);
	turn();
	/* Those that were asked without it wait for the next, in their order. */
	assert_int_equal(w.n_told, 2);
	connect_client();
	answer(asked(), STS_TESTING);
	answer(asked(), STS_ENFORCE);
	turn();
	assert_int_equal(w.told[MANY - 1].mode, STS_TESTING);
	assert_int_equal(w.told[2].mode, STS_ENFORCE);
	assert_int_equal(w.n_told, 4);
	close_world();
}

static void
forgotten(void **state)
{
	struct policy_question *question;
	uint64_t                q[2];

	(void)state;
	policy_forget(NULL);
	policy_client_free(NULL);
	open_world();
	policy_forget(ask(0)); /* it waits */
	connect_client();
	question = ask(1);
	ask(2);
	q[0] = asked();
	q[1] = asked();
	policy_forget(question);
	answer(q[0], STS_ENFORCE);
	answer(q[1], STS_ENFORCE);
	answer(q[1], STS_TESTING); /* a second one counts for nothing */
	turn();
	assert_int_equal(w.n_told, 1);
	assert_int_equal(w.told[2].mode, STS_ENFORCE);
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

/* The question is then answered by nothing, and fetch is to be restarted. */
static void
garbled_answers_end_the_connection(void **state)
{
	static const struct {
		uint8_t      mode;
		uint32_t     n;
		struct bytes patterns;
		bool         is_with_file;
		size_t       cut; /* bytes missing at the end */
	} rows[] = {
		{ .cut = 1 },
		{ .is_with_file = true },
		{ .mode = STS_ENFORCE + 1, .n = 1, .patterns = BYTES_INIT("\1\0\0\0a") },
		{ .mode = STS_ENFORCE }, /* of nobody */
		{ .mode = STS_TESTING },
		{ .mode = STS_NONE, .n = 1, .patterns = BYTES_INIT("\1\0\0\0a") },
		{ .mode = STS_NONE, .patterns = BYTES_INIT("\1\0\0\0a") },
		{ .mode = STS_ENFORCE, .n = 2, .patterns = BYTES_INIT("\1\0\0\0a") },
		{ .mode = STS_ENFORCE, .n = 1, .patterns = BYTES_INIT("\1\0\0\0ab") },
		{ .mode = STS_ENFORCE, .n = 1, .patterns = BYTES_INIT("\2\0\0\0a") },
		{ .mode = STS_ENFORCE, .n = 1, .patterns = BYTES_INIT("\1\0") },
		{ .mode = STS_ENFORCE, .n = UINT32_MAX, .patterns = BYTES_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		open_connected();
		ask(0);
		answer_cut(&(struct msg_policy){ .q = asked(),
		               .mode = rows[i].mode,
		               .n = rows[i].n,
		               .patterns = rows[i].patterns },
		    rows[i].is_with_file, rows[i].cut);
		turn();
		assert_int_equal(w.told[0].times, 1);
		assert_int_equal(w.told[0].mode, STS_NONE);
		assert_int_equal(w.told[0].n, 0);
		assert_end();
		close_world();
	}
}

static void
question_too_large(void **state)
{
	static char  domain[FRAME_MAX];
	struct bytes large = { domain, sizeof domain };

	(void)state;
	open_connected();
	assert_null(policy_ask(w.client, large, on_answer, &w.told[0]));
	ask(1);
	answer(asked(), STS_TESTING);
	turn();
	assert_int_equal(w.told[0].times, 0);
	assert_int_equal(w.told[1].mode, STS_TESTING);
	close_world();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_out_of_order),
		cmocka_unit_test(as_many_patterns_as_there_may_be),
		cmocka_unit_test(fetch_dies),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(the_end_tells_nobody),
		cmocka_unit_test(garbled_answers_end_the_connection),
		cmocka_unit_test(question_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
