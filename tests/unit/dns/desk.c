/*
 * The desk with a resolver that the test plays, and a clock that is the test's (a linker
 * wrap).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/desk.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "io/peer.h"

enum { ERRANDS_MAX = DESK_QUESTIONS_MAX + 10, LARGE = 60 * 1024 };

/* --- the clock --- */

static uint64_t now_ms = 1000;

uint64_t __wrap_clock_monotonic_ms(void);

uint64_t
__wrap_clock_monotonic_ms(void)
{
	return now_ms;
}

/* --- the resolver --- */

struct resolver {
	bool is_closed;
};

static struct resolver first_resolver, second_resolver, third_resolver;

static struct {
	struct resolver *resolver;
	struct errand   *errand;
} errands[ERRANDS_MAX];

static size_t n_errands;
static bool   is_out_of_memory;

bool
resolver_ask(struct resolver *r, struct errand *errand)
{
	assert_false(r->is_closed);
	if (is_out_of_memory)
		return false;
	assert_true(n_errands < ERRANDS_MAX);
	errands[n_errands].resolver = r;
	errands[n_errands++].errand = errand;
	return true;
}

void
resolver_close(struct resolver *r)
{
	if (r)
		r->is_closed = true;
}

static void
resolve(size_t n, const struct msg_dns *answer)
{
	assert_false(errands[n].resolver->is_closed);
	errands[n].errand->answered(errands[n].errand, answer);
}

static void
resolve_with(size_t n, enum dns_result result)
{
	resolve(n, &(struct msg_dns){ .result = (uint8_t)result });
}

/* --- the world --- */

static uv_loop_t    loop;
static struct desk *desk;

static int
set_up(void **state)
{
	(void)state;
	first_resolver = second_resolver = third_resolver = (struct resolver){ 0 };
	n_errands = 0;
	is_out_of_memory = false;
	if (uv_loop_init(&loop) != 0 || (desk = desk_open(&loop)) == NULL)
		return -1;
	desk_use(desk, &first_resolver);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	desk_close(desk);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void
on_wake(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

/* Long enough for the desk to look at its clock once. */
static void
one_tick(void)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_wake, 1200, 0);
	while (uv_is_active((uv_handle_t *)&timer))
		uv_run(&loop, UV_RUN_ONCE);
	turn();
}

/* --- askers --- */

static int
new_asker(enum peer_role role)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	assert_true(desk_add(desk, role, pair[0]));
	return pair[1];
}

static void
ask(int asker, uint64_t q, struct bytes name, uint16_t type)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_dns_add(&frame, &(struct msg_ask_dns){ q, type, name });
	assert_true(peer_send_blocking(asker, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
	turn();
}

/* Its views live until the next call; *fd is -1 or to be closed. */
static bool
receive(int asker, struct msg_dns *m, int *fd)
{
	static char  buffer[PEER_FRAME_MAX];
	int          fds[PEER_DESCRIPTORS];
	struct bytes frame;

	turn();
	if (!peer_receive_blocking(asker, buffer, &frame, fds, 50))
		return false;
	*fd = fds[0];
	assert_true(msg_dns_read(frame, m));
	return true;
}

static void
assert_told(int asker, uint64_t q, enum dns_result result)
{
	struct msg_dns m;
	int            fd;

	assert_true(receive(asker, &m, &fd));
	assert_int_equal(fd, -1);
	assert_int_equal(m.q, q);
	assert_int_equal(m.result, result);
	assert_int_equal(m.text.n > 0, result == DNS_TRY_LATER);
}

static void
assert_not_told(int asker)
{
	struct msg_dns m;
	int            fd;

	assert_false(receive(asker, &m, &fd));
}

/* --- the tests --- */

static void
the_answer_comes_whole(void **state)
{
	const struct msg_dns answer = {
		.q = 99,
		.result = DNS_FOUND,
		.is_secure = 1,
		.ttl = 300,
		.canonical = BYTES("www.example.net"),
		.n = 1,
		.records = BYTES("\4\0\0\0\1\2\3\4"),
	};
	int            asker = new_asker(ROLE_REMOTE), fd;
	struct msg_dns m;

	(void)state;
	ask(asker, 7, BYTES("Example.NET"), DNS_A);
	assert_int_equal(n_errands, 1);
	assert_string_equal(errands[0].errand->name, "example.net");
	assert_int_equal(errands[0].errand->type, DNS_A);
	assert_not_told(asker);
	resolve(0, &answer);
	assert_true(receive(asker, &m, &fd));
	assert_int_equal(m.q, 7);
	assert_int_equal(m.result, DNS_FOUND);
	assert_int_equal(m.is_secure, 1);
	assert_int_equal(m.ttl, 300);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.is_large, 0);
	assert_true(bytes_equal(m.canonical, answer.canonical));
	assert_true(bytes_equal(m.records, answer.records));
	close(asker);
}

