/*
 * Questions about extensions; the supervisor and the deliver processes are made by hand. The
 * clock is the test's (a linker wrap).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/peer.h"
#include "lookup/extensions.h"
#include "mail/directory.h"

enum { WAIT_MS = 5000, PROCESSES = 600, ASKERS = 2100 };

/* What one asker was told. */
struct told {
	struct extension_question *question;
	unsigned                   times;
	enum extension_answer      answer;
	struct told               *forgets; /* when he is told; NULL: nobody */
	bool                       asks_again;
};

static struct {
	uv_loop_t          loop;
	struct extensions *extensions;
	unsigned           before;          /* open descriptors */
	int                ends[PROCESSES]; /* ours, by serial; -1: none */
	struct told        told[ASKERS];
	unsigned           n_wants;
	char               wanted[DIRECTORY_USER_MAX + 1]; /* last */
	char               room[PEER_FRAME_MAX];
} w;

static uint64_t now_ms;

uint64_t __wrap_clock_monotonic_ms(void);

uint64_t
__wrap_clock_monotonic_ms(void)
{
	return now_ms;
}

static void
on_want(struct bytes user)
{
	w.n_wants++;
	assert_true(bytes_to_string(user, w.wanted, sizeof w.wanted));
}

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

static int
set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	now_ms = 1000;
	for (int i = 0; i < PROCESSES; i++)
		w.ends[i] = -1;
	w.before = open_fds();
	if (uv_loop_init(&w.loop) != 0)
		return -1;
	w.extensions = extensions_new(&w.loop, 1, on_want);
	return w.extensions ? 0 : -1;
}

/* Nothing is left open, and nobody was told twice. */
static int
tear_down(void **state)
{
	(void)state;
	extensions_free(w.extensions);
	for (int i = 0; i < PROCESSES; i++)
		if (w.ends[i] != -1)
			close(w.ends[i]);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < ASKERS; i++)
		if (w.told[i].times > 1)
			return -1;
	return uv_loop_close(&w.loop) == 0 && open_fds() == w.before ? 0 : -1;
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

/* --- askers --- */

static struct told *ask(size_t i, const char *user, const char *name);

static void
on_known(enum extension_answer answer, void *context)
{
	struct told *told = context;

	told->question = NULL;
	told->times++;
	told->answer = answer;
	if (told->forgets) {
		extensions_forget(told->forgets->question);
		told->forgets->question = NULL;
	}
	if (told->asks_again)
		ask(ASKERS - 1, "joe", "again");
}

static struct told *
ask(size_t i, const char *user, const char *name)
{
	struct told           *told = &w.told[i];
	const struct extension extension = { bytes_of(user), BYTES("-"),
		bytes_of(name) };

	told->question =
	    extensions_ask(w.extensions, &extension, on_known, told);
	return told;
}

static enum extension_answer
recall(const char *user, const char *name)
{
	const struct extension extension = { bytes_of(user), BYTES("-"),
		bytes_of(name) };

	return extensions_recall(w.extensions, &extension);
}

static void
assert_told(const struct told *told, enum extension_answer answer)
{
	assert_int_equal(told->times, 1);
	assert_int_equal(told->answer, answer);
}

static void
assert_not_told(const struct told *told)
{
	assert_non_null(told->question);
	assert_int_equal(told->times, 0);
}

/* --- processes --- */

static void
start_process(uint64_t serial)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	w.ends[serial] = pair[0];
	extensions_add_process(w.extensions, serial, pair[1]);
}

static void
end_process(uint64_t serial)
{
	close(w.ends[serial]);
	w.ends[serial] = -1;
	turn();
}

static void
deliver_for(const char *user, enum want_result result, uint64_t serial)
{
	extensions_deliver_for(w.extensions,
	    &(struct msg_deliver_for){ bytes_of(user), (uint8_t)result, serial,
	        BYTES("") });
	turn();
}

static void
serve(const char *user, uint64_t serial)
{
	start_process(serial);
	deliver_for(user, WANT_READY, serial);
}

/* The next question of that process; its number. */
static uint64_t
receive(uint64_t serial, const char *user, const char *name)
{
	struct msg_ask_extension m;
	struct bytes             frame;
	int                      fds[PEER_DESCRIPTORS];

	assert_true(peer_receive_blocking(
	    w.ends[serial], w.room, &frame, fds, WAIT_MS));
	assert_true(msg_ask_extension_read(frame, &m));
	assert_true(bytes_equal(m.user, bytes_of(user)));
	assert_true(bytes_equal(m.dash, BYTES("-")));
	assert_true(bytes_equal(m.extension, bytes_of(name)));
	return m.q;
}

