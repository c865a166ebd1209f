#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "make_cdb.h"
#include "mail/directory.h"
#include "proto/assign.h"

/* The same assignments as text and as the cdb that qmail-newu makes of it. */
static const char text[] =
    "=joe:joe:2000:2001:/home/joe:::\n"
    "=Bob:bob:3000:3000:/home/bob:-:from.Bob:\n"
    "=joe:second:1:1:/:::\n"
    "+joe-:joe:2000:2001:/home/joe:-::\n"
    "+AN:ann:4000:4000:/home/ann:=:An-:more:of it\n"
    "+:alias:5000:5000:/var/qmail/alias:-::\n"
    ".\n"
    "what stands here is not read\n";
#define RECORD(key, data) { BYTES_INIT(key), BYTES_INIT(data) }
static const struct cdb_record records[] = {
	RECORD("!joe\0", "joe\0002000\0002001\0/home/joe\0\0"),
	RECORD("!bob\0", "bob\0003000\0003000\0/home/bob\0-\0from.Bob"),
	RECORD("!joe\0", "second\0001\0001\0/\0\0"),
	RECORD("!joe-", "joe\0002000\0002001\0/home/joe\0-\0"),
	RECORD("!an", "ann\0004000\0004000\0/home/ann\0=\0An-\0"),
	RECORD("!", "alias\0005000\0005000\0/var/qmail/alias\0-\0\0"),
	RECORD("", "-N"),
};
enum { RECORDS = sizeof records / sizeof records[0] };

struct find_row {
	const char *key, *user;
	uint32_t    uid, gid;
	const char *home, *dash, *ext;
};

static const struct find_row finds[] = {
	{ "=joe", "joe", 2000, 2001, "/home/joe", "", "" },
	{ "=bob", "bob", 3000, 3000, "/home/bob", "-", "from.Bob" },
	{ "+joe-", "joe", 2000, 2001, "/home/joe", "-", "" },
	{ "+an", "ann", 4000, 4000, "/home/ann", "=", "An-" },
	{ "+", "alias", 5000, 5000, "/var/qmail/alias", "-", "" },
	{ "+joe", NULL, 0, 0, NULL, NULL, NULL },
	{ "=joe-", NULL, 0, 0, NULL, NULL, NULL },
	{ "=", NULL, 0, 0, NULL, NULL, NULL },
	{ "", NULL, 0, 0, NULL, NULL, NULL },
	{ "joe", NULL, 0, 0, NULL, NULL, NULL },
	{ "?joe-", NULL, 0, 0, NULL, NULL, NULL }, /* neither kind of key */
};

static void
expect(const struct find_row *row, bool is_found, const struct assignment *a)
{
	if (is_found != (row->user != NULL))
		fail_msg("%s", row->key);
	if (!is_found)
		return;
	assert_true(bytes_equal(a->user, bytes_of(row->user)));
	assert_true(bytes_equal(a->home, bytes_of(row->home)));
	assert_true(bytes_equal(a->dash, bytes_of(row->dash)));
	assert_true(bytes_equal(a->ext, bytes_of(row->ext)));
	assert_int_equal(a->uid, row->uid);
	assert_int_equal(a->gid, row->gid);
}

static void
expect_all(struct bytes content)
{
	struct assign     assign;
	struct assignment a;
	struct arena      arena;
	struct mistakes   mistakes = { .n = 0 };

	arena_init(&arena, 1 << 20);
	assign_read(&assign, content, &arena, &mistakes);
	if (mistakes_any(&mistakes))
		fail_msg("%.*s", BYTES_ARG(mistakes.list[0].text));
	for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++) {
		struct bytes key = bytes_of(finds[i].key);

		expect(&finds[i],
		    assign.assignments.find(assign.assignments.source, key, &a),
		    &a);
		expect(&finds[i], assign_find_one(content, key, &a), &a);
	}
	/* the bytes in which a prefix ends, whatever the case of the file */
	for (unsigned c = 0; c < 256; c++)
		assert_int_equal(assign.assignments.ends_prefix[c],
		    c == '-' || c == 'n');
	assert_true(assign.assignments.has_empty_prefix);
	assign_finish(&assign);
	arena_finish(&arena);
}

