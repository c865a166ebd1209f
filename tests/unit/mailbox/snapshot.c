#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fixture.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "proto/maildrop.h"

enum { MANY = 100000, MANY_MS_MAX = 4000 };

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Of a sealed list. */
static void
read_list(int fd, size_t n, struct buf *list)
{
	uint64_t size;

	assert_true(fd != -1);
	assert_int_equal(memfile_check(fd, UINT32_MAX, &size), MEMFILE_SEALED);
	buf_init(list, UINT32_MAX);
	assert_int_equal(memfile_read(fd, 0, list), 0);
	assert_true(maildrop_is_list(buf_bytes(list), n));
	close(fd);
}

struct expected {
	const char *uid;
	uint64_t    octets;
};

/* Take and list: these messages and no others. */
static void
expect_list(struct snapshot *s, const struct expected *expected, size_t n)
{
	struct buf list;
	int        fd;

	take(s);
	fd = snapshot_list(s);
	assert_int_equal(s->n, n);
	read_list(fd, n, &list);
	for (size_t i = 0; i < n; i++) {
		struct maildrop_message m = maildrop_at(buf_bytes(&list), i);
		char                    uid[MAILDROP_UID_MAX + 1];

		assert_true(bytes_to_string(m.uid, uid, sizeof uid));
		assert_string_equal(uid, expected[i].uid);
		assert_int_equal(m.octets, expected[i].octets);
	}
	buf_finish(&list);
}

static void
test_order(void **state)
{
	static const struct expected expected[] = {
		{ "a-name-without-time", 3 },
		{ "note.1", 3 },
		{ "9.x.host", 3 }, /* a time is a number */
		{ "1700000000.M1P2.host,S=5,W=77", 77 },
		{ "1785369104.0cpj8v3k5q00000000000000a1.1.mx,S=1,W=9", 9 },
		{ "1785369104.1234.host", 3 },
		{ "1785369105.V80I12_0.host", 3 },
	};
	struct snapshot s;

	(void)state;
	put("Maildir/new/1785369105.V80I12_0.host", "1\n");
	put("Maildir/cur/1700000000.M1P2.host,S=5,W=77:2,S", "?");
	put("Maildir/cur/1785369104.1234.host:2,FRS", "1\n");
	put("Maildir/new/1785369104.0cpj8v3k5q00000000000000a1.1.mx,S=1,W=9", "?");
	put("Maildir/cur/9.x.host:1,old", "1\n");
	put("Maildir/cur/note.1:2,", "1\n");
	put("Maildir/new/a-name-without-time", "1\n");
	put("Maildir/tmp/1.still.written", "1\n");
	expect_list(&s, expected, LENGTH(expected));
	expect_text(&s, 3, "?");
	expect_text(&s, 0, "1\n");
	snapshot_close(&s);
	snapshot_close(&s);
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		uint64_t    octets;
	} rows[] = {
		{ "1.a", "Subject: a\n\nb\n", 17 },
		{ "2.a", "a\r\nb", 6 },
		{ "3.a", "", 0 },
		{ "4.a,S=14", "Subject: a\n\nb\n", 17 },
		{ "5.a,W=100", "x", 100 },
		{ "6.a,S=1,W=100", "x", 100 },
		{ "7.a,W=0", "x", 0 },
		/* what is no size is not believed */
		{ "8.a,W=", "\n", 2 },
		{ "9.a,W=-1", "\n", 2 },
		{ "10.a,W=99999999999999999999", "\n", 2 },
		{ "11.a,W=1099511627777", "\n", 2 },
		{ "12.a,W=1099511627776", "\n", 1099511627776 },
		{ "13.a,W=5x", "\n", 2 },
		{ "14.aW=7", "\n", 2 },
		{ "15.a:2,W=7", "\n", 2 }, /* among the flags it is none */
		{ "16.a,w=7", "\n", 2 },
	};
	struct snapshot s;
	struct buf      list;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char below[PATH_TEXT];

		snprintf(below, sizeof below, "Maildir/cur/%s", rows[i].name);
		put(below, rows[i].text);
	}
	take(&s);
	read_list(snapshot_list(&s), LENGTH(rows), &list);
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(
		    maildrop_at(buf_bytes(&list), i).octets, rows[i].octets);
	buf_finish(&list);
	snapshot_close(&s);
}