static void
answer(uint64_t serial, uint64_t q, unsigned what)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	msg_extension_add(&b, &(struct msg_extension){ q, (uint8_t)what });
	assert_true(peer_send_blocking(w.ends[serial], buf_bytes(&b), NULL, 0));
	buf_finish(&b);
	turn();
}

/* --- tests --- */

static void
a_process_is_wanted_once_and_then_asked(void **state)
{
	struct told *list = ask(0, "joe", "list");
	struct told *none = ask(1, "joe", "none");
	uint64_t     first, second;

	(void)state;
	assert_int_equal(w.n_wants, 1);
	assert_string_equal(w.wanted, "joe");
	serve("joe", 1);
	first = receive(1, "joe", "list");
	second = receive(1, "joe", "none");
	assert_not_told(list);
	answer(1, second, EXTENSION_NO);
	assert_told(none, EXTENSION_NO);
	assert_not_told(list);
	answer(1, first, EXTENSION_YES);
	assert_told(list, EXTENSION_YES);
	assert_int_equal(extensions_open(w.extensions), 0);

	/* it is known now, who serves him */
	ask(2, "joe", "third");
	receive(1, "joe", "third");
	assert_int_equal(w.n_wants, 1);
}

static void
yes_and_no_are_remembered_for_a_minute(void **state)
{
	(void)state;
	ask(0, "joe", "list");
	ask(1, "joe", "none");
	ask(2, "joe", "later");
	assert_int_equal(recall("joe", "list"), EXTENSION_TRY_LATER);
	serve("joe", 1);
	answer(1, receive(1, "joe", "list"), EXTENSION_YES);
	answer(1, receive(1, "joe", "none"), EXTENSION_NO);
	answer(1, receive(1, "joe", "later"), EXTENSION_TRY_LATER);
	assert_told(&w.told[2], EXTENSION_TRY_LATER);
	now_ms += REMEMBERED_MS - 1;
	assert_int_equal(recall("joe", "list"), EXTENSION_YES);
	assert_int_equal(recall("joe", "none"), EXTENSION_NO);
	assert_int_equal(recall("joe", "later"), EXTENSION_TRY_LATER);
	assert_int_equal(recall("jim", "list"), EXTENSION_TRY_LATER);
	now_ms++;
	assert_int_equal(recall("joe", "list"), EXTENSION_TRY_LATER);
	assert_int_equal(recall("joe", "none"), EXTENSION_TRY_LATER);
}

static void
what_was_open_is_asked_of_the_next_process(void **state)
{
	struct told *told = ask(0, "joe", "list");

	(void)state;
	serve("joe", 1);
	receive(1, "joe", "list");
	end_process(1);
	assert_not_told(told);
	assert_int_equal(w.n_wants, 2);
	serve("joe", 2);
	answer(2, receive(2, "joe", "list"), EXTENSION_YES);
	assert_told(told, EXTENSION_YES);
}

/* It ends idly as it is asked; the supervisor has not seen that yet. */
static void
the_end_of_an_idle_process_is_no_failure(void **state)
{
	struct told *told;

	(void)state;
	ask(0, "joe", "first");
	serve("joe", 1);
	answer(1, receive(1, "joe", "first"), EXTENSION_YES);
	told = ask(1, "joe", "list");
	end_process(1);
	assert_int_equal(w.n_wants, 2);
	deliver_for("joe", WANT_FAILED, 0);
	assert_not_told(told);
	assert_int_equal(w.n_wants, 3);
	serve("joe", 2);
	answer(2, receive(2, "joe", "list"), EXTENSION_YES);
	assert_told(told, EXTENSION_YES);
}

static void
whoever_ends_processes_is_told_to_try_later(void **state)
{
	struct told *told = ask(0, "joe", "list");

	(void)state;
	for (uint64_t serial = 1; serial <= EXTENSIONS_TRIES; serial++) {
		assert_not_told(told);
		assert_int_equal(w.n_wants, serial);
		serve("joe", serial);
		receive(serial, "joe", "list");
		end_process(serial);
	}
	assert_told(told, EXTENSION_TRY_LATER);
	assert_int_equal(w.n_wants, EXTENSIONS_TRIES);
	assert_int_equal(recall("joe", "list"), EXTENSION_TRY_LATER);
}