static void
test_text(void **state)
{
	(void)state;
	expect_all(bytes_of(text));
}

static void
test_cdb(void **state)
{
	struct buf content = cdb_of(records, RECORDS);

	(void)state;
	expect_all(buf_bytes(&content));
	buf_finish(&content);
}

/* All that is wrong, as "line: text" lines. */
static void
expect_mistakes(struct bytes content, const char *expected)
{
	struct assign   assign;
	struct arena    arena;
	struct mistakes mistakes = { .n = 0 };
	struct buf      b;

	arena_init(&arena, 1 << 20);
	buf_init(&b, 4096);
	assign_read(&assign, content, &arena, &mistakes);
	mistakes_print(&mistakes, "assign", &b);
	assert_string_equal(buf_string(&b), expected);
	assign_finish(&assign);
	buf_finish(&b);
	arena_finish(&arena);
}

#define EXPECTED \
	"expected =local:user:uid:gid:home:dash:ext: or " \
	"+prefix:user:uid:gid:home:dash:ext:\n"
#define NO_NAME \
	"the user, what stands for the dash or the extension is no part of a name\n"
#define ROOTS "uid or gid is 0: root gets no mail; give it to somebody else\n"
#define NO_HOME "the home is not an absolute path\n"
#define NO_END  "assign: the last line is not \".\": the end is missing\n"

