#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/memfile.h"
#include "io/peer.h"
#include "proto/message.h"
#include "service/lookup_client.h"

enum { MANY = 8, TARGETS = 10000 };

/* What one asker was told. */
struct told {
	unsigned              times;
	unsigned              turn; /* of all answers, when this one came; from 1 */
	bool                  try_later, allowed, inside;
	enum recipient_answer recipient;
	enum route_kind       kind;
	char                  user[16], extension[16], owner[32];
	char                  local[16], dash[16];
	bool                  is_qmail;
	size_t                n_targets;
	char                  first_target[32], last_target[32];
};

/* The client in a loop; lookup is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t             loop;
	struct lookup_client *client;
	int                   lookup;
	unsigned              before; /* open descriptors */
	struct told           told[MANY];
	unsigned              n_told;
	bool                  asks_again; /* whoever is told, once */
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
	lookup_client_connect(w.client, pair[0]);
	w.lookup = pair[1];
}

static void
open_world(void)
{
	memset(&w, 0, sizeof w);
	w.lookup = -1;
	w.before = open_fds();
	uv_loop_init(&w.loop);
	w.client = lookup_client_new(&w.loop);
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
	lookup_client_free(w.client);
	if (w.lookup != -1)
		close(w.lookup);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(open_fds(), w.before);
	for (size_t i = 0; i < MANY; i++)
		assert_true(w.told[i].times <= 1);
}

/* --- the askers --- */

static struct lookup_question *ask_recipient(size_t n);

static void
count(struct told *told)
{
	told->times++;
	told->turn = ++w.n_told;
	if (w.asks_again) {
		w.asks_again = false;
		ask_recipient(MANY - 1);
	}
}

static void
on_connect(const struct lookup_client_rights *rights, void *context)
{
	struct told *told = context;

	count(told);
	told->try_later = rights->try_later;
	told->allowed = rights->allowed;
	told->inside = rights->inside;
}

static void
on_recipient(enum recipient_answer answer, void *context)
{
	struct told *told = context;

	count(told);
	told->recipient = answer;
	told->try_later = answer == RECIPIENT_TRY_LATER;
}

static void
on_account(bool try_later, struct bytes name, void *context)
{
	struct told *told = context;

	count(told);
	told->try_later = try_later;
	bytes_to_string(name, told->user, sizeof told->user);
}

static void
on_route(const struct route *route, void *context)
{
	struct told *told = context;

	count(told);
	told->try_later = route == NULL;
	if (route == NULL)
		return;
	told->kind = route->kind;
	told->n_targets = route->n_targets;
	bytes_to_string(route->user, told->user, sizeof told->user);
	bytes_to_string(route->extension, told->extension, sizeof told->extension);
	told->is_qmail = route->is_qmail;
	bytes_to_string(route->local, told->local, sizeof told->local);
	bytes_to_string(route->dash, told->dash, sizeof told->dash);
	bytes_to_string(route->owner, told->owner, sizeof told->owner);
	if (route->n_targets == 0)
		return;
	bytes_to_string(
	    route->targets[0], told->first_target, sizeof told->first_target);
	bytes_to_string(route->targets[route->n_targets - 1], told->last_target,
	    sizeof told->last_target);
}

static struct lookup_question *
asked(struct lookup_question *q, size_t n)
{
	assert_non_null(q);
	assert_int_equal(w.told[n].times, 0); /* never from inside the call */
	return q;
}

static struct lookup_question *
ask_connect(size_t n)
{
	return asked(lookup_connect(w.client, BYTES("smtp"), BYTES("192.0.2.1"),
	                 on_connect, &w.told[n]),
	    n);
}

static struct lookup_question *
ask_recipient(size_t n)
{
	return asked(lookup_recipient(w.client, BYTES("joe@example.org"), BYTES(""),
	                 on_recipient, &w.told[n]),
	    n);
}

static struct lookup_question *
ask_route(size_t n)
{
	return asked(
	    lookup_route(w.client, BYTES("joe@example.org"), on_route, &w.told[n]),
	    n);
}

/* --- lookup --- */