static void
no_process_is_try_later(void **state)
{
	struct told *told = ask(0, "joe", "list");

	(void)state;
	for (unsigned i = 1; i < EXTENSIONS_TRIES; i++) {
		/* failed; or ready, and gone before it is told */
		deliver_for("joe", i == 1 ? WANT_READY : WANT_FAILED, 3);
		assert_not_told(told);
	}
	deliver_for("joe", WANT_FAILED, 0);
	assert_told(told, EXTENSION_TRY_LATER);
	assert_int_equal(w.n_wants, EXTENSIONS_TRIES);
	/* the next one is not held liable for it */
	ask(1, "joe", "list");
	assert_int_equal(w.n_wants, EXTENSIONS_TRIES + 1);
	serve("joe", 1);
	answer(1, receive(1, "joe", "list"), EXTENSION_YES);
	assert_told(&w.told[1], EXTENSION_YES);
}

static void
no_user_has_no_extensions(void **state)
{
	(void)state;
	ask(0, "alias", "list");
	ask(1, "joe", "list");
	ask(2, "alias", "other");
	w.told[0].asks_again = true;
	deliver_for("alias", WANT_NO_USER, 0);
	assert_told(&w.told[0], EXTENSION_NO);
	assert_told(&w.told[2], EXTENSION_NO);
	assert_not_told(&w.told[1]);
	/* he may be added in a moment */
	assert_int_equal(recall("alias", "list"), EXTENSION_TRY_LATER);
	assert_int_equal(extensions_open(w.extensions), 2);
}

static void
answers_that_nobody_asked_for_are_nothing(void **state)
{
	struct told *joe = ask(0, "joe", "list");
	struct told *jim = ask(1, "jim", "list");
	uint64_t     of_joe, of_jim;

	(void)state;
	deliver_for("nobody", WANT_READY, 1);
	serve("joe", 1);
	serve("jim", 2);
	of_joe = receive(1, "joe", "list");
	of_jim = receive(2, "jim", "list");
	/* jim's process does not speak for joe */
	answer(2, of_joe, EXTENSION_YES);
	answer(2, 77, EXTENSION_YES);
	assert_not_told(joe);
	answer(2, of_jim, EXTENSION_YES);
	answer(2, of_jim, EXTENSION_NO);
	assert_told(jim, EXTENSION_YES);
	answer(1, of_joe, EXTENSION_NO);
	assert_told(joe, EXTENSION_NO);
	/* this is no answer: the process is given up */
	ask(2, "jim", "third");
	answer(2, receive(2, "jim", "third"), EXTENSION_TRY_LATER + 1);
	assert_not_told(&w.told[2]);
	assert_string_equal(w.wanted, "jim");
	assert_int_equal(w.n_wants, 3);
}

static void
who_is_gone_is_not_told(void **state)
{
	struct told *told = ask(0, "joe", "list");
	uint64_t     q;

	(void)state;
	ask(1, "joe", "unsent");
	extensions_forget(w.told[1].question);
	serve("joe", 1);
	q = receive(1, "joe", "list");
	extensions_forget(told->question);
	extensions_forget(NULL);
	assert_int_equal(extensions_open(w.extensions), 0);
	answer(1, q, EXTENSION_YES);
	assert_int_equal(told->times, 0);
	assert_int_equal(w.told[1].times, 0);
	assert_int_equal(recall("joe", "list"), EXTENSION_TRY_LATER);
}

/* Two fail together; the first of them forgets the second, and asks again. */
static void
askers_may_ask_and_forget_when_they_are_told(void **state)
{
	(void)state;
	ask(0, "joe", "one")->forgets = &w.told[1];
	w.told[0].asks_again = true;
	ask(1, "joe", "two");
	for (unsigned i = 0; i < EXTENSIONS_TRIES; i++)
		deliver_for("joe", WANT_FAILED, 0);
	assert_told(&w.told[0], EXTENSION_TRY_LATER);
	assert_int_equal(w.told[1].times, 0);
	assert_not_told(&w.told[ASKERS - 1]);
	serve("joe", 1);
	answer(1, receive(1, "joe", "again"), EXTENSION_YES);
	assert_told(&w.told[ASKERS - 1], EXTENSION_YES);
}