static void
bind_socket(const char *below)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char               path[PATH_TEXT];
	int                fd = socket(AF_UNIX, SOCK_STREAM, 0);

	path_at(path, below);
	assert_true(strlen(path) < sizeof address.sun_path);
	strcpy(address.sun_path, path);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	close(fd);
}

/* What has the name of a message and is none. */
static void
test_no_messages(void **state)
{
	static const struct expected expected[] = {
		{ "1.good", 3 },
		{ "2.second-link", 3 },
	};
	struct snapshot s;
	char            path[PATH_TEXT], target[PATH_TEXT];

	(void)state;
	put("Maildir/new/1.good", "1\n");
	put("secret", "secret\n");
	path_at(target, "secret");
	path_at(path, "Maildir/new/3.symlink,W=7");
	assert_int_equal(symlink(target, path), 0);
	path_at(path, "Maildir/new/4.fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	make_folder("Maildir/new/5.folder,W=1");
	bind_socket("Maildir/new/6.socket");
	put("Maildir/new/.hidden", "1\n");
	put("Maildir/cur/:2,S", "1\n");
	path_at(target, "Maildir/new/1.good");
	path_at(path, "Maildir/cur/2.second-link:2,");
	assert_int_equal(link(target, path), 0);
	put("Maildir/dovecot-uidlist", "3 V1 N1\n");
	expect_list(&s, expected, LENGTH(expected));
	snapshot_close(&s);
}

/* Names that no program gives are messages all the same. */
static void
test_strange_names(void **state)
{
	static const char *const names[] = { "1.a\n2.b", "2.caf\xc3\xa9", "3.a b",
		"4.\x1b[2J", "5." };
	struct snapshot s;
	struct buf      list;
	char            longest[NAME_MAX + 1], below[PATH_TEXT];

	(void)state;
	memset(longest, '6', NAME_MAX);
	longest[NAME_MAX] = '\0';
	for (size_t i = 0; i < LENGTH(names); i++) {
		snprintf(below, sizeof below, "Maildir/cur/%s", names[i]);
		put(below, "1\n");
	}
	snprintf(below, sizeof below, "Maildir/new/%s", longest);
	put(below, "1\n");
	take(&s);
	assert_int_equal(s.n, LENGTH(names) + 1);
	read_list(snapshot_list(&s), s.n, &list);
	for (size_t i = 0; i < s.n; i++) {
		struct maildrop_message m = maildrop_at(buf_bytes(&list), i);

		assert_int_equal(m.uid.p[0] == ':', i != LENGTH(names));
		expect_text(&s, i, "1\n");
	}
	buf_finish(&list);
	/* the longest name finds no room for flags in cur/ and stays */
	assert_int_equal(snapshot_update(&s), 0);
	assert_true(is_there(below));
	snapshot_close(&s);
}

/* Another program was moving it when we looked. */
static void
test_met_twice(void **state)
{
	static const struct expected expected[] = { { "1.a", 5 }, { "2.b", 3 } };
	struct snapshot              s;

	(void)state;
	put("Maildir/new/1.a", "new\n");
	put("Maildir/cur/1.a:2,S", "cur\n");
	put("Maildir/cur/2.b:2,S", "1\n");
	put("Maildir/cur/2.b:2,RS", "1\n");
	expect_list(&s, expected, LENGTH(expected));
	expect_text(&s, 0, "cur\n");
	snapshot_close(&s);
}

static void
test_missing(void **state)
{
	struct snapshot s;
	const char     *what = NULL;
	char            path[PATH_TEXT];

	(void)state;
	/* a user who has had no mail */
	take(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(snapshot_update(&s), 0);
	snapshot_close(&s);
	assert_false(is_there("Maildir"));
	/* half a Maildir */
	make_folder("Maildir");
	make_folder("Maildir/new");
	put("Maildir/new/1.a", "1\n");
	take(&s);
	assert_int_equal(s.n, 1);
	assert_int_equal(snapshot_update(&s), 0);
	snapshot_close(&s);
	assert_int_equal(count("Maildir/new"), 1);
	/* a disk that is not there is no empty maildrop */
	path_at(path, "none");
	assert_int_equal(snapshot_take(&s, path, &what), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(what, "the home folder");
}

/* An error is not an empty maildrop. */
static void
test_unreadable(void **state)
{
	static const struct {
		const char *part; /* a link to a folder stands there */
		const char *what;
	} rows[] = {
		{ "a/Maildir", "Maildir" },
		{ "b/Maildir/new", "Maildir/new" },
		{ "c/Maildir/cur", "Maildir/cur" },
	};
	struct snapshot s;
	const char     *what;
	char            path[PATH_TEXT], target[PATH_TEXT];

	(void)state;
	make_folder("a");
	make_folder("b");
	make_folder("b/Maildir");
	make_folder("c");
	make_folder("c/Maildir");
	make_folder("target");
	path_at(target, "target");
	for (size_t i = 0; i < LENGTH(rows); i++) {
		path_at(path, rows[i].part);
		assert_int_equal(symlink(target, path), 0);
		path_at(path, (const char[]){ rows[i].part[0], '\0' });
		assert_int_equal(snapshot_take(&s, path, &what), -1);
		assert_true(errno == ENOTDIR || errno == ELOOP);
		assert_string_equal(what, rows[i].what);
	}
}

/* A message without a size in its name that cannot be opened: the others are as before. */
static void
test_unreadable_message(void **state)
{
	static const struct expected expected[] = { { "1.a", 3 }, { "3.c", 4 } };
	struct snapshot              s;
	struct buf                   list;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b", "1\n");
	put("Maildir/new/3.c", "33\n");
	take(&s);
	assert_int_equal(s.n, 3);
	take_away("Maildir/new/2.b");
	move("Maildir/new/3.c", "Maildir/cur/3.c:2,S"); /* while we counted */
	read_list(snapshot_list(&s), 2, &list);
	assert_int_equal(s.n, 2);
	for (size_t i = 0; i < 2; i++) {
		struct maildrop_message m = maildrop_at(buf_bytes(&list), i);

		assert_true(bytes_equal(m.uid, bytes_of(expected[i].uid)));
		assert_int_equal(m.octets, expected[i].octets);
	}
	expect_text(&s, 1, "33\n");
	buf_finish(&list);
	snapshot_close(&s);
}

/* What other programs do between listing and opening. */
static void
test_moves(void **state)
{
	struct snapshot s;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b", "2\n");
	put("Maildir/cur/3.c:2,FRS", "3\n");
	put("Maildir/cur/4.d", "4\n");
	put("Maildir/cur/5.e:2,", "5\n");
	take(&s);
	move("Maildir/new/1.a", "Maildir/cur/1.a:2,");
	move("Maildir/cur/3.c:2,FRS", "Maildir/cur/3.c:2,S");
	move("Maildir/cur/4.d", "Maildir/new/4.d");
	take_away("Maildir/cur/5.e:2,");
	expect_text(&s, 0, "1\n");
	expect_text(&s, 1, "2\n");
	expect_text(&s, 2, "3\n");
	expect_text(&s, 3, "4\n");
	expect_text(&s, 4, NULL);
	/* and again, with more flags than there was room for */
	move("Maildir/cur/3.c:2,S", "Maildir/cur/3.c:2,FRSabcdef");
	move("Maildir/cur/1.a:2,", "Maildir/cur/1.a:2,FS");
	expect_text(&s, 2, "3\n");
	expect_text(&s, 0, "1\n");
	/* a new message is none of this session */
	put("Maildir/new/0.z", "0\n");
	take_away("Maildir/new/2.b");
	expect_text(&s, 1, NULL);
	expect_text(&s, 3, "4\n");
	assert_int_equal(s.n, 5);
	snapshot_close(&s);
}

/* What is no regular file any more is not handed out, and does not block. */
static void
test_replaced(void **state)
{
	struct snapshot s;
	char            path[PATH_TEXT], target[PATH_TEXT];

	(void)state;
	put("Maildir/new/1.a,W=3", "1\n");
	put("Maildir/new/2.b,W=3", "2\n");
	put("Maildir/new/3.c,W=3", "3\n");
	put("secret", "secret\n");
	take(&s);
	take_away("Maildir/new/1.a,W=3");
	take_away("Maildir/new/2.b,W=3");
	take_away("Maildir/new/3.c,W=3");
	path_at(path, "Maildir/new/1.a,W=3");
	path_at(target, "secret");
	assert_int_equal(symlink(target, path), 0);
	path_at(path, "Maildir/new/2.b,W=3");
	assert_int_equal(mkfifo(path, 0600), 0);
	make_folder("Maildir/new/3.c,W=3");
	expect_text(&s, 0, NULL);
	expect_text(&s, 1, NULL);
	expect_text(&s, 2, NULL);
	snapshot_close(&s);
}

/* One who asks for what is gone does not make us read the folders each time. */
static void
test_looks_are_few(void **state)
{
	struct snapshot s;
	uint64_t        looked_ms;

	(void)state;
	put("Maildir/new/1.a", "1\n");
	put("Maildir/new/2.b", "2\n");
	take(&s);
	take_away("Maildir/new/1.a");
	take_away("Maildir/new/2.b");
	snapshot_begin_batch(&s);
	assert_int_equal(snapshot_open(&s, 0), -1);
	assert_false(s.may_look);
	assert_int_equal(snapshot_open(&s, 1), -1);
	/* in the next batch nothing has changed */
	looked_ms = s.looked_ms;
	snapshot_begin_batch(&s);
	assert_int_equal(snapshot_open(&s, 0), -1);
	assert_true(s.may_look);
	assert_int_equal(s.looked_ms, looked_ms);
	/* but after a while the clock of the file system is not trusted */
	s.looked_ms -= 1000;
	assert_int_equal(snapshot_open(&s, 0), -1);
	assert_false(s.may_look);
	snapshot_close(&s);
}

/* 100,000 messages are listed in a second (here: on a busy machine, in some). */
static void
test_many(void **state)
{
	struct snapshot s;
	struct buf      list;
	char            name[PATH_TEXT];
	uint64_t        start_ms, end_ms;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name,
		    "Maildir/%s/%u.M%uP12345.mx.example.org,S=4096,W=%u%s",
		    i % 2 ? "cur" : "new", 1785000000 + i * 7919 % MANY, i, i,
		    i % 2 ? ":2,S" : "");
		put(name, "");
	}
	start_ms = clock_monotonic_ms();
	take(&s);
	assert_int_equal(s.n, MANY);
	read_list(snapshot_list(&s), MANY, &list);
	end_ms = clock_monotonic_ms();
	print_message("%d messages: %llu ms\n", MANY,
	    (unsigned long long)(end_ms - start_ms));
	assert_true(end_ms - start_ms < MANY_MS_MAX);
	for (unsigned i = 0; i < MANY; i++) {
		struct maildrop_message m = maildrop_at(buf_bytes(&list), i);

		/* 7919 is prime to 100,000: each time is there once */
		snprintf(name, sizeof name, "%u.M", 1785000000 + i);
		assert_true(bytes_start(m.uid, bytes_of(name)));
	}
	buf_finish(&list);
	snapshot_close(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_maildir, remove_home)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_sizes),
		TEST(test_no_messages),
		TEST(test_strange_names),
		TEST(test_met_twice),
		cmocka_unit_test_setup_teardown(
		    test_missing, make_home, remove_home),
		cmocka_unit_test_setup_teardown(
		    test_unreadable, make_home, remove_home),
		TEST(test_unreadable_message),
		TEST(test_moves),
		TEST(test_replaced),
		TEST(test_looks_are_few),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
