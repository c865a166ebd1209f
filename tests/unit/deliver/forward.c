#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "deliver/forward.h"
#include "home.h"
#include "io/memfile.h"
#include "mail/address.h"
#include "proto/dot_qmail.h"
#include "proto/frame.h"

static void
test_addresses(void **state)
{
	static const struct {
		const char *text, *target; /* NULL: no address */
	} rows[] = {
		{ "me@new.example", "me@new.example" },
		{ "Me@New.Example", "me@new.example" },
		{ "joe", "joe@mx.example" },
		{ "joe-list", "joe-list@mx.example" },
		{ "\"a b\"@x.example", "\"a b\"@x.example" },
		{ "", NULL },
		{ "@x.example", NULL },
		{ " me@new.example", NULL },
		{ "<me@new.example>", NULL },
		{ "me@new.example (New Address)", NULL },
		{ "a@b@c.example", NULL },
		{ "a\nb@c.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct frame_reader r;
		struct forward      f;

		forward_init(&f);
		assert_int_equal(
		    forward_add(&f, bytes_of(rows[i].text), BYTES("mx.example")),
		    rows[i].target != NULL);
		assert_int_equal(f.n, rows[i].target != NULL);
		r = frame_reader_of(buf_bytes(&f.targets));
		if (rows[i].target != NULL)
			assert_true(bytes_equal(
			    frame_bytes(&r), bytes_of(rows[i].target)));
		assert_true(frame_end(&r));
		forward_finish(&f);
	}
}

/* As many of the longest as a file can have. */
static void
test_many(void **state)
{
	char           text[ADDRESS_MAX + 1];
	struct forward f;

	(void)state;
	memset(text, 'x', sizeof text);
	text[63] = '@';
	for (size_t i = 127; i < ADDRESS_MAX; i += 64)
		text[i] = '.';
	forward_init(&f);
	for (int i = 0; i < DOT_QMAIL_LINES_MAX; i++)
		assert_true(forward_add(
		    &f, (struct bytes){ text, ADDRESS_MAX }, BYTES("h")));
	assert_int_equal(f.n, DOT_QMAIL_LINES_MAX);
	forward_finish(&f);
}

static void
touch(const char *name)
{
	char path[PATH_TEXT];
	int  fd;

	path_at(path, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd != -1);
	close(fd);
}

static void
expect_sender(const char *ext, const char *local, const char *reverse_path,
    const char *sender)
{
	struct buf                 b;
	const struct forward_owner owner = {
		.home = open(home, O_PATH | O_DIRECTORY),
		.local = bytes_of(local),
		.host = BYTES("x.example"),
		.dash = BYTES("-"),
		.ext = bytes_of(ext),
		.reverse_path = bytes_of(reverse_path),
	};

	buf_init(&b, 1024);
	assert_int_equal(forward_add_sender(&b, &owner), 0);
	assert_string_equal(buf_string(&b), sender);
	buf_finish(&b);
	close(owner.home);
}

static void
test_senders(void **state)
{
	char long_local[80];

	(void)state;
	touch(".qmail-plain");
	touch(".qmail-a-owner");
	touch(".qmail-v:1-owner");
	touch(".qmail-v:1-owner-default");
	/* alone it is for bounces of what, nobody knows */
	touch(".qmail-b-owner-default");
	expect_sender("plain", "joe-plain", "ann@far.example", "ann@far.example");
	expect_sender("a", "joe-a", "ann@far.example", "joe-a-owner@x.example");
	expect_sender("A", "joe-a", "ann@far.example", "joe-a-owner@x.example");
	expect_sender("a", "joe-a", "", "");
	expect_sender("v.1", "joe-v.1", "ann@far.example",
	    "joe-v.1-owner-@x.example-@[]");
	expect_sender("b", "joe-b", "ann@far.example", "ann@far.example");
	/* where that is no address, the message's own */
	memset(long_local, 'x', 60);
	long_local[60] = '\0';
	expect_sender("a", long_local, "ann@far.example", "ann@far.example");
}

static void
test_unknown_sender(void **state)
{
	struct buf                 b;
	const struct forward_owner owner = {
		.home = -1, .dash = BYTES("-"), .ext = BYTES("a"),
		.reverse_path = BYTES("ann@far.example"),
	};

	(void)state;
	buf_init(&b, 1024);
	assert_int_equal(forward_add_sender(&b, &owner), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(b.len, 0);
	buf_finish(&b);
}

static void
test_message(void **state)
{
	static const char text[] = "Subject: a\n\nb\n";
	struct trace      trace;
	struct buf        b;
	uint64_t          size_bytes, checked;
	int               body = memfile_of("body", BYTES("Subject: a\n\nb\nmore"));
	int               fd;

	(void)state;
	trace_make(&trace, BYTES("ann@far.example"), BYTES("joe-a@x.example"), 0);
	fd = forward_message(body, sizeof text - 1, &trace, &size_bytes);
	assert_true(fd != -1);
	assert_int_equal(memfile_check(fd, 1000, &checked), MEMFILE_SEALED);
	assert_int_equal(checked, size_bytes);
	buf_init(&b, 1000);
	assert_int_equal(memfile_read(fd, 0, &b), 0);
	assert_string_equal(buf_string(&b),
	    "Delivered-To: joe-a@x.example\nSubject: a\n\nb\n");
	buf_finish(&b);
	close(fd);
	/* a body that is shorter than it should be is no message */
	assert_int_equal(forward_message(body, 1000, &trace, &size_bytes), -1);
	assert_int_equal(errno, EIO);
	close(body);
}

/* The same each time, another for each recipient and message, and of the same moment. */
static void
test_ids(void **state)
{
	struct id a = id_make(1785369104123, (const uint8_t[ID_RANDOM]){ 1 });
	struct id b = id_make(1785369104123, (const uint8_t[ID_RANDOM]){ 2 });
	struct id made[4] = { forward_id(&a, 1), forward_id(&a, 2),
		forward_id(&b, 1), forward_id(&b, 2) };
	struct id again = forward_id(&a, 1);

	(void)state;
	assert_true(id_equal(&again, &made[0]));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(id_time_ms(&made[i]), 1785369104123);
		assert_false(id_equal(&made[i], &a));
		for (size_t j = 0; j < i; j++)
			assert_false(id_equal(&made[i], &made[j]));
	}
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_many),
		IN_HOME(test_senders),
		cmocka_unit_test(test_unknown_sender),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