static void
test_mistakes_of_text(void **state)
{
	static const struct {
		const char *text, *mistakes;
	} rows[] = {
		{ ".\n", "" },
		{ ".", "" },
		{ "", NO_END },
		{ "=joe:joe:1:1:/home/joe:::\n", NO_END },
		{ "=joe:joe:1:1:/home/joe:::\n..\n",
		    NO_END "assign:2: " EXPECTED },
		{ "joe:joe:1:1:/home/joe:::\n.\n", "assign:1: " EXPECTED },
		{ "# joe\n.\n", "assign:1: " EXPECTED },
		{ "\n.\n", "assign:1: " EXPECTED },
		{ "=joe\n.\n", "assign:1: " EXPECTED },
		{ "=joe:joe:1:1:/home/joe::\n.\n", "assign:1: " EXPECTED },
		{ "=joe\001:joe:1:1:/home/joe:::\n.\n", "assign:1: " EXPECTED },
		{ "=joe::1:1:/home/joe:::\n.\n", "assign:1: " NO_NAME },
		{ "=joe:a/b:1:1:/home/joe:::\n.\n", "assign:1: " NO_NAME },
		{ "=joe:joe:1:1:/home/joe:/:x:\n.\n", "assign:1: " NO_NAME },
		{ "=joe:joe:1:1:/home/joe:-:../x:\n.\n", "assign:1: " NO_NAME },
		{ "=joe:joe:one:1:/home/joe:::\n.\n",
		    "assign:1: uid or gid is no number\n" },
		{ "=joe:joe:1:4294967295:/home/joe:::\n.\n",
		    "assign:1: uid or gid is no number\n" },
		{ "=joe:joe:1:-1:/home/joe:::\n.\n",
		    "assign:1: uid or gid is no number\n" },
		{ "=joe:joe:0:1:/home/joe:::\n.\n", "assign:1: " ROOTS },
		{ "=a:a:1:1:/a:::\n=joe:joe:1:0:/home/joe:::\n.\n",
		    "assign:2: " ROOTS },
		{ "=joe:joe:1:1:home/joe:::\n.\n", "assign:1: " NO_HOME },
		{ "=joe:joe:1:1::::\n.\n", "assign:1: " NO_HOME },
		{ "=joe:joe:1:1:/home\t/joe:::\n.\n", "assign:1: " NO_HOME },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_mistakes(bytes_of(rows[i].text), rows[i].mistakes);
}

static void
test_mistakes_of_cdb(void **state)
{
#define WILDCARDS RECORD("", "-")
	static const struct {
		struct cdb_record records[2];
		size_t            n;
		const char       *mistakes;
	} rows[] = {
		{ { WILDCARDS }, 1, "" },
		{ { RECORD("!joe\0", "joe\0001\0001\0/\0\0") }, 1,
		    "assign: is not a cdb of qmail-newu\n" },
		{ { WILDCARDS, RECORD("joe", "joe\0001\0001\0/\0\0") }, 2,
		    "assign: \"oe\": a record is none of qmail-newu's\n" },
		{ { WILDCARDS, RECORD("!jo\0e", "joe\0001\0001\0/\0\0") }, 2,
		    "assign: \"jo\": a record is none of qmail-newu's\n" },
		{ { WILDCARDS, RECORD("!joe\0", "joe\0001\0001\0/\0") }, 2,
		    "assign: \"joe\": a record is broken\n" },
		{ { WILDCARDS, RECORD("!joe\0", "joe\0001\0001\0/\0\0\0\0") }, 2,
		    "assign: \"joe\": a record is broken\n" },
		{ { WILDCARDS, RECORD("!joe-", "joe\0000\0001\0/\0\0") }, 2,
		    "assign: \"joe-\": " ROOTS },
		{ { WILDCARDS, RECORD("!joe-", "joe\0001\0001\0x\0\0") }, 2,
		    "assign: \"joe-\": " NO_HOME },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf content = cdb_of(rows[i].records, rows[i].n);

		expect_mistakes(buf_bytes(&content), rows[i].mistakes);
		buf_finish(&content);
	}
}

/* A copy that was not finished: whatever is missing, it is no good. */
static void
test_cut_cdb(void **state)
{
	struct buf   content = cdb_of(records, RECORDS);
	struct arena arena;

	(void)state;
	for (size_t n = 2048; n < content.len; n += 7) {
		struct assign   assign;
		struct mistakes mistakes = { .n = 0 };

		arena_init(&arena, 1 << 20);
		assign_read(&assign, bytes_first(buf_bytes(&content), n), &arena,
		    &mistakes);
		if (!mistakes_any(&mistakes))
			fail_msg("cut to %zu of %zu bytes", n, content.len);
		assign_finish(&assign);
		arena_finish(&arena);
	}
	buf_finish(&content);
}

/* One by its key, where others are broken; what is broken or root's is nobody's. */
static void
test_find_one(void **state)
{
	static const char broken[] =
	    "nonsense\n=root:root:0:0:/root:::\n=half:half:1:1:/\n"
	    "=joe:joe:1:2:/home/joe:::\n.\n=late:late:1:1:/:::\n";
	static const struct {
		const char *key;
		bool        is_found;
	} rows[] = {
		{ "=joe", true },
		{ "=root", false },
		{ "=half", false },
		{ "=late", false },
		{ "nonsense", false },
		{ "+joe", false },
	};
	struct assignment a;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (assign_find_one(bytes_of(broken), bytes_of(rows[i].key),
		        &a) != rows[i].is_found)
			fail_msg("%s", rows[i].key);
}

/* The longest key that may be, and the first that is too long. */
static void
test_lengths(void **state)
{
	char       key[DIRECTORY_USER_MAX + 2];
	struct buf b;

	(void)state;
	memset(key, 'a', sizeof key);
	key[0] = '=';
	for (size_t n = DIRECTORY_USER_MAX; n <= DIRECTORY_USER_MAX + 1; n++) {
		struct assignment a;
		bool              fits = n == DIRECTORY_USER_MAX;

		buf_init(&b, 4096);
		buf_add(&b, key, n);
		buf_add_string(&b, ":joe:1:1:/home/joe:::\n.\n");
		expect_mistakes(buf_bytes(&b),
		    fits ? "" : "assign:1: the local part is too long\n");
		assert_int_equal(assign_find_one(buf_bytes(&b),
		                     (struct bytes){ key, n }, &a),
		    fits);
		buf_finish(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cdb),
		cmocka_unit_test(test_mistakes_of_text),
		cmocka_unit_test(test_mistakes_of_cdb),
		cmocka_unit_test(test_cut_cdb),
		cmocka_unit_test(test_find_one),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
