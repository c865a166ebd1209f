/*
 * Who is told of what became of a recipient, and how that travels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "queue/bounce.h"

static const struct config config = {
	.hostname = BYTES_INIT("mx.example"),
	.double_bounce_to = BYTES_INIT("postmaster"),
};

static void
expect(const char *what, const struct bounce *b, enum bounce_kind kind,
    enum dsn_action action, const char *to)
{
	if (b->kind != kind)
		fail_msg("%s: kind %d, not %d", what, b->kind, kind);
	if (kind == BOUNCE_NONE)
		return;
	if (b->action != action)
		fail_msg("%s: action %d, not %d", what, b->action, action);
	if (!bytes_equal(b->to, bytes_of(to)))
		fail_msg("%s: to %.*s", what, BYTES_ARG(b->to));
}

static void
every_outcome_by_notify(void **state)
{
	enum { NEVER = NOTIFY_NEVER, S = NOTIFY_SUCCESS, F = NOTIFY_FAILURE,
	       D = NOTIFY_DELAY, NOBODY = -1 };
	static const struct {
		const char       *what;
		enum outcome_kind kind;
		uint8_t           notify;
		bool              is_remote, is_handed_on, is_late, was_warned;
		const char       *owner;
		int               action;
	} rows[] = {
		{ "failed", OUTCOME_FAILED, 0, .action = DSN_FAILED },
		{ "failed elsewhere", OUTCOME_FAILED, 0, .is_remote = true, .action = DSN_FAILED },
		{ "failed, asked", OUTCOME_FAILED, F, .action = DSN_FAILED },
		{ "failed, never", OUTCOME_FAILED, NEVER, .action = NOBODY },
		{ "failed, others", OUTCOME_FAILED, S | D, .action = NOBODY },
		{ "deferred", OUTCOME_DEFERRED, 0, .action = NOBODY },
		{ "late", OUTCOME_DEFERRED, 0, .is_late = true, .action = DSN_DELAYED },
		{ "late, again", OUTCOME_DEFERRED, 0, .is_late = true, .was_warned = true,
		    .action = NOBODY },
		{ "late, asked", OUTCOME_DEFERRED, D, .is_late = true, .action = DSN_DELAYED },
		{ "late, others", OUTCOME_DEFERRED, S | F, .is_late = true, .action = NOBODY },
		{ "delivered", OUTCOME_DELIVERED, 0, .action = NOBODY },
		{ "delivered, others", OUTCOME_DELIVERED, F | D, .action = NOBODY },
		{ "delivered, asked", OUTCOME_DELIVERED, S, .action = DSN_DELIVERED },
		{ "relayed, asked", OUTCOME_DELIVERED, S, .is_remote = true, .action = DSN_RELAYED },
		{ "handed on, asked", OUTCOME_DELIVERED, S, .is_remote = true, .is_handed_on = true,
		    .action = NOBODY },
		{ "an alias, asked", OUTCOME_EXPANDED, S, .owner = "", .action = NOBODY },
		{ "a list, asked", OUTCOME_EXPANDED, S, .owner = "o@mx.example",
		    .action = DSN_EXPANDED },
		{ "a list", OUTCOME_EXPANDED, 0, .owner = "o@mx.example", .action = NOBODY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct store_lease l = {
			.reverse_path = BYTES("From@Some.example"),
			.original = BYTES("a@mx.example"),
			.address = BYTES("a@mx.example"),
			.notify = rows[i].notify,
			.is_warned = rows[i].was_warned,
		};
		struct store_finish end = {
			.outcome = { .kind = rows[i].kind,
			    .is_handed_on = rows[i].is_handed_on },
			.is_warned = rows[i].is_late && !rows[i].was_warned,
			.reverse_path = bytes_of(rows[i].owner),
		};
		struct bounce b =
		    bounce_for(&config, &l, &end, rows[i].is_remote);

		expect(rows[i].what, &b,
		    rows[i].action == NOBODY ? BOUNCE_NONE : BOUNCE_SENDER,
		    (enum dsn_action)rows[i].action, "From@Some.example");
		/* and none of it bounces to nobody */
		l.reverse_path = BYTES("");
		b = bounce_for(&config, &l, &end, rows[i].is_remote);
		expect(rows[i].what, &b,
		    rows[i].kind == OUTCOME_FAILED ? BOUNCE_DOUBLE : BOUNCE_NONE,
		    DSN_FAILED, "postmaster");
	}
}

/* A reverse-path for each recipient has one for all notifications. */
static void
verp_goes_to_its_base(void **state)
{
	static const struct {
		const char *reverse_path, *to;
	} rows[] = {
		{ "List-@Some.example-@[]", "List-@Some.example" },
		{ "list-@some.example", "list-@some.example" },
		{ "x-@[]", "x-@[]" }, /* no VERP */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct store_lease l = {
			.reverse_path = bytes_of(rows[i].reverse_path),
			.original = BYTES("a@x.example"),
			.address = BYTES("a@x.example"),
		};
		const struct store_finish end = {
			.outcome = { .kind = OUTCOME_FAILED },
		};
		const struct bounce b = bounce_for(&config, &l, &end, false);

		expect(rows[i].reverse_path, &b, BOUNCE_SENDER, DSN_FAILED, rows[i].to);
	}
}