static bool
receive(uint16_t type, struct bytes *frame)
{
	static char buffer[PEER_FRAME_MAX];
	int         fds[PEER_DESCRIPTORS];

	return peer_receive_blocking(w.lookup, buffer, frame, fds, 1000) &&
	    frame_type(*frame) == type;
}

static uint64_t
receive_connect(void)
{
	struct msg_ask_connect m;
	struct bytes           frame;

	assert_true(receive(MSG_ASK_CONNECT, &frame));
	assert_true(msg_ask_connect_read(frame, &m));
	assert_true(bytes_equal(m.listener, BYTES("smtp")));
	assert_true(bytes_equal(m.address, BYTES("192.0.2.1")));
	return m.q;
}

static uint64_t
receive_recipient(void)
{
	struct msg_ask_recipient m;
	struct bytes             frame;

	assert_true(receive(MSG_ASK_RECIPIENT, &frame));
	assert_true(msg_ask_recipient_read(frame, &m));
	assert_true(bytes_equal(m.address, BYTES("joe@example.org")));
	return m.q;
}

static uint64_t
receive_route(void)
{
	struct msg_ask_route m;
	struct bytes         frame;

	assert_true(receive(MSG_ASK_ROUTE, &frame));
	assert_true(msg_ask_route_read(frame, &m));
	assert_true(bytes_equal(m.address, BYTES("joe@example.org")));
	return m.q;
}

static void
assert_end(void)
{
	struct bytes frame;

	assert_false(receive(MSG_NONE, &frame));
	assert_false(peer_send_blocking(w.lookup, BYTES("\1\0"), NULL, 0));
}

/* Everything but its last cut bytes. */
static void
send_cut(struct buf *frame, size_t cut, const int *fds, size_t n_fds)
{
	assert_false(frame->failed);
	assert_true(peer_send_blocking(w.lookup,
	    bytes_first(buf_bytes(frame), frame->len - cut), fds, n_fds));
	buf_finish(frame);
}

static void
answer_connect(uint64_t q, uint8_t allowed, uint8_t inside)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_connect_add(&frame, &(struct msg_connect){ .q = q, .allowed = allowed, .inside = inside });
	send_cut(&frame, 0, NULL, 0);
}

static void
answer_recipient(uint64_t q, uint8_t answer)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_recipient_add(&frame, &(struct msg_recipient){ q, answer });
	send_cut(&frame, 0, NULL, 0);
}

static void
answer_route(const struct msg_route *m, const int *fds, size_t n_fds)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_route_add(&frame, m);
	send_cut(&frame, 0, fds, n_fds);
}

/* --- the tests --- */

static void
answers_out_of_order(void **state)
{
	uint64_t q[4];

	(void)state;
	open_connected();
	ask_connect(0);
	ask_recipient(1);
	ask_route(2);
	ask_recipient(3);
	q[0] = receive_connect();
	q[1] = receive_recipient();
	q[2] = receive_route();
	q[3] = receive_recipient();
	answer_recipient(q[3], RECIPIENT_UNKNOWN);
	answer_route(
	    &(struct msg_route){ .q = q[2],
	        .kind = ROUTE_USER,
	        .user = BYTES("joe"),
	        .extension = BYTES("list"),
	        .is_qmail = 1,
	        .local = BYTES("info-joe-list"),
	        .dash = BYTES("-") },
	    NULL, 0);
	answer_recipient(q[1], RECIPIENT_OK);
	answer_connect(q[0], 1, 0);
	turn();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(w.told[i].turn, 4 - i);
		assert_false(w.told[i].try_later);
	}
	assert_true(w.told[0].allowed);
	assert_false(w.told[0].inside);
	assert_int_equal(w.told[1].recipient, RECIPIENT_OK);
	assert_int_equal(w.told[2].kind, ROUTE_USER);
	assert_string_equal(w.told[2].user, "joe");
	assert_string_equal(w.told[2].extension, "list");
	assert_true(w.told[2].is_qmail);
	assert_string_equal(w.told[2].local, "info-joe-list");
	assert_string_equal(w.told[2].dash, "-");
	assert_int_equal(w.told[2].n_targets, 0);
	assert_int_equal(w.told[3].recipient, RECIPIENT_UNKNOWN);
	close_world();
}

