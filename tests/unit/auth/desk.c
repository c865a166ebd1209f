#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <sys/socket.h>

#include "auth/desk.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "io/peer.h"

#include "house.h"

enum { ANSWERS_MAX = 256, PATIENCE_MS = 20 * 1000 };

struct told {
	uint64_t             q;
	enum password_answer answer;
	char                 user[32];
};

/* The desk in a loop; smtpd and pop3d are the other ends of pairs, made by hand. */
static struct world {
	uv_loop_t    loop;
	struct desk *desk;
	int          smtpd, pop3d;
	struct told  told[ANSWERS_MAX]; /* in the order in which they came */
	size_t       n_told;
	size_t       n_mailboxes;
	char         mailbox_user[32];
	int          log_fd, old_stderr;
} w;

/* The supervisor gets a copy. It writes into the socket, so that pop3d knows it. */
static void
on_mailbox(struct bytes user, int socket)
{
	w.n_mailboxes++;
	bytes_to_string(user, w.mailbox_user, sizeof w.mailbox_user);
	assert_int_equal(write(socket, "x", 1), 1);
}

static int
connect_asker(enum peer_role role)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	assert_true(desk_add(w.desk, role, pair[0]));
	return pair[1];
}

static void
use_config(void)
{
	char            error[256] = "";
	struct checker *checker =
	    checker_open(&w.loop, &config, error, sizeof error);

	assert_string_equal(error, "");
	desk_use(w.desk, &config, checker);
}

static int
set_up(void **state)
{
	memset(&w, 0, sizeof w);
	if (open_house(state) != 0 || uv_loop_init(&w.loop) != 0)
		return -1;
	put_users();
	w.log_fd = memfile_new("log");
	w.old_stderr = dup(STDERR_FILENO);
	dup2(w.log_fd, STDERR_FILENO);
	w.desk = desk_open(&w.loop, on_mailbox);
	if (w.desk == NULL)
		return -1;
	use_config();
	w.smtpd = connect_asker(ROLE_SMTPD);
	w.pop3d = connect_asker(ROLE_POP3D);
	return 0;
}

/* Nothing of it is left in the loop. */
static int
tear_down(void **state)
{
	while (desk_checks(w.desk) > 0)
		uv_run(&w.loop, UV_RUN_ONCE);
	desk_close(w.desk);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	dup2(w.old_stderr, STDERR_FILENO);
	close(w.old_stderr);
	close(w.log_fd);
	close(w.smtpd);
	close(w.pop3d);
	return uv_loop_close(&w.loop) != 0 || close_house(state) != 0;
}

/* --- asking --- */

static void
ask_with(int asker, uint64_t q, const char *address, struct bytes user,
    struct bytes password, const int *fd)
{
	const struct msg_ask_password m = { q, BYTES("smtps"), bytes_of(address),
		user, password };
	struct buf                    b;

	buf_init(&b, FRAME_MAX);
	msg_ask_password_add(&b, &m);
	assert_true(peer_send_blocking(asker, buf_bytes(&b), fd, fd ? 1 : 0));
	buf_finish(&b);
}

static void
ask(uint64_t q, const char *address, const char *user, const char *password)
{
	ask_with(w.smtpd, q, address, bytes_of(user), bytes_of(password), NULL);
}