static void
the_third_is_discarded(void **state)
{
	static const struct {
		const char *last_resort, *original, *address;
		enum bounce_kind kind;
	} rows[] = {
		{ "postmaster", "a@x.example", "a@x.example", BOUNCE_DOUBLE },
		{ "postmaster", "postmaster@mx.example", "postmaster@mx.example", BOUNCE_DISCARDED },
		{ "postmaster", "Postmaster@MX.example", "root@mx.example", BOUNCE_DISCARDED },
		{ "postmaster", "x@mx.example", "postmaster@mx.example", BOUNCE_DISCARDED },
		{ "postmaster", "Postmaster", "root@mx.example", BOUNCE_DISCARDED },
		{ "postmaster", "postmaster@x.example", "postmaster@x.example", BOUNCE_DOUBLE },
		{ "postmaster", "postmasters@mx.example", "a@x.example", BOUNCE_DOUBLE },
		{ "ops@x.example", "Ops@X.example", "ops@x.example", BOUNCE_DISCARDED },
		{ "ops@x.example", "ops@mx.example", "ops@mx.example", BOUNCE_DOUBLE },
		{ "ops@x.example", "postmaster@mx.example", "a@y.example", BOUNCE_DOUBLE },
		{ "", "a@x.example", "a@x.example", BOUNCE_DISCARDED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct config c = {
			.hostname = BYTES("mx.example"),
			.double_bounce_to = bytes_of(rows[i].last_resort),
		};
		const struct store_lease l = {
			.original = bytes_of(rows[i].original),
			.address = bytes_of(rows[i].address),
			.notify = NOTIFY_NEVER, /* as our notifications say */
		};
		const struct store_finish end = {
			.outcome = { .kind = OUTCOME_FAILED },
		};
		const struct bounce b = bounce_for(&c, &l, &end, false);

		expect(rows[i].original, &b, rows[i].kind, DSN_FAILED,
		    rows[i].last_resort);
	}
}

static void
paths_keep_their_local_part(void **state)
{
	static const struct {
		const char *to, *path;
	} rows[] = {
		{ "Postmaster", "Postmaster@mx.example" },
		{ "List-Owner+Member=Host.Example@Lists.Example",
		    "List-Owner+Member=Host.Example@lists.example" },
		{ "\"odd@One\"@X.example", "\"odd@One\"@x.example" },
		{ "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		bounce_add_path(&b, &config, bytes_of(rows[i].to));
		assert_string_equal(buf_string(&b), rows[i].path);
	}
	buf_finish(&b);
}

static void
what_reports_asks_for_no_report(void **state)
{
	const struct id           id = id_make(1700000000000, (const uint8_t[ID_RANDOM]){ 1 });
	struct envelope_recipient r;
	struct envelope           e = bounce_envelope(
            &id, 1700000000000, BYTES("a@x.example"), BYTES("text\n"), &r);

	(void)state;
	assert_int_equal(e.reverse_path.n, 0);
	assert_int_equal(e.n_recipients, 1);
	assert_ptr_equal(e.recipients, &r);
	assert_true(bytes_equal(r.address, BYTES("a@x.example")));
	assert_true(bytes_equal(r.original, BYTES("a@x.example")));
	assert_int_equal(r.notify, NOTIFY_NEVER);
	assert_int_equal(e.size_bytes, 5);
	assert_int_equal(e.body, BODY_7BIT);
	assert_false(e.smtputf8);
	assert_true(id_equal(&e.id, &id));

	e = bounce_envelope(&id, 1, BYTES("j\303\266rg@x.example"),
	    BYTES("t\303\244xt\n"), &r);
	assert_int_equal(e.body, BODY_8BITMIME);
	assert_true(e.smtputf8);
}

static void
the_log_has_a_word_for_each(void **state)
{
	static const struct {
		struct bounce b;
		const char   *name;
	} rows[] = {
		{ { BOUNCE_SENDER, DSN_FAILED, { NULL, 0 } }, "bounce" },
		{ { BOUNCE_SENDER, DSN_DELAYED, { NULL, 0 } }, "warning" },
		{ { BOUNCE_SENDER, DSN_DELIVERED, { NULL, 0 } }, "success" },
		{ { BOUNCE_SENDER, DSN_RELAYED, { NULL, 0 } }, "success" },
		{ { BOUNCE_SENDER, DSN_EXPANDED, { NULL, 0 } }, "success" },
		{ { BOUNCE_DOUBLE, DSN_FAILED, { NULL, 0 } }, "double-bounce" },
		{ { BOUNCE_DISCARDED, DSN_FAILED, { NULL, 0 } }, "discarded" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(bounce_name(&rows[i].b), rows[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_by_notify),
		cmocka_unit_test(verp_goes_to_its_base),
		cmocka_unit_test(the_third_is_discarded),
		cmocka_unit_test(paths_keep_their_local_part),
		cmocka_unit_test(what_reports_asks_for_no_report),
		cmocka_unit_test(the_log_has_a_word_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