static void
large_answer(void **state)
{
	int            asker = new_asker(ROLE_REMOTE), fd;
	char          *record = calloc(1, LARGE);
	struct buf     records, read;
	struct msg_dns m;
	uint64_t       size;

	(void)state;
	assert_non_null(record);
	buf_init(&records, 2 * LARGE);
	buf_init(&read, 2 * LARGE);
	frame_add_bytes(&records, (struct bytes){ record, LARGE });
	ask(asker, 7, BYTES("example.net"), DNS_TXT);
	resolve(0, &(struct msg_dns){ .result = DNS_FOUND, .n = 1,
	               .records = buf_bytes(&records) });
	assert_true(receive(asker, &m, &fd));
	assert_int_equal(m.result, DNS_FOUND);
	assert_int_equal(m.is_large, 1);
	assert_int_equal(m.records.n, 0);
	assert_int_equal(memfile_check(fd, 2 * LARGE, &size), MEMFILE_SEALED);
	assert_int_equal(memfile_read(fd, 0, &read), 0);
	assert_true(bytes_equal(buf_bytes(&read), buf_bytes(&records)));
	close(fd);
	close(asker);
	buf_finish(&records);
	buf_finish(&read);
	free(record);
}

static void
the_same_question_is_asked_once(void **state)
{
	int remote = new_asker(ROLE_REMOTE), fetch = new_asker(ROLE_FETCH);

	(void)state;
	ask(remote, 1, BYTES("example.net"), DNS_A);
	ask(fetch, 1, BYTES("EXAMPLE.net"), DNS_A);
	ask(remote, 2, BYTES("example.net"), DNS_AAAA);
	ask(remote, 3, BYTES("example.ne"), DNS_A);
	assert_int_equal(n_errands, 3);
	resolve_with(0, DNS_NO_NAME);
	assert_told(remote, 1, DNS_NO_NAME);
	assert_told(fetch, 1, DNS_NO_NAME);
	assert_not_told(remote);
	ask(fetch, 2, BYTES("example.net"), DNS_A); /* that one is over */
	assert_int_equal(n_errands, 4);
	close(remote);
	close(fetch);
}

static void
nobody_waits_longer(void **state)
{
	int asker = new_asker(ROLE_REMOTE), other = new_asker(ROLE_FETCH);

	(void)state;
	ask(asker, 1, BYTES("slow.example"), DNS_A);
	now_ms += 1000;
	ask(asker, 2, BYTES("slow.example"), DNS_MX);
	now_ms += DESK_PATIENCE_MS - 1000;
	one_tick();
	assert_told(asker, 1, DNS_TRY_LATER);
	assert_not_told(asker);
	/* the resolver is still at it: the next one waits for the same */
	ask(other, 3, BYTES("slow.example"), DNS_A);
	assert_int_equal(n_errands, 2);
	resolve_with(0, DNS_NO_DATA);
	assert_told(other, 3, DNS_NO_DATA);
	assert_not_told(asker);
	resolve_with(1, DNS_NO_DATA);
	assert_told(asker, 2, DNS_NO_DATA);
	close(asker);
	close(other);
}

static void
an_asker_goes(void **state)
{
	int gone = new_asker(ROLE_ADMIN), asker = new_asker(ROLE_REMOTE);

	(void)state;
	ask(gone, 1, BYTES("example.net"), DNS_A);
	ask(gone, 2, BYTES("other.example"), DNS_A);
	ask(asker, 3, BYTES("example.net"), DNS_A);
	close(gone);
	turn();
	resolve_with(0, DNS_NO_NAME);
	resolve_with(1, DNS_NO_NAME);
	assert_told(asker, 3, DNS_NO_NAME);
	close(asker);
}

static void
so_many_and_no_more(void **state)
{
	int  asker = new_asker(ROLE_REMOTE), other = new_asker(ROLE_FETCH);
	char name[32];

	(void)state;
	for (unsigned i = 0; i < DESK_ASKER_MAX; i++) {
		snprintf(name, sizeof name, "h%u.example", i);
		ask(asker, i, bytes_of(name), DNS_A);
	}
	assert_not_told(asker);
	ask(asker, 7777, BYTES("one-more.example"), DNS_A);
	assert_told(asker, 7777, DNS_TRY_LATER);
	for (unsigned i = DESK_ASKER_MAX; i < DESK_QUESTIONS_MAX; i++) {
		snprintf(name, sizeof name, "h%u.example", i);
		ask(other, i, bytes_of(name), DNS_A);
	}
	assert_not_told(other);
	ask(other, 8888, BYTES("one-more.example"), DNS_A);
	assert_told(other, 8888, DNS_TRY_LATER);
	ask(other, 9999, BYTES("h0.example"), DNS_A); /* it is open already */
	assert_not_told(other);
	assert_int_equal(n_errands, DESK_QUESTIONS_MAX);
	/* who gave up does not make room: the resolver is still busy */
	now_ms += DESK_PATIENCE_MS;
	one_tick();
	assert_told(asker, 0, DNS_TRY_LATER);
	close(asker);
	close(other);
	turn();
	other = new_asker(ROLE_ADMIN);
	ask(other, 1, BYTES("one-more.example"), DNS_A);
	assert_told(other, 1, DNS_TRY_LATER);
	for (size_t i = 0; i < n_errands; i++)
		resolve_with(i, DNS_NO_NAME);
	ask(other, 2, BYTES("one-more.example"), DNS_A);
	assert_not_told(other);
	close(other);
}