static void
read_answers(int asker)
{
	char                buffer[256];
	struct msg_password m;
	ssize_t             n;

	while ((n = recv(asker, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
		struct told *told = &w.told[w.n_told++];

		assert_true(w.n_told <= ANSWERS_MAX);
		assert_true(msg_password_read(
		    (struct bytes){ buffer, (size_t)n }, &m));
		told->q = m.q;
		told->answer = (enum password_answer)m.answer;
		assert_true(
		    bytes_to_string(m.user, told->user, sizeof told->user));
		assert_int_equal(m.user.n > 0, m.answer == PASSWORD_YES);
	}
}

static void
on_wake(uv_timer_t *timer)
{
	(void)timer;
}

/* Until so many answers have come in all. */
static void
await(size_t n)
{
	uint64_t   end = clock_monotonic_ms() + PATIENCE_MS;
	uv_timer_t timer;

	uv_timer_init(&w.loop, &timer);
	uv_timer_start(&timer, on_wake, 1, 5);
	while (w.n_told < n) {
		uv_run(&w.loop, UV_RUN_ONCE);
		read_answers(w.smtpd);
		read_answers(w.pop3d);
		assert_true(clock_monotonic_ms() < end);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&w.loop, UV_RUN_NOWAIT);
	assert_int_equal(w.n_told, n);
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
	read_answers(w.smtpd);
	read_answers(w.pop3d);
}

/* What the answer to q was; where it stands among the answers. */
static size_t
place_of(uint64_t q)
{
	for (size_t i = 0; i < w.n_told; i++)
		if (w.told[i].q == q)
			return i;
	fail_msg("no answer to %llu", (unsigned long long)q);
	return 0;
}

static enum password_answer
answer_to(uint64_t q)
{
	return w.told[place_of(q)].answer;
}

static bool
is_logged(const char *text)
{
	struct buf b;
	bool       found;

	buf_init(&b, 1024 * 1024);
	assert_int_equal(memfile_read(w.log_fd, 0, &b), 0);
	found = strstr(buf_string(&b), text) != NULL;
	buf_finish(&b);
	return found;
}

static void
assert_stats(const char *text)
{
	struct buf b;

	buf_init(&b, 256);
	desk_add_stats(w.desk, &b);
	assert_string_equal(buf_string(&b), text);
	buf_finish(&b);
}

/* --- the tests --- */

static void
yes_and_no(void **state)
{
	(void)state;
	ask(1, "192.0.2.1", "Alice@EXAMPLE.org", "alice-secret");
	ask(2, "192.0.2.2", "alice", "bob-secret");
	ask(3, "2001:db8::1", "pass-word typed here", "bob-secret");
	ask(4, "", "bob", "bob-secret"); /* an address that is none */
	ask(5, "192.0.2.3", "alice@elsewhere.example", "alice-secret");
	ask(6, "192.0.2.4", "alice", "");
	ask(7, "192.0.2.5", "", "alice-secret");
	await(7);
	assert_int_equal(answer_to(1), PASSWORD_YES);
	assert_string_equal(w.told[place_of(1)].user, "alice");
	assert_int_equal(answer_to(2), PASSWORD_NO);
	assert_int_equal(answer_to(3), PASSWORD_NO);
	assert_int_equal(answer_to(4), PASSWORD_YES);
	for (uint64_t q = 5; q <= 7; q++)
		assert_int_equal(answer_to(q), PASSWORD_NO);
	assert_int_equal(w.n_mailboxes, 0);
	assert_stats("yes 2, no 5, later 0, waiting 0");
	assert_true(is_logged(
	    "ev=login peer=192.0.2.1 listener=smtps user=alice result=yes ms="));
	assert_true(is_logged("peer=192.0.2.2 listener=smtps user=alice result=no"));
	/* what is no user's name may be a password */
	assert_true(is_logged("peer=2001:db8::1 listener=smtps user=\"?\" result=no"));
	assert_false(is_logged("typed"));
	assert_false(is_logged("elsewhere"));
	assert_false(is_logged("secret"));
}

static void
long_passwords_are_wrong(void **state)
{
	static char password[4000];

	(void)state;
	memset(password, 'x', sizeof password - 1);
	ask(1, "192.0.2.1", "alice", password);
	ask_with(w.smtpd, 2, "192.0.2.1", bytes_of(password), BYTES("x"), NULL);
	await(2);
	assert_int_equal(answer_to(1), PASSWORD_NO);
	assert_int_equal(answer_to(2), PASSWORD_NO);
}

/* A mailbox is wanted after our own yes, and then only. */
static void
mailboxes(void **state)
{
	static const struct {
		const char *password;
		size_t      n_mailboxes;
	} rows[] = { { "wrong", 0 }, { "alice-secret", 1 }, { "", 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int  pair[2];
		char c;

		assert_int_equal(peer_pair(pair), 0);
		ask_with(w.pop3d, i, "192.0.2.1", BYTES("ALICE"),
		    bytes_of(rows[i].password), &pair[1]);
		close(pair[1]);
		await(i + 1);
		assert_int_equal(w.n_mailboxes, rows[i].n_mailboxes);
		/* the supervisor wrote before, and our copy is closed behind it */
		if (answer_to(i) == PASSWORD_YES)
			assert_int_equal(recv(pair[0], &c, 1, MSG_DONTWAIT), 1);
		assert_int_equal(recv(pair[0], &c, 1, MSG_DONTWAIT), 0);
		close(pair[0]);
	}
	assert_string_equal(w.mailbox_user, "alice");
}

static void
assert_ended(int asker)
{
	char c;

	turn();
	assert_int_equal(recv(asker, &c, 1, MSG_DONTWAIT), 0);
}

/* Who may ask, and with what. */
static void
permits(void **state)
{
	static const enum peer_role strangers[] = { ROLE_NONE, ROLE_LOOKUP,
		ROLE_HIQ, ROLE_QUEUE, ROLE_DELIVER, ROLE_AUTH, ROLE_MAILBOX,
		ROLE_ADMIN };
	int pair[2];

	(void)state;
	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
		char c;

		assert_int_equal(peer_pair(pair), 0);
		assert_false(desk_add(w.desk, strangers[i], pair[0]));
		assert_int_equal(recv(pair[1], &c, 1, MSG_DONTWAIT), 0);
		close(pair[1]);
	}
	ask_with(w.smtpd, 1, "192.0.2.1", BYTES("alice"), BYTES("x"), &w.log_fd);
	assert_ended(w.smtpd);
	ask_with(w.pop3d, 2, "192.0.2.1", BYTES("alice"), BYTES("x"), NULL);
	assert_ended(w.pop3d);
	close(w.smtpd);
	w.smtpd = connect_asker(ROLE_SMTPD);
	assert_true(peer_send_blocking(w.smtpd, BYTES("\1\0"), NULL, 0));
	assert_ended(w.smtpd);
	assert_int_equal(w.n_told, 0);
}

/* Others do not wait for those who must; right and wrong passwords wait alike. */
static void
delays_stall_nobody_else(void **state)
{
	(void)state;
	for (uint64_t q = 1; q <= 5; q++)
		ask(q, "192.0.2.1", "alice", "wrong");
	ask(6, "192.0.2.1", "alice", "alice-secret");
	turn(); /* three are looked at, three wait */
	ask(7, "192.0.2.9", "bob", "bob-secret");
	await(4);
	assert_int_equal(answer_to(7), PASSWORD_YES);
	await(7);
	assert_int_equal(w.told[4].q, 4);
	assert_int_equal(w.told[5].q, 5);
	assert_int_equal(w.told[6].q, 6);
	assert_int_equal(w.told[6].answer, PASSWORD_YES);
	/* from there she now gets in at once, whoever is after her name */
	ask(10, "198.51.100.1", "alice", "wrong");
	ask(11, "192.0.2.1", "alice", "alice-secret");
	await(9);
	assert_int_equal(w.told[7].q, 11);
	assert_int_equal(w.told[7].answer, PASSWORD_YES);
}

static void
slow_checks_stall_nobody_else(void **state)
{
	(void)state;
	use_program("#!/bin/sh\n"
	            "user=$(tr '\\0' '\\n' <&3 | sed -n 1p)\n"
	            "case $user in slow*) while [ ! -e \"$1/go\" ]; do sleep 0.02; done;; esac\n"
	            "case $user in slow*|fast) exit 0;; esac\n"
	            "exit 1\n");
	use_config();
	ask(1, "192.0.2.1", "slow1", "x");
	ask(2, "192.0.2.2", "slow2", "x");
	ask(3, "192.0.2.3", "slow3", "x");
	ask(4, "192.0.2.4", "slow4", "x");
	ask(5, "192.0.2.5", "fast", "x");
	await(1);
	assert_int_equal(w.told[0].q, 5);
	assert_int_equal(desk_checks(w.desk), 4);
	{
		char path[128];

		snprintf(path, sizeof path, "%s/go", root);
		put_file(path, "", 0600);
	}
	await(5);
	assert_int_equal(answer_to(4), PASSWORD_YES);
}

/* Before the check: nobody is there to hear the answer. */
static void
forgotten(void **state)
{
	struct buf b;
	char       path[128];

	(void)state;
	use_program("#!/bin/sh\n"
	            "tr '\\0' '\\n' <&3 | sed -n 1p >>\"$1/asked\"\n"
	            "exit 1\n");
	use_config();
	snprintf(path, sizeof path, "%s/asked", root);
	put_file(path, "", 0600);
	for (uint64_t q = 1; q <= 6; q++)
		ask(q, "192.0.2.1", "alice", "wrong");
	turn();
	close(w.smtpd);
	turn();
	w.smtpd = connect_asker(ROLE_SMTPD);
	/* longer than these would have waited, and what was begun comes to its end */
	for (int i = 0; i < 3; i++) {
		ask(10, "192.0.2.1", "alice", "wrong");
		await((size_t)i + 1);
	}
	buf_init(&b, 4096);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_string(&b), "alice\nalice\nalice\n"
	                                    "alice\nalice\nalice\n");
	buf_finish(&b);
	assert_stats("yes 0, no 6, later 0, waiting 0");
}

static void
too_many(void **state)
{
	(void)state;
	for (uint64_t q = 1; q <= 9; q++)
		ask(q, "192.0.2.1", "alice", "wrong");
	turn();
	assert_int_equal(answer_to(9), PASSWORD_TRY_LATER);
	assert_true(is_logged("user=\"?\" result=later"));
	assert_true(is_logged("why=\"too many at once\""));
	close(w.smtpd); /* the others need not be awaited */
	turn();
	w.smtpd = connect_asker(ROLE_SMTPD);
}

static void
unusable_file_is_try_later(void **state)
{
	(void)state;
	chmod(shadow_path, 0644);
	for (uint64_t q = 1; q <= 6; q++)
		ask(q, "192.0.2.1", "alice", "alice-secret");
	await(6);
	for (uint64_t q = 1; q <= 6; q++)
		assert_int_equal(answer_to(q), PASSWORD_TRY_LATER);
	/* and is no failure of anybody */
	chmod(shadow_path, 0600);
	ask(7, "192.0.2.1", "alice", "wrong");
	ask(8, "192.0.2.1", "alice", "wrong");
	ask(9, "192.0.2.1", "alice", "alice-secret");
	await(9);
	assert_int_equal(answer_to(9), PASSWORD_YES);
	assert_true(is_logged("why=\"the shadow file cannot be used\""));
}

static void
stopping(void **state)
{
	(void)state;
	for (uint64_t q = 1; q <= 8; q++)
		ask(q, "192.0.2.1", "alice", "wrong");
	turn();
	desk_stop(w.desk);
	ask(9, "192.0.2.9", "bob", "bob-secret");
	while (desk_checks(w.desk) > 0)
		uv_run(&w.loop, UV_RUN_ONCE);
	await(9);
	for (uint64_t q = 4; q <= 9; q++)
		assert_int_equal(answer_to(q), PASSWORD_TRY_LATER);
	assert_true(is_logged("why=stopping"));
}

/* The next configuration has other users; what is being looked at keeps the old ones. */
static void
reload(void **state)
{
	(void)state;
	ask(1, "192.0.2.1", "alice@example.org", "alice-secret");
	turn();
	config.domains.n = 0;
	use_config();
	await(1);
	ask(2, "192.0.2.1", "alice@example.org", "alice-secret");
	ask(3, "192.0.2.1", "alice", "alice-secret");
	await(3);
	assert_int_equal(answer_to(1), PASSWORD_YES);
	assert_int_equal(answer_to(2), PASSWORD_NO);
	assert_int_equal(answer_to(3), PASSWORD_YES);
}

/* How often text stands on the heap, where freed memory is too. */
static size_t
on_heap(const char *text)
{
	FILE  *maps = fopen("/proc/self/maps", "r");
	size_t n = 0;
	char   line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps)) {
		uintptr_t   from, to;
		const char *p, *end;

		if (!strstr(line, "[heap]") ||
		    sscanf(line, "%zx-%zx", &from, &to) != 2)
			continue;
		end = (const char *)to;
		for (p = (const char *)from;
		     (p = memmem(p, (size_t)(end - p), text, strlen(text))); p++)
			n++;
	}
	fclose(maps);
	return n;
}

