#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "pop3d/drop.h"
#include "proto/maildrop.h"
#include "proto/message.h"

enum { MESSAGES = 100 };

/* The drop in a loop; mailbox is the other end of a pair, made by hand. */
static struct world {
	uv_loop_t    loop;
	struct drops all;
	struct drop *drop;
	int          mailbox; /* -1: it hung up */
	unsigned     before;  /* open descriptors */
	bool         closes;  /* the drop, when it is told something */
	unsigned     n_listed, n_opened, n_updated;
	bool         ok, is_open;
	size_t       n_messages, failed;
	uint32_t     asked[64], asked_n[64]; /* ASK_MESSAGE as they came */
	size_t       n_asked;
	size_t       n_removed;
	uint32_t     last_removed;
	bool         is_update;
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
close_if_asked(void)
{
	if (!w.closes)
		return;
	drop_close(w.drop);
	w.drop = NULL;
}

static void
on_listed(bool ok, struct bytes list, size_t n, void *context)
{
	assert_ptr_equal(context, &w);
	assert_int_equal(list.n, ok ? n * MAILDROP_RECORD : list.n);
	w.n_listed++;
	w.ok = ok;
	w.n_messages = n;
	close_if_asked();
}

static void
on_opened(bool is_open, void *context)
{
	(void)context;
	w.n_opened++;
	w.is_open = is_open;
	close_if_asked();
}

static void
on_updated(size_t failed, void *context)
{
	(void)context;
	w.n_updated++;
	w.failed = failed;
	close_if_asked();
}

/* --- mailbox --- */

static void
take_frame(struct bytes frame)
{
	struct msg_ask_message ask;
	struct msg_remove      remove;
	struct msg_update      update;

	if (msg_ask_message_read(frame, &ask)) {
		assert_true(w.n_asked < 64);
		w.asked[w.n_asked] = ask.number;
		w.asked_n[w.n_asked++] = ask.n;
	} else if (msg_remove_read(frame, &remove)) {
		struct frame_reader r = frame_reader_of(remove.numbers);

		assert_true(remove.numbers.n > 0);
		while (r.rest.n > 0) {
			uint32_t number = frame_u32(&r);

			assert_true(number > w.last_removed);
			w.last_removed = number;
			w.n_removed++;
		}
		assert_false(r.failed);
	} else {
		assert_true(msg_update_read(frame, &update));
		w.is_update = true;
	}
}

static void
turn(void)
{
	static char buffer[PEER_FRAME_MAX];
	ssize_t     n;

	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	while (w.mailbox != -1 &&
	    (n = recv(w.mailbox, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
		take_frame((struct bytes){ buffer, (size_t)n });
}

static void
say(struct buf *frame, const int *fds, size_t n_fds)
{
	assert_true(
	    peer_send_blocking(w.mailbox, buf_bytes(frame), fds, n_fds));
	buf_finish(frame);
	turn();
}

static void
hang_up(void)
{
	close(w.mailbox);
	w.mailbox = -1;
	turn();
}

/* n in the frame, list as its file; fd -1: without one. */
static void
say_maildrop(uint8_t ok, uint32_t n, int fd)
{
	struct msg_maildrop m = { ok, n, BYTES("") };
	struct buf          frame;

	buf_init(&frame, FRAME_MAX);
	msg_maildrop_add(&frame, &m);
	say(&frame, &fd, fd == -1 ? 0 : 1);
	if (fd != -1)
		close(fd);
}

static int
list_of(size_t n)
{
	struct buf list;
	int        fd;

	buf_init(&list, (n + 1) * MAILDROP_RECORD);
	for (size_t i = 0; i < n; i++)
		maildrop_add(&list,
		    &(struct maildrop_message){ 100 + i, BYTES("uid") });
	fd = memfile_of("list", buf_bytes(&list));
	buf_finish(&list);
	assert_int_not_equal(fd, -1);
	return fd;
}

/* Messages first to last, in frames of `each`; their text is their number. */
static void
say_messages(uint32_t first, uint32_t last, uint32_t each)
{
	while (first <= last) {
		struct msg_message m = { first, 0 };
		struct buf         frame;
		int                fds[PEER_DESCRIPTORS];

		for (; m.n < each && first <= last; m.n++, first++) {
			char text[16];

			snprintf(text, sizeof text, "%u", first);
			fds[m.n] = memfile_of("message", bytes_of(text));
		}
		buf_init(&frame, FRAME_MAX);
		msg_message_add(&frame, &m);
		say(&frame, fds, m.n);
		for (size_t i = 0; i < m.n; i++)
			close(fds[i]);
	}
}

static void
say_message_is_gone(uint32_t number)
{
	struct msg_message m = { number, 0 };
	struct buf         frame;

	buf_init(&frame, FRAME_MAX);
	msg_message_add(&frame, &m);
	say(&frame, NULL, 0);
}

static void
say_updated(uint32_t failed)
{
	struct msg_updated m = { failed };
	struct buf         frame;

	buf_init(&frame, FRAME_MAX);
	msg_updated_add(&frame, &m);
	say(&frame, NULL, 0);
}

/* --- the world --- */

static const struct drop_calls calls = { on_listed, on_opened, on_updated };

static void
open_world(void)
{
	int pair[2];

	memset(&w, 0, sizeof w);
	w.before = open_fds();
	uv_loop_init(&w.loop);
	w.all = (struct drops){ .loop = &w.loop, .list_bytes_max = 1024 * 1024,
		.ahead_max = 1000 };
	assert_int_equal(peer_pair(pair), 0);
	w.mailbox = pair[1];
	w.drop = drop_open(&w.all, pair[0], &calls, &w);
	assert_non_null(w.drop);
	turn();
}

static void
open_listed(void)
{
	open_world();
	say_maildrop(1, MESSAGES, list_of(MESSAGES));
	assert_int_equal(w.n_listed, 1);
	assert_true(w.ok);
	assert_int_equal(w.n_messages, MESSAGES);
	assert_int_equal(w.all.list_bytes, MESSAGES * MAILDROP_RECORD);
}

/* Nothing is left open. */
static void
close_world(void)
{
	drop_close(w.drop);
	assert_int_equal(w.all.n, 0);
	assert_int_equal(w.all.list_bytes, 0);
	if (w.mailbox != -1)
		close(w.mailbox);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(open_fds(), w.before);
	assert_true(w.n_listed <= 1 && w.n_updated <= 1);
}

static void
assert_text(uint32_t number)
{
	char    text[16], piece[16];
	bool    is_end;
	ssize_t n = drop_read(w.drop, piece, sizeof piece, &is_end);

	snprintf(text, sizeof text, "%u", number);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(piece, text, strlen(text));
	assert_true(is_end);
}

static void
assert_asked(size_t i, uint32_t number, uint32_t n)
{
	assert_true(i < w.n_asked);
	assert_int_equal(w.asked[i], number);
	assert_int_equal(w.asked_n[i], n);
}

/* --- the list --- */

static void
test_list(void **state)
{
	(void)state;
	open_listed();
	assert_false(drop_is_asking(w.drop, clock_monotonic_ms()));
	close_world();
}

static void
test_empty_list(void **state)
{
	(void)state;
	open_world();
	say_maildrop(1, 0, -1);
	assert_true(w.ok);
	assert_int_equal(w.n_messages, 0);
	close_world();
}

/* Whatever is no list of so many messages, sealed. */
static void
test_bad_lists(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct buf garbage;
		int        fd;

		open_world();
		buf_init(&garbage, 4096);
		for (size_t b = 0; b < 2 * MAILDROP_RECORD; b++)
			buf_add_char(&garbage, '\xff');
		switch (i) {
		case 0: /* it says no */
			say_maildrop(0, 0, -1);
			break;
		case 1: /* no file */
			say_maildrop(1, 2, -1);
			break;
		case 2: /* one that nobody expects */
			say_maildrop(1, 0, list_of(1));
			break;
		case 3: /* fewer, more */
			say_maildrop(1, 2, list_of(1));
			break;
		case 4:
			say_maildrop(1, 2, list_of(3));
			break;
		case 5:
			say_maildrop(
			    1, 2, memfile_of("list", buf_bytes(&garbage)));
			break;
		case 6: /* not sealed: it could change */
			fd = memfile_new("list");
			for (int n = 0; n < 2; n++) {
				int one = list_of(1);

				memfile_copy(one, MAILDROP_RECORD, fd);
				close(one);
			}
			say_maildrop(1, 2, fd);
			break;
		case 7: /* more than anybody may have */
			say_maildrop(1, MAILDROP_MAX + 1, list_of(1));
			break;
		default:
			fail();
		}
		assert_int_equal(w.n_listed, 1);
		assert_false(w.ok);
		buf_finish(&garbage);
		close_world();
	}
}

static void
test_no_memory_for_list(void **state)
{
	(void)state;
	open_world();
	w.all.list_bytes_max = 10 * MAILDROP_RECORD;
	say_maildrop(1, 11, list_of(11));
	assert_int_equal(w.n_listed, 1);
	assert_false(w.ok);
	close_world();
}

static void
test_no_mailbox(void **state)
{
	(void)state;
	open_world();
	w.closes = true;
	hang_up();
	assert_int_equal(w.n_listed, 1);
	assert_false(w.ok);
	close_world();
}

static void
test_list_is_late(void **state)
{
	uint64_t now = clock_monotonic_ms();

	(void)state;
	open_world();
	assert_true(drop_is_asking(w.drop, now + DROP_LIST_MS / 2));
	assert_int_equal(w.n_listed, 0);
	assert_true(drop_is_asking(w.drop, now + 2 * DROP_LIST_MS));
	assert_int_equal(w.n_listed, 1);
	assert_false(w.ok);
	close_world();
}

/* --- messages --- */

static void
test_in_order(void **state)
{
	(void)state;
	open_listed();
	assert_int_equal(drop_message(w.drop, 1), DROP_WAITS);
	turn();
	assert_asked(0, 1, 4);
	say_messages(1, 4, 4);
	assert_int_equal(w.n_opened, 1);
	assert_true(w.is_open);
	assert_text(1);
	/* The others are here, and more of them are on their way before they are used up. */
	for (uint32_t i = 2; i <= 4; i++) {
		assert_int_equal(drop_message(w.drop, i), DROP_IS_OPEN);
		assert_text(i);
	}
	turn();
	assert_int_equal(w.n_opened, 1);
	assert_asked(1, 5, 6); /* eight in all, two were here still */
	close_world();
}

static void
answer_all_asked(size_t *answered)
{
	turn();
	for (; *answered < w.n_asked; ++*answered)
		say_messages(w.asked[*answered],
		    w.asked[*answered] + w.asked_n[*answered] - 1, 4);
}

/* Of a hundred messages few are waited for, and none is asked for twice. */
static void
test_all_in_order(void **state)
{
	size_t   answered = 0;
	unsigned waits = 0;
	uint32_t next = 1;

	(void)state;
	open_listed();
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		waits += drop_message(w.drop, i) == DROP_WAITS;
		answer_all_asked(&answered);
		assert_text(i);
		assert_true(open_fds() - w.before < 48);
	}
	assert_true(waits <= 2);
	for (size_t i = 0; i < w.n_asked; i++) {
		assert_int_equal(w.asked[i], next);
		assert_true(w.asked_n[i] <= 32);
		next += w.asked_n[i];
	}
	assert_int_equal(next, MESSAGES + 1);
	close_world();
}

/* Who jumps about gets one at a time. */
static void
test_jumps(void **state)
{
	static const uint32_t numbers[] = { 50, 20, 99, 100, 7 };
	size_t                answered = 0;

	(void)state;
	open_listed();
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(drop_message(w.drop, numbers[i]), DROP_WAITS);
		answer_all_asked(&answered);
		assert_int_equal(w.n_opened, i + 1);
		assert_text(numbers[i]);
		assert_asked(i, numbers[i], 1);
	}
	close_world();
}

/* What was asked for ahead arrives though nobody wants it any more. */
static void
test_jump_out_of_a_run(void **state)
{
	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	say_messages(1, 1, 1);
	assert_text(1);
	assert_int_equal(drop_message(w.drop, 70), DROP_WAITS);
	say_messages(2, 4, 3);
	assert_int_equal(w.n_opened, 1);
	say_messages(70, 70, 1);
	assert_int_equal(w.n_opened, 2);
	assert_text(70);
	close_world();
}

/* TOP, then RETR. */
static void
test_same_again(void **state)
{
	(void)state;
	open_listed();
	drop_message(w.drop, 9);
	say_messages(9, 9, 1);
	assert_text(9);
	assert_int_equal(drop_message(w.drop, 9), DROP_IS_OPEN);
	assert_text(9);
	assert_int_equal(w.n_asked, 1);
	close_world();
}

static void
test_gone_message(void **state)
{
	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	say_message_is_gone(1);
	assert_int_equal(w.n_opened, 1);
	assert_false(w.is_open);
	say_message_is_gone(2);
	say_messages(3, 3, 1);
	assert_int_equal(drop_message(w.drop, 2), DROP_CANNOT);
	assert_int_equal(drop_message(w.drop, 3), DROP_IS_OPEN);
	assert_text(3);
	close_world();
}

/* mailbox runs as the user: what it hands out may block whoever reads it. */
static void
test_no_regular_file(void **state)
{
	struct msg_message m = { 1, 1 };
	struct buf         frame;
	int                ends[2];

	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	assert_int_equal(pipe(ends), 0);
	buf_init(&frame, FRAME_MAX);
	msg_message_add(&frame, &m);
	say(&frame, &ends[0], 1);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(w.n_opened, 1);
	assert_false(w.is_open);
	close_world();
}

/* A file that shrinks while it is read is no whole message. */
static void
test_shrinking_file(void **state)
{
	struct msg_message m = { 1, 1 };
	struct buf         frame;
	char               piece[4];
	bool               is_end;
	int                fd;

	(void)state;
	open_listed();
	fd = memfile_new("message");
	assert_int_equal(memfile_write(fd, BYTES("0123456789")), 0);
	drop_message(w.drop, 1);
	buf_init(&frame, FRAME_MAX);
	msg_message_add(&frame, &m);
	say(&frame, &fd, 1);
	assert_int_equal(drop_read(w.drop, piece, 4, &is_end), 4);
	assert_false(is_end);
	assert_int_equal(ftruncate(fd, 4), 0);
	assert_int_equal(drop_read(w.drop, piece, 4, &is_end), -1);
	drop_close(w.drop);
	w.drop = NULL;
	close(fd);
	close_world();
}

static void
test_unasked_messages(void **state)
{
	(void)state;
	open_listed();
	say_messages(1, 1, 1);
	assert_int_equal(drop_message(w.drop, 1), DROP_CANNOT);
	close_world();
}

static void
test_mailbox_dies(void **state)
{
	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	say_messages(1, 4, 4);
	assert_text(1);
	assert_int_equal(drop_message(w.drop, 50), DROP_WAITS);
	hang_up();
	assert_int_equal(w.n_opened, 2);
	assert_false(w.is_open);
	assert_int_equal(drop_message(w.drop, 2), DROP_CANNOT);
	drop_remove(w.drop, 2);
	drop_update(w.drop);
	assert_int_equal(w.n_updated, 0);
	assert_true(drop_is_asking(w.drop, clock_monotonic_ms()));
	assert_int_equal(w.n_updated, 1);
	assert_int_equal(w.failed, 1);
	close_world();
}

static void
test_idle_holds_nothing(void **state)
{
	unsigned busy;

	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	say_messages(1, 4, 4);
	busy = open_fds();
	assert_false(drop_is_asking(w.drop, clock_monotonic_ms()));
	assert_int_equal(open_fds(), busy);
	assert_false(
	    drop_is_asking(w.drop, clock_monotonic_ms() + DROP_IDLE_MS));
	assert_int_equal(open_fds(), busy - 4);
	assert_int_equal(drop_message(w.drop, 2), DROP_WAITS);
	close_world();
}

/* --- what is removed --- */

static void
test_update(void **state)
{
	(void)state;
	open_listed();
	drop_message(w.drop, 1);
	say_messages(1, 4, 4);
	for (uint32_t i = 1; i <= MESSAGES; i += 2)
		drop_remove(w.drop, i);
	drop_update(w.drop);
	turn();
	assert_int_equal(w.n_removed, MESSAGES / 2);
	assert_true(w.is_update);
	assert_true(
	    drop_is_asking(w.drop, clock_monotonic_ms() + 60 * 1000));
	assert_int_equal(w.n_updated, 0);
	w.closes = true;
	say_updated(3);
	assert_int_equal(w.n_updated, 1);
	assert_int_equal(w.failed, 3);
	close_world();
}

/* More than one frame can say. */
static void
test_large_update(void **state)
{
	enum { LARGE = 12000 };

	(void)state;
	open_world();
	say_maildrop(1, LARGE, list_of(LARGE));
	for (uint32_t i = 1; i <= LARGE; i++)
		drop_remove(w.drop, i);
	drop_update(w.drop);
	turn();
	assert_int_equal(w.n_removed, LARGE);
	assert_true(w.is_update);
	say_updated(0);
	assert_int_equal(w.failed, 0);
	close_world();
}

static void
test_unasked_update(void **state)
{
	(void)state;
	open_listed();
	say_updated(0);
	assert_int_equal(w.n_updated, 0);
	assert_int_equal(drop_message(w.drop, 1), DROP_CANNOT);
	close_world();
}

/* The first loop of a process opens descriptors that stay. */
static int
make_first_loop(void **state)
{
	uv_loop_t loop;

	(void)state;
	return uv_loop_init(&loop) == 0 ? uv_loop_close(&loop) : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_empty_list),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_no_memory_for_list),
		cmocka_unit_test(test_no_mailbox),
		cmocka_unit_test(test_list_is_late),
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_all_in_order),
		cmocka_unit_test(test_jumps),
		cmocka_unit_test(test_jump_out_of_a_run),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_gone_message),
		cmocka_unit_test(test_no_regular_file),
		cmocka_unit_test(test_shrinking_file),
		cmocka_unit_test(test_unasked_messages),
		cmocka_unit_test(test_mailbox_dies),
		cmocka_unit_test(test_idle_holds_nothing),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_large_update),
		cmocka_unit_test(test_unasked_update),
	};

	return cmocka_run_group_tests(tests, make_first_loop, NULL);
}