static void
another_configuration(void **state)
{
	int asker = new_asker(ROLE_REMOTE);

	(void)state;
	ask(asker, 1, BYTES("example.net"), DNS_A);
	desk_use(desk, &second_resolver);
	ask(asker, 2, BYTES("example.net"), DNS_A); /* the other may know better */
	assert_int_equal(n_errands, 2);
	assert_ptr_equal(errands[1].resolver, &second_resolver);
	one_tick();
	assert_false(first_resolver.is_closed);
	resolve_with(0, DNS_NO_NAME);
	assert_told(asker, 1, DNS_NO_NAME);
	one_tick();
	assert_true(first_resolver.is_closed);
	/* the third comes while the second is still busy, and again */
	desk_use(desk, &third_resolver);
	assert_false(second_resolver.is_closed);
	first_resolver.is_closed = false;
	desk_use(desk, &first_resolver);
	assert_true(second_resolver.is_closed);
	assert_true(third_resolver.is_closed); /* of which nobody waits for anything */
	assert_told(asker, 2, DNS_TRY_LATER);
	close(asker);
}

/* Who gave up, and questions of nobody, do not keep an old one. */
static void
old_one_without_waiters(void **state)
{
	int asker = new_asker(ROLE_REMOTE);

	(void)state;
	ask(asker, 1, BYTES("example.net"), DNS_A);
	close(asker);
	turn();
	desk_use(desk, &second_resolver);
	assert_true(first_resolver.is_closed);
}

static void
no_name_of_a_host(void **state)
{
	static const struct bytes names[] = { BYTES_INIT(""), BYTES_INIT("a b"),
		BYTES_INIT("a..b"), BYTES_INIT("a.b."), BYTES_INIT("a\0b"),
		BYTES_INIT("-f.example") };
	int asker = new_asker(ROLE_REMOTE), fd;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct msg_dns m;

		ask(asker, i, names[i], DNS_MX);
		assert_true(receive(asker, &m, &fd));
		assert_int_equal(m.q, i);
		assert_int_equal(m.result, DNS_NO_NAME);
		assert_true(m.text.n > 0);
	}
	assert_int_equal(n_errands, 0);
	close(asker);
}

static void
no_memory(void **state)
{
	int asker = new_asker(ROLE_REMOTE);

	(void)state;
	is_out_of_memory = true;
	ask(asker, 1, BYTES("example.net"), DNS_A);
	assert_told(asker, 1, DNS_TRY_LATER);
	is_out_of_memory = false;
	ask(asker, 2, BYTES("example.net"), DNS_A);
	resolve_with(0, DNS_NO_NAME);
	assert_told(asker, 2, DNS_NO_NAME);
	close(asker);
}

/* Two of our programs disagree: the connection ends. */
static void
unknown_type(void **state)
{
	int asker = new_asker(ROLE_REMOTE);

	(void)state;
	ask(asker, 1, BYTES("example.net"), 255);
	assert_not_told(asker);
	assert_false(peer_send_blocking(asker, BYTES("\1\0"), NULL, 0));
	close(asker);
}

static void
who_may_ask(void **state)
{
	(void)state;
	for (int role = ROLE_NONE; role <= ROLE_ADMIN; role++) {
		bool may = role == ROLE_REMOTE || role == ROLE_FETCH ||
		    role == ROLE_LOOKUP || role == ROLE_ADMIN;
		int  pair[2];

		assert_int_equal(peer_pair(pair), 0);
		assert_int_equal(
		    desk_add(desk, (enum peer_role)role, pair[0]), may);
		close(pair[1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(the_answer_comes_whole),
		T(large_answer),
		T(the_same_question_is_asked_once),
		T(nobody_waits_longer),
		T(an_asker_goes),
		T(so_many_and_no_more),
		T(another_configuration),
		T(old_one_without_waiters),
		T(no_name_of_a_host),
		T(no_memory),
		T(unknown_type),
		T(who_may_ask),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