/* Not that of a sanitizer, which has another. */
static bool
heap_is_seen(void)
{
	char *mark = strdup("a mark on the heap, seen if it is seen at all");
	bool  is_seen = on_heap(mark) > 0;

	free(mark);
	return is_seen;
}

/* Of a yes, a no, and one that is dropped. The frame of the test itself is wiped too. */
static void
passwords_are_wiped(void **state)
{
	static const char *const users[] = { "nobody", "nobody", "nobody", "nobody",
		"alice" };
	char                     secret[] = "iVxyzzy-shazam-abracadabra-hocuspocus";

	(void)state;
	if (!heap_is_seen())
		skip();
	mallopt(M_PERTURB, 0); /* nobody but us is to wipe */
	secret[0] = 's';       /* so that no copy of it is made by the compiler */
	for (size_t i = 0; i < 5; i++) {
		const struct msg_ask_password m = { i, BYTES("smtps"),
			BYTES("192.0.2.1"), bytes_of(users[i]), bytes_of(secret) };
		char                          frame[512];
		struct buf b = { .p = frame, .cap = sizeof frame, .max = 256 };

		msg_ask_password_add(&b, &m);
		assert_true(peer_send_blocking(w.smtpd, buf_bytes(&b), NULL, 0));
	}
	turn();
	assert_true(on_heap(secret) > 0); /* the fourth waits */
	await(3);
	close(w.smtpd);
	turn();
	turn();
	assert_int_equal(desk_checks(w.desk), 0);
	assert_int_equal(on_heap(secret), 0);
	w.smtpd = connect_asker(ROLE_SMTPD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(yes_and_no),
		TEST(long_passwords_are_wrong),
		TEST(mailboxes),
		TEST(permits),
		TEST(delays_stall_nobody_else),
		TEST(slow_checks_stall_nobody_else),
		TEST(forgotten),
		TEST(too_many),
		TEST(unusable_file_is_try_later),
		TEST(stopping),
		TEST(reload),
		TEST(passwords_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
