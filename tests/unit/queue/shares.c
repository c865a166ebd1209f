/*
 * How many recipients of a destination may be leased at once, as it answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "queue/shares.h"

struct fixture {
	struct shares     shares;
	struct arena      arena;
	struct store_want want;
};

static int
setup(void **state)
{
	static struct fixture f;

	shares_init(&f.shares, 42);
	arena_init(&f.arena, 16 * 1024 * 1024);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	shares_finish(&f->shares);
	arena_finish(&f->arena);
	return 0;
}

static size_t
left(struct fixture *f, const char *destination)
{
	assert_true(shares_limit(&f->shares, &f->arena, &f->want));
	for (size_t i = 0; i < f->want.n_limits; i++)
		if (bytes_equal(f->want.limits[i].destination,
		        bytes_of(destination)))
			return f->want.limits[i].left;
	return f->want.others;
}

static struct share *
enter(struct fixture *f, const char *address)
{
	struct share *s = shares_enter(&f->shares, bytes_of(address));

	assert_non_null(s);
	return s;
}

/* n leases that end at once with that. */
static void
answer(struct fixture *f, const char *address, enum outcome_kind kind, size_t n)
{
	while (n-- > 0) {
		struct share *s = enter(f, address);

		share_learn(s, kind);
		shares_leave(&f->shares, s);
	}
}

static void
what_is_leased_is_not_left(void **state)
{
	struct fixture *f = *state;
	struct share   *a = enter(f, "a@x.example"), *b = enter(f, "b@X.Example");

	assert_ptr_equal(a, b);
	assert_int_equal(left(f, "x.example"), SHARE_BASE - 2);
	assert_int_equal(left(f, "y.example"), SHARE_BASE);
	shares_leave(&f->shares, a);
	assert_int_equal(left(f, "x.example"), SHARE_BASE - 1);
	shares_leave(&f->shares, b);
	assert_int_equal(f->want.others, SHARE_BASE);
	/* it is forgotten */
	assert_int_equal(f->shares.n, 0);
	assert_int_equal(left(f, "x.example"), SHARE_BASE);
	assert_int_equal(f->want.n_limits, 0);
}

static void
it_grows_with_what_it_takes(void **state)
{
	static const size_t limits[] = { 128, 256, 512, 1024, 1500, 1500 };
	struct fixture *f = *state;
	struct share   *busy = enter(f, "b@x.example");
	size_t          limit = SHARE_BASE;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		answer(f, "a@x.example", i % 2 ? OUTCOME_DELIVERED : OUTCOME_FAILED,
		    limit - 1);
		assert_int_equal(busy->limit, limit);
		answer(f, "a@x.example", OUTCOME_DELIVERED, 1);
		assert_int_equal(busy->limit, limits[i]);
		assert_int_equal(left(f, "x.example"), limits[i] - 1);
		/* the busy one was leased under the old limit */
		answer(f, "a@x.example", OUTCOME_DEFERRED, 1);
		assert_int_equal(busy->limit, limits[i]);
		limit = limits[i];
	}
	assert_int_equal(left(f, "y.example"), SHARE_BASE);
}

static void
it_shrinks_with_what_it_defers(void **state)
{
	static const size_t limits[] = { 32, 20, 20 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		answer(f, "a@x.example", OUTCOME_DEFERRED, 1);
		assert_int_equal(left(f, "x.example"), limits[i]);
	}
	/* idle, but not at its base: it is remembered */
	assert_int_equal(f->shares.n, 1);
}

/* All that was out when a server vanished tells it once. */
static void
a_window_counts_once(void **state)
{
	struct fixture *f = *state;
	struct share   *s;

	for (size_t i = 0; i < SHARE_BASE; i++)
		s = enter(f, "a@x.example");
	assert_int_equal(left(f, "x.example"), 0);
	for (size_t i = 0; i < SHARE_BASE; i++) {
		share_learn(s, OUTCOME_DEFERRED);
		assert_int_equal(s->limit, SHARE_BASE / 2);
	}
	for (size_t i = 0; i < SHARE_BASE; i++)
		shares_leave(&f->shares, s);
	assert_int_equal(left(f, "x.example"), SHARE_BASE / 2);
}