static void
a_flood_for_one_account_leaves_room_for_others(void **state)
{
	char   name[16];
	size_t i;

	(void)state;
	for (i = 0; i < EXTENSIONS_OPEN_ACCOUNT_MAX; i++) {
		snprintf(name, sizeof name, "guess%zu", i);
		assert_non_null(ask(i, "joe", name)->question);
	}
	assert_null(ask(i, "joe", "list")->question);
	ask(i + 1, "jim", "list");
	assert_string_equal(w.wanted, "jim");
	serve("jim", 1);
	answer(1, receive(1, "jim", "list"), EXTENSION_YES);
	assert_told(&w.told[i + 1], EXTENSION_YES);
	/* and when they are answered there is room again */
	serve("joe", 2);
	answer(2, receive(2, "joe", "guess0"), EXTENSION_NO);
	assert_told(&w.told[0], EXTENSION_NO);
	assert_non_null(ask(i, "joe", "list")->question);
}

static void
processes_are_started_for_so_many_at_a_time(void **state)
{
	char   user[16];
	size_t i;

	(void)state;
	for (i = 0; i < EXTENSIONS_WANTED_MAX; i++) {
		snprintf(user, sizeof user, "user%zu", i);
		assert_non_null(ask(i, user, "list")->question);
	}
	assert_null(ask(i, "joe", "list")->question);
	assert_int_equal(w.n_wants, EXTENSIONS_WANTED_MAX);
	deliver_for("user0", WANT_NO_USER, 0);
	assert_non_null(ask(i, "joe", "list")->question);
	assert_string_equal(w.wanted, "joe");
}

static void
only_so_many_processes_run_because_somebody_guesses(void **state)
{
	char     user[16];
	uint64_t i;

	(void)state;
	/* there before anybody asked: it does not count */
	start_process(0);
	ask(0, "jim", "list");
	deliver_for("jim", WANT_READY, 0);
	for (i = 1; i <= EXTENSIONS_STARTED_MAX; i++) {
		snprintf(user, sizeof user, "user%u", (unsigned)i);
		assert_non_null(ask(i, user, "list")->question);
		start_process(i);
		deliver_for(user, WANT_READY, i);
	}
	assert_null(ask(i, "joe", "list")->question);
	/* who is served is asked all the same */
	assert_non_null(ask(i, "jim", "other")->question);
	answer(1, receive(1, "user1", "list"), EXTENSION_NO);
	end_process(1);
	assert_non_null(ask(i + 1, "joe", "list")->question);
}

static void
questions_are_bounded(void **state)
{
	char   user[16];
	size_t i;

	(void)state;
	for (i = 0; i < EXTENSIONS_OPEN_MAX; i++) {
		snprintf(user, sizeof user, "user%zu",
		    i / EXTENSIONS_OPEN_ACCOUNT_MAX);
		assert_non_null(ask(i, user, "list")->question);
	}
	assert_null(ask(i, "joe", "list")->question);
	assert_int_equal(extensions_open(w.extensions), EXTENSIONS_OPEN_MAX);
	extensions_forget(w.told[0].question);
	assert_non_null(ask(i, "joe", "list")->question);
}

static void
names_are_checked(void **state)
{
	char name[DIRECTORY_USER_MAX + 2];

	(void)state;
	assert_null(ask(0, "", "list")->question);
	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_null(ask(0, name, "list")->question);
	name[DIRECTORY_USER_MAX] = '\0';
	assert_non_null(ask(0, name, "list")->question);
	assert_string_equal(w.wanted, name);
}

