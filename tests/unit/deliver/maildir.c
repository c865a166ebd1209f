#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "fixture.h"

static const char simple[] = "Subject: a\n\nb\n";

static void
test_plain(void **state)
{
	static const char    expected[] = "Return-Path: <ann@far.example>\n"
	                                  "Delivered-To: joe@example.org\n"
	                                  "Subject: a\n\nb\n";
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);
	char                 name[NAME_MAX + 1], path[2 * PATH_TEXT];
	char                 content[256] = "", sizes[64];
	struct stat          st;
	int                  fd;

	(void)state;
	open_inbox(&f);
	d = delivery_of(&f, 1, simple);
	maildir_deliver(&batch);
	expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
	assert_int_equal(count("Maildir/tmp"), 0);
	assert_int_equal(count("Maildir/cur"), 0);
	assert_int_equal(count_files("Maildir/new", name), 1);

	snprintf(path, sizeof path, "%s/Maildir/new/%s", home, name);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, content, sizeof content), sizeof expected - 1);
	assert_string_equal(content, expected);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* five lines: five bytes more with CRLF */
	snprintf(sizes, sizeof sizes, ".1.mx.example.org,S=%zu,W=%zu",
	    sizeof expected - 1, sizeof expected - 1 + 5);
	assert_non_null(strstr(name, sizes));
	close(fd);
	close(d.body);
	folder_close(&f);
}

/* A process that ends between two steps, and the queue's second try. */
static void
test_interrupted(void **state)
{
	typedef void step(struct maildir_batch *batch);
	static step *const steps[] = { maildir_find_repeated, maildir_write,
		maildir_flush, maildir_publish, maildir_settle };
	enum { STEPS = sizeof steps / sizeof steps[0] };

	(void)state;
	for (uint8_t stop = 0; stop <= STEPS; stop++) {
		struct folder        f;
		struct delivery      d;
		struct maildir_batch batch = batch_of(&d);

		open_inbox(&f);
		d = delivery_of(&f, stop, simple);
		for (uint8_t i = 0; i < stop; i++)
			steps[i](&batch);
		close(d.body);
		if (d.step == DELIVERY_WRITTEN)
			close(d.file);
		folder_close(&f);

		open_inbox(&f);
		d = delivery_of(&f, stop, simple);
		d.repeated = true;
		maildir_deliver(&batch);
		expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
		assert_int_equal(count("Maildir/new"), stop + 1);
		assert_int_equal(count("Maildir/tmp"), 0);
		close(d.body);
		folder_close(&f);
	}
}

/* The user has read it, in the time between. */
static void
test_found_in_cur(void **state)
{
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);
	char                 name[NAME_MAX + 1];
	char                 from[2 * PATH_TEXT], to[2 * PATH_TEXT];

	(void)state;
	open_inbox(&f);
	d = delivery_of(&f, 1, simple);
	maildir_deliver(&batch);
	close(d.body);
	count_files("Maildir/new", name);
	snprintf(from, sizeof from, "%s/Maildir/new/%s", home, name);
	snprintf(to, sizeof to, "%s/Maildir/cur/%s:2,FS", home, name);
	assert_int_equal(rename(from, to), 0);

	d = delivery_of(&f, 1, simple);
	d.repeated = true;
	maildir_deliver(&batch);
	expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/cur"), 1);
	close(d.body);

	/* to another recipient of the same message it is delivered all the same */
	d = delivery_of(&f, 1, simple);
	d.repeated = true;
	d.recipient = 2;
	maildir_deliver(&batch);
	expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
	assert_int_equal(count("Maildir/new"), 1);
	close(d.body);
	folder_close(&f);
}

/* Nobody said that it was repeated: the name is taken, which says so too. */
static void
test_exists(void **state)
{
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);

	(void)state;
	open_inbox(&f);
	for (int i = 0; i < 2; i++) {
		d = delivery_of(&f, 1, simple);
		maildir_deliver(&batch);
		expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
		assert_int_equal(count("Maildir/new"), 1);
		assert_int_equal(count("Maildir/tmp"), 0);
		close(d.body);
	}
	folder_close(&f);
}

static void
test_loop(void **state)
{
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);

	(void)state;
	open_inbox(&f);
	d = delivery_of(&f, 1,
	    "Received: x\ndelivered-to: JOE@example.org\nSubject: a\n\nb\n");
	maildir_deliver(&batch);
	expect_outcome(&d, OUTCOME_FAILED, STATUS(5, 4, 6));
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/tmp"), 0);
	close(d.body);
	folder_close(&f);
}

static void
test_short_body(void **state)
{
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);

	(void)state;
	open_inbox(&f);
	d = delivery_of(&f, 1, simple);
	d.size_bytes++;
	maildir_deliver(&batch);
	expect_outcome(&d, OUTCOME_DEFERRED, STATUS(4, 3, 0));
	assert_int_equal(count("Maildir/new"), 0);
	assert_int_equal(count("Maildir/tmp"), 0);
	close(d.body);
	folder_close(&f);
}