static void
our_own_have_room_and_leave_some(void **state)
{
	struct fixture *f = *state;
	struct share   *s;

	shares_add_ours(&f->shares, BYTES("mx.example"));
	shares_add_ours(&f->shares, BYTES("other.example"));
	assert_int_equal(left(f, "mx.example"), SHARES_OURS);
	for (size_t i = 0; i < SHARES_OURS; i++) {
		s = enter(f, i % 2 ? "a@mx.example" : "a@other.example");
		share_learn(s, OUTCOME_DEFERRED);
	}
	/* together */
	assert_int_equal(left(f, "mx.example"), 0);
	assert_int_equal(left(f, "other.example"), 0);
	assert_int_equal(left(f, "x.example"), SHARE_BASE);
	assert_true((int)SHARES_OURS < (int)STORE_LEASES_MAX);
}

static void
all_others_leave_room_for_our_own(void **state)
{
	struct fixture *f = *state;
	char            address[64];

	shares_add_ours(&f->shares, BYTES("mx.example"));
	for (unsigned i = 0; i < SHARES_OTHERS - 10; i++) {
		snprintf(address, sizeof address, "a@x%u.example", i);
		enter(f, address);
	}
	assert_int_equal(left(f, "new.example"), 10);
	assert_int_equal(left(f, "x1.example"), 10);
	for (unsigned i = 0; i < 10; i++)
		enter(f, "a@new.example");
	assert_int_equal(left(f, "new.example"), 0);
	assert_int_equal(left(f, "another.example"), 0);
	assert_int_equal(left(f, "mx.example"), SHARES_OURS);
	assert_true((int)SHARES_OTHERS < (int)STORE_LEASES_MAX);
}

/* A reload, while some are leased. */
static void
ours_can_become_anothers(void **state)
{
	struct fixture *f = *state;
	struct share   *s;

	s = enter(f, "a@mx.example");
	assert_int_equal(f->shares.leased_others, 1);
	shares_add_ours(&f->shares, BYTES("mx.example"));
	assert_int_equal(f->shares.leased_others, 0);
	assert_int_equal(left(f, "mx.example"), SHARES_OURS - 1);
	shares_forget_ours(&f->shares);
	assert_int_equal(f->shares.leased_ours, 0);
	assert_int_equal(left(f, "mx.example"), SHARE_BASE - 1);
	shares_leave(&f->shares, s);
	assert_int_equal(f->shares.leased_others, 0);
	assert_int_equal(f->shares.n, 0);
}

static void
strangers_fill_no_memory(void **state)
{
	struct fixture *f = *state;
	char            address[64];

	for (unsigned i = 0; i < 3 * SHARES_KEPT; i++) {
		snprintf(address, sizeof address, "a@x%u.example", i);
		answer(f, address, OUTCOME_DEFERRED, 1);
		assert_in_range(f->shares.n, 1, SHARES_KEPT);
	}
}

static void
no_share_is_no_limit(void **state)
{
	struct fixture *f = *state;

	share_learn(NULL, OUTCOME_DEFERRED);
	shares_leave(&f->shares, NULL);
	/* an address without a domain counts as one */
	shares_leave(&f->shares, enter(f, "postmaster"));
	shares_leave(&f->shares, enter(f, "a@"));
	assert_int_equal(f->shares.n, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_leased_is_not_left),
		T(it_grows_with_what_it_takes),
		T(it_shrinks_with_what_it_defers),
		T(a_window_counts_once),
		T(our_own_have_room_and_leave_some),
		T(all_others_leave_room_for_our_own),
		T(ours_can_become_anothers),
		T(strangers_fill_no_memory),
		T(no_share_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