/* Only 1 allows. */
static void
connect_answers(void **state)
{
	static const struct {
		uint8_t allowed, inside;
	} rows[] = { { 0, 0 }, { 0, 1 }, { 1, 1 }, { 2, 255 } };

	(void)state;
	open_connected();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ask_connect(i);
		answer_connect(receive_connect(), rows[i].allowed, rows[i].inside);
		turn();
		assert_int_equal(w.told[i].times, 1);
		assert_false(w.told[i].try_later);
		assert_int_equal(w.told[i].allowed, rows[i].allowed == 1);
		assert_int_equal(w.told[i].inside, rows[i].inside == 1);
	}
	close_world();
}

static void
account_answers(void **state)
{
	struct msg_ask_account m;
	struct bytes           frame;
	struct buf             answer;

	(void)state;
	open_connected();
	asked(lookup_account(w.client, 33, on_account, &w.told[0]), 0);
	asked(lookup_account(w.client, 34, on_account, &w.told[1]), 1);
	assert_true(receive(MSG_ASK_ACCOUNT, &frame));
	assert_true(msg_ask_account_read(frame, &m));
	assert_int_equal(m.uid, 33);
	buf_init(&answer, FRAME_MAX);
	msg_account_add(&answer, &(struct msg_account){ m.q, BYTES("www-data") });
	assert_true(peer_send_blocking(w.lookup, buf_bytes(&answer), NULL, 0));
	buf_finish(&answer);
	turn();
	assert_int_equal(w.told[0].times, 1);
	assert_false(w.told[0].try_later);
	assert_string_equal(w.told[0].user, "www-data");
	close(w.lookup);
	turn();
	assert_int_equal(w.told[1].times, 1);
	assert_true(w.told[1].try_later);
	close_world();
}

static void
lookup_dies(void **state)
{
	(void)state;
	open_connected();
	w.asks_again = true; /* the first that is told, while the others are being told */
	ask_connect(0);
	ask_recipient(1);
	ask_route(2);
	turn();
	close(w.lookup);
	turn();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(w.told[i].turn, i + 1);
		assert_true(w.told[i].try_later);
	}
	ask_recipient(3);
	turn();
	/* Those that were asked without lookup wait for the next, in their order. */
	assert_int_equal(w.n_told, 3);
	connect_client();
	answer_recipient(receive_recipient(), RECIPIENT_NOT_OURS);
	answer_recipient(receive_recipient(), RECIPIENT_OK);
	turn();
	assert_int_equal(w.told[MANY - 1].recipient, RECIPIENT_NOT_OURS);
	assert_int_equal(w.told[MANY - 1].turn, 4);
	assert_int_equal(w.told[3].recipient, RECIPIENT_OK);
	close_world();
}

/* It died, but the loop has not yet said so: such a question waits too. */
static void
asked_of_the_dead(void **state)
{
	(void)state;
	open_connected();
	ask_recipient(0);
	close(w.lookup);
	ask_recipient(1);
	turn();
	assert_true(w.told[0].try_later);
	assert_int_equal(w.told[1].times, 0);
	connect_client();
	answer_recipient(receive_recipient(), RECIPIENT_OK);
	turn();
	assert_int_equal(w.told[1].recipient, RECIPIENT_OK);
	close_world();
}

static void
lookup_is_replaced(void **state)
{
	int old;

	(void)state;
	open_connected();
	ask_recipient(0);
	turn();
	old = w.lookup;
	connect_client();
	assert_true(w.told[0].try_later);
	ask_recipient(1);
	answer_recipient(receive_recipient(), RECIPIENT_OK);
	turn();
	assert_int_equal(w.told[1].recipient, RECIPIENT_OK);
	assert_false(peer_send_blocking(old, BYTES("\1\0"), NULL, 0));
	close(old);
	close_world();
}