/* RFC 6532: they stand there as they are; if the message comes back they are known again. */
static void
test_any_script(void **state)
{
	static const char    expected[] = "Return-Path: <\xc3\xa4nn@far.example>\n"
	                                  "Delivered-To: j\xc3\xb6rg@example.org\n"
	                                  "Subject: a\n\nb\n";
	const char          *text = simple;
	struct folder        f;
	struct delivery      d;
	struct maildir_batch batch = batch_of(&d);
	char                 name[NAME_MAX + 1], path[2 * PATH_TEXT];
	char                 content[256] = "";
	int                  fd;

	(void)state;
	open_inbox(&f);
	for (uint8_t time = 1; time <= 2; time++) {
		d = delivery_of(&f, time, text);
		d.address = BYTES("j\xc3\xb6rg@example.org");
		d.reverse_path = BYTES("\xc3\xa4nn@far.example");
		maildir_deliver(&batch);
		close(d.body);
		if (time == 1)
			expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
		else
			expect_outcome(&d, OUTCOME_FAILED, STATUS(5, 4, 6));
		text = expected;
	}
	assert_int_equal(count_files("Maildir/new", name), 1);
	snprintf(path, sizeof path, "%s/Maildir/new/%s", home, name);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, content, sizeof content), sizeof expected - 1);
	assert_string_equal(content, expected);
	close(fd);
	folder_close(&f);
}

/* Sizes on both sides of every border of the pieces. */
static void
test_large(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 300001 };
	static const char   head[] = "Return-Path: <ann@far.example>\n"
	                             "Delivered-To: joe@example.org\n";
	const size_t        n_head = sizeof head - 1;
	char               *text = malloc(300001), *back = malloc(400000);

	(void)state;
	for (size_t i = 0; i < 300001; i++)
		text[i] = i % 10 == 9 ? '\n' : (char)('a' + i % 7);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct folder        f;
		struct delivery      d;
		struct maildir_batch batch = batch_of(&d);
		char                 name[NAME_MAX + 1], path[2 * PATH_TEXT];
		char                 expected[64];
		int                  fd;

		open_inbox(&f);
		d = delivery_of(&f, (uint8_t)i, "");
		d.size_bytes = sizes[i];
		assert_int_equal(pwrite(d.body, text, sizes[i], 0), sizes[i]);
		maildir_deliver(&batch);
		expect_outcome(&d, OUTCOME_DELIVERED, STATUS(2, 0, 0));
		assert_int_equal(count_files("Maildir/new", name), 1);
		snprintf(path, sizeof path, "%s/Maildir/new/%s", home, name);
		fd = open(path, O_RDONLY);
		assert_int_equal(read(fd, back, 400000), n_head + sizes[i]);
		assert_memory_equal(back, head, n_head);
		assert_memory_equal(back + n_head, text, sizes[i]);
		snprintf(expected, sizeof expected, ",S=%zu,W=%zu",
		    n_head + sizes[i], n_head + 2 + sizes[i] + sizes[i] / 10);
		assert_non_null(strstr(name, expected));
		unlink(path);
		close(fd);
		close(d.body);
		folder_close(&f);
	}
	free(text);
	free(back);
}

/* Sixty-four at once, every fourth one repeated and there already. */
static void
test_batch(void **state)
{
	static struct delivery d[MAILDIR_BATCH];
	struct maildir_batch   batch = batch_of(d);
	struct folder          f, junk;
	const char            *what;

	(void)state;
	open_inbox(&f);
	assert_int_equal(folder_open(&junk, home, BYTES("Junk"), &what), 0);
	for (int round = 0; round < 2; round++) {
		batch.n = 0;
		for (uint8_t i = 0; i < MAILDIR_BATCH; i++) {
			if (round == 0 && i % 4 != 0)
				continue;
			d[i] = delivery_of(i % 2 ? &junk : &f, i, simple);
			d[i].repeated = i % 4 == 0;
			batch.v[batch.n++] = &d[i];
		}
		maildir_deliver(&batch);
		for (size_t i = 0; i < batch.n; i++) {
			expect_outcome(
			    batch.v[i], OUTCOME_DELIVERED, STATUS(2, 0, 0));
			close(batch.v[i]->body);
		}
	}
	assert_int_equal(batch.n, MAILDIR_BATCH);
	assert_int_equal(count("Maildir/new"), MAILDIR_BATCH / 2);
	assert_int_equal(count("Maildir/.Junk/new"), MAILDIR_BATCH / 2);
	assert_int_equal(count("Maildir/tmp"), 0);
	folder_close(&f);
	folder_close(&junk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_plain, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_interrupted, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_found_in_cur, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_exists, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_loop, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_short_body, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_any_script, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_large, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_batch, make_home, remove_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