static void
on_wake(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* Questions become overdue. */
static void
wait_in_vain(void)
{
	uv_timer_t timer;

	now_ms += EXTENSIONS_TIMEOUT_MS + 1;
	/* long enough for one look at the clock */
	uv_timer_init(&w.loop, &timer);
	uv_timer_start(&timer, on_wake, 1200, 0);
	while (uv_is_active((uv_handle_t *)&timer))
		uv_run(&w.loop, UV_RUN_ONCE);
	turn(); /* it is closed */
}

static void
a_process_that_says_nothing_is_try_later(void **state)
{
	struct told *told = ask(0, "joe", "list");

	(void)state;
	serve("joe", 1);
	wait_in_vain();
	assert_told(told, EXTENSION_TRY_LATER);
}

/* He may have got another home, or uid: then another process serves him. */
static void
who_serves_is_asked_again_after_a_minute(void **state)
{
	(void)state;
	ask(0, "joe", "list");
	serve("joe", 1);
	answer(1, receive(1, "joe", "list"), EXTENSION_YES);
	now_ms += 60 * 1000 - 1;
	ask(1, "joe", "second");
	answer(1, receive(1, "joe", "second"), EXTENSION_YES);
	assert_int_equal(w.n_wants, 1);
	now_ms++;
	ask(2, "joe", "third");
	assert_int_equal(w.n_wants, 2);
	serve("joe", 2);
	answer(2, receive(2, "joe", "third"), EXTENSION_NO);
	assert_told(&w.told[2], EXTENSION_NO);
	/* it is the same one */
	now_ms += 60 * 1000;
	ask(3, "joe", "fourth");
	deliver_for("joe", WANT_READY, 2);
	answer(2, receive(2, "joe", "fourth"), EXTENSION_YES);
	assert_told(&w.told[3], EXTENSION_YES);
}

/* A stopped process has one question at a time, not as many as there may be. */
static void
a_silent_process_has_one_question_at_a_time(void **state)
{
	(void)state;
	ask(0, "joe", "list");
	serve("joe", 1);
	receive(1, "joe", "list");
	wait_in_vain();
	assert_non_null(ask(1, "joe", "second")->question);
	assert_null(ask(2, "joe", "third")->question);
	answer(1, receive(1, "joe", "second"), EXTENSION_YES);
	assert_told(&w.told[1], EXTENSION_YES);
	assert_non_null(ask(3, "joe", "fourth")->question);
	assert_non_null(ask(4, "joe", "fifth")->question);
}

/* One uid may have many accounts, and stop the process that all of them wait for. */
static void
accounts_that_wait_in_vain_leave_room_for_others(void **state)
{
	char   user[16];
	size_t i;

	(void)state;
	for (i = 0; i < EXTENSIONS_WANTED_MAX; i++) {
		snprintf(user, sizeof user, "user%zu", i);
		ask(i, user, "list");
	}
	wait_in_vain();
	assert_told(&w.told[0], EXTENSION_TRY_LATER);
	/* asked once more they take nobody's place, and the supervisor is not asked again */
	assert_non_null(ask(i, "user0", "again")->question);
	assert_int_equal(w.n_wants, EXTENSIONS_WANTED_MAX);
	ask(i + 1, "joe", "list");
	assert_string_equal(w.wanted, "joe");
	serve("joe", 1);
	answer(1, receive(1, "joe", "list"), EXTENSION_YES);
	assert_told(&w.told[i + 1], EXTENSION_YES);
	/* when the process goes on, so do they */
	serve("user0", 2);
	answer(2, receive(2, "user0", "again"), EXTENSION_NO);
	assert_told(&w.told[i], EXTENSION_NO);
}

/*
 * Room for two descriptors of each process. The first loop opens some that libuv keeps: they are
 * no leak.
 */
static int
prepare(void **state)
{
	struct rlimit limit;

	(void)state;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	return uv_loop_init(&w.loop) == 0 && uv_loop_close(&w.loop) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_wanted_once_and_then_asked),
		TEST(yes_and_no_are_remembered_for_a_minute),
		TEST(what_was_open_is_asked_of_the_next_process),
		TEST(the_end_of_an_idle_process_is_no_failure),
		TEST(whoever_ends_processes_is_told_to_try_later),
		TEST(no_process_is_try_later),
		TEST(no_user_has_no_extensions),
		TEST(answers_that_nobody_asked_for_are_nothing),
		TEST(who_is_gone_is_not_told),
		TEST(askers_may_ask_and_forget_when_they_are_told),
		TEST(a_flood_for_one_account_leaves_room_for_others),
		TEST(processes_are_started_for_so_many_at_a_time),
		TEST(only_so_many_processes_run_because_somebody_guesses),
		TEST(questions_are_bounded),
		TEST(names_are_checked),
		TEST(a_process_that_says_nothing_is_try_later),
		TEST(who_serves_is_asked_again_after_a_minute),
		TEST(a_silent_process_has_one_question_at_a_time),
		TEST(accounts_that_wait_in_vain_leave_room_for_others),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