static void
forgotten(void **state)
{
	struct lookup_question *question;
	uint64_t                q[2];

	(void)state;
	lookup_forget(NULL);
	open_world();
	lookup_forget(ask_recipient(0)); /* it waits */
	connect_client();
	question = ask_route(1);
	ask_recipient(2);
	q[0] = receive_route();
	q[1] = receive_recipient();
	lookup_forget(question);
	answer_route(&(struct msg_route){ .q = q[0] }, NULL, 0);
	answer_recipient(q[1], RECIPIENT_OK);
	turn();
	assert_int_equal(w.told[0].times, 0);
	assert_int_equal(w.told[1].times, 0);
	assert_int_equal(w.told[2].recipient, RECIPIENT_OK); /* no fault of lookup */
	question = ask_connect(3);
	lookup_forget(question);
	close(w.lookup);
	w.lookup = -1;
	turn();
	assert_int_equal(w.n_told, 1);
	close_world();
}

/* Whoever is not asked any more is not told, nor at the client's end. */
static void
the_end_tells_nobody(void **state)
{
	(void)state;
	open_connected();
	ask_connect(0);
	ask_recipient(1);
	turn();
	close_world();
	assert_int_equal(w.n_told, 0);
}

static void
expansion_in_the_frame(void **state)
{
	struct buf list;

	(void)state;
	open_connected();
	buf_init(&list, FRAME_MAX);
	frame_add_bytes(&list, BYTES("a@example.org"));
	frame_add_bytes(&list, BYTES(""));
	frame_add_bytes(&list, BYTES("b@example.org"));
	ask_route(0);
	answer_route(
	    &(struct msg_route){ .q = receive_route(),
	        .kind = ROUTE_EXPANDED,
	        .owner = BYTES("owner-list@example.org"),
	        .targets = buf_bytes(&list) },
	    NULL, 0);
	turn();
	assert_int_equal(w.told[0].kind, ROUTE_EXPANDED);
	assert_int_equal(w.told[0].n_targets, 3);
	assert_string_equal(w.told[0].owner, "owner-list@example.org");
	assert_string_equal(w.told[0].first_target, "a@example.org");
	assert_string_equal(w.told[0].last_target, "b@example.org");
	buf_finish(&list);
	close_world();
}

static void
large_expansion(void **state)
{
	struct buf list;
	char       name[32];
	int        fd;

	(void)state;
	open_connected();
	buf_init(&list, 1024 * 1024);
	for (int i = 0; i < TARGETS; i++) {
		snprintf(name, sizeof name, "user%d@example.org", i);
		frame_add_bytes(&list, bytes_of(name));
	}
	assert_false(list.failed);
	assert_true(list.len > FRAME_MAX);
	fd = memfile_of("targets", buf_bytes(&list));
	ask_route(0);
	answer_route(
	    &(struct msg_route){
	        .q = receive_route(), .kind = ROUTE_EXPANDED, .is_large = 1 },
	    &fd, 1);
	close(fd);
	turn();
	assert_int_equal(w.told[0].n_targets, TARGETS);
	assert_string_equal(w.told[0].first_target, "user0@example.org");
	assert_string_equal(w.told[0].last_target, "user9999@example.org");
	buf_finish(&list);
	close_world();
}

/* The question is then answered "try later", and lookup is to be restarted. */
static void
garbled_answers_end_the_connection(void **state)
{
	static const struct {
		uint16_t     type;
		uint8_t      choice;
		struct bytes targets;
		uint8_t      is_large;
		size_t       n_fds;
		size_t       cut; /* bytes missing at the end */
	} rows[] = {
		{ .type = MSG_ROUTE, .cut = 1 },
		{ .type = MSG_ROUTE, .choice = ROUTE_EXPANDED + 1 },
		{ .type = MSG_ROUTE, .n_fds = 1 },
		{ .type = MSG_ROUTE, .is_large = 1 },
		{ .type = MSG_ROUTE, .is_large = 1, .n_fds = 2 },
		{ .type = MSG_ROUTE, .targets = BYTES_INIT("\1\0\0") },
		{ .type = MSG_ROUTE, .targets = BYTES_INIT("\2\0\0\0a") },
		{ .type = MSG_ROUTE, .targets = BYTES_INIT("\377\377\377\377a") },
		{ .type = MSG_ROUTE, .is_large = 1, .n_fds = 1 }, /* "rubbish" */
		{ .type = MSG_RECIPIENT, .choice = RECIPIENT_LIMIT + 1 },
		{ .type = MSG_RECIPIENT, .cut = 1 },
		{ .type = MSG_CONNECT, .cut = 1 },
		{ .type = MSG_CONNECT, .n_fds = 1 },
		{ .type = MSG_RESULT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf frame;
		uint64_t   q;
		int        fds[2];

		open_connected();
		fds[0] = fds[1] = memfile_of("targets", BYTES("rubbish"));
		ask_route(0);
		q = receive_route();
		buf_init(&frame, FRAME_MAX);
		if (rows[i].type == MSG_ROUTE)
			msg_route_add(&frame,
			    &(struct msg_route){ .q = q,
			        .kind = rows[i].choice,
			        .targets = rows[i].targets,
			        .is_large = rows[i].is_large });
		else if (rows[i].type == MSG_RECIPIENT)
			msg_recipient_add(
			    &frame, &(struct msg_recipient){ q, rows[i].choice });
		else if (rows[i].type == MSG_CONNECT)
			msg_connect_add(&frame,
			    &(struct msg_connect){ .q = q, .allowed = 1, .inside = 1 });
		else
			msg_result_add(&frame, &(struct msg_result){ .q = q });
		send_cut(&frame, rows[i].cut, fds, rows[i].n_fds);
		turn();
		assert_int_equal(w.told[0].times, 1);
		assert_true(w.told[0].try_later);
		assert_end();
		close(fds[0]);
		close_world();
	}
}

/* The right number, but the answer to another kind of question. */
static void
answer_of_another_kind(void **state)
{
	uint64_t q;

	(void)state;
	open_connected();
	ask_connect(0);
	q = receive_connect();
	answer_recipient(q, RECIPIENT_OK);
	turn();
	assert_int_equal(w.n_told, 0);
	answer_connect(q, 0, 0);
	answer_connect(q, 1, 1); /* a second one counts for nothing */
	turn();
	assert_int_equal(w.told[0].times, 1);
	assert_false(w.told[0].allowed);
	close_world();
}

static void
question_too_large(void **state)
{
	static char  address[FRAME_MAX];
	struct bytes large = { address, sizeof address };

	(void)state;
	open_connected();
	assert_null(lookup_recipient(w.client, large, BYTES(""), on_recipient, &w.told[0]));
	ask_recipient(1);
	answer_recipient(receive_recipient(), RECIPIENT_OK);
	turn();
	assert_int_equal(w.told[0].times, 0);
	assert_int_equal(w.told[1].recipient, RECIPIENT_OK);
	close_world();
}

/* A socket that cannot be used is closed all the same; the next one serves. */
static void
unusable_socket(void **state)
{
	struct told *told = &w.told[0];
	unsigned     fds;
	int          file;

	(void)state;
	open_world();
	ask_recipient(0);
	fds = open_fds();
	file = memfile_new("no-socket"); /* which epoll refuses */
	lookup_client_connect(w.client, file);
	assert_int_equal(open_fds(), fds);
	connect_client();
	answer_recipient(receive_recipient(), RECIPIENT_OK);
	turn();
	assert_int_equal(told->recipient, RECIPIENT_OK);
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
		cmocka_unit_test(connect_answers),
		cmocka_unit_test(account_answers),
		cmocka_unit_test(lookup_dies),
		cmocka_unit_test(asked_of_the_dead),
		cmocka_unit_test(lookup_is_replaced),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(the_end_tells_nobody),
		cmocka_unit_test(expansion_in_the_frame),
		cmocka_unit_test(large_expansion),
		cmocka_unit_test(garbled_answers_end_the_connection),
		cmocka_unit_test(answer_of_another_kind),
		cmocka_unit_test(question_too_large),
		cmocka_unit_test(unusable_socket),
	};

	return cmocka_run_group_tests(tests, first_loop, NULL);
}
