#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/constant_db.h"
#include "constant_db_make.h"

enum { FILE_MAX = 1024 * 1024, HEAD = 2048 };

#define R(key, data) { BYTES_INIT(key), BYTES_INIT(data) }

static const struct record records[] = {
	R("one", "1"), R("two", "2"), R("one", "another"), R("", "empty key"),
	R("empty data", ""), R("a\0b", "\0\0"),
};

enum { RECORDS = sizeof records / sizeof records[0] };

static void
begin(struct buf *content, struct constant_db *db)
{
	buf_init(content, FILE_MAX);
	make_cdb(content, records, RECORDS);
	assert_true(constant_db_open(db, buf_bytes(content)));
}

static void
test_find(void **state)
{
	static const struct {
		struct bytes key;
		const char  *data; /* NULL: there is none */
		size_t       n;
	} rows[] = {
		{ BYTES_INIT("one"), "1", 1 }, /* the first */
		{ BYTES_INIT("two"), "2", 1 },
		{ BYTES_INIT(""), "empty key", 9 },
		{ BYTES_INIT("empty data"), "", 0 },
		{ BYTES_INIT("a\0b"), "\0\0", 2 },
		{ BYTES_INIT("a"), NULL, 0 },
		{ BYTES_INIT("on"), NULL, 0 },
		{ BYTES_INIT("one "), NULL, 0 },
	};
	struct constant_db db;
	struct buf         content;
	struct bytes       data;

	(void)state;
	begin(&content, &db);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(constant_db_find(&db, rows[i].key, &data),
		    rows[i].data != NULL);
		if (rows[i].data == NULL)
			continue;
		assert_int_equal(data.n, rows[i].n);
		assert_memory_equal(data.p, rows[i].data, data.n);
		assert_true(data.p >= content.p &&
		    data.p + data.n <= content.p + content.len);
	}
	buf_finish(&content);
}

static void
test_next(void **state)
{
	struct constant_db db;
	struct buf         content;
	struct bytes       key, data;
	size_t             at = 0, n = 0;

	(void)state;
	begin(&content, &db);
	for (; constant_db_next(&db, &at, &key, &data); n++) {
		assert_true(n < RECORDS);
		assert_true(bytes_equal(key, records[n].key));
		assert_true(bytes_equal(data, records[n].data));
	}
	assert_int_equal(n, RECORDS);
	assert_false(constant_db_next(&db, &at, &key, &data));
	buf_finish(&content);
}

static void
test_is(void **state)
{
	struct constant_db db;
	struct buf         content;
	char               text[HEAD];

	(void)state;
	begin(&content, &db);
	assert_true(constant_db_is(buf_bytes(&content)));
	assert_true(constant_db_is(bytes_first(buf_bytes(&content), HEAD)));
	assert_false(constant_db_is(bytes_first(buf_bytes(&content), HEAD - 1)));
	assert_false(constant_db_is(BYTES("")));
	memset(text, 'x', sizeof text);
	assert_false(constant_db_is((struct bytes){ text, sizeof text }));
	assert_false(constant_db_open(&db, (struct bytes){ text, sizeof text - 1 }));
	assert_false(constant_db_find(&db, BYTES(""), &(struct bytes){ 0 }));
	assert_false(constant_db_next(
	    &db, &(size_t){ 0 }, &(struct bytes){ 0 }, &(struct bytes){ 0 }));
	buf_finish(&content);
}

/*
 * A file that was cut anywhere is none: keys would be missing from it. And what is taken from it
 * all the same lies in it, and the walk ends.
 */
static void
test_cut(void **state)
{
	struct constant_db db;
	struct buf         content;
	struct bytes       key, data;

	(void)state;
	begin(&content, &db);
	for (size_t n = HEAD; n < content.len; n++) {
		char  *copy = malloc(n); /* so that ASan sees its end */
		size_t at = 0, found = 0;

		assert_non_null(copy);
		memcpy(copy, content.p, n);
		assert_false(constant_db_open(&db, (struct bytes){ copy, n }));
		db.content = (struct bytes){ copy, n };
		for (size_t i = 0; i < RECORDS; i++)
			if (constant_db_find(&db, records[i].key, &data))
				assert_true(data.p >= copy && data.p + data.n <= copy + n);
		while (constant_db_next(&db, &at, &key, &data)) {
			assert_true(data.p >= copy && data.p + data.n <= copy + n);
			found++;
		}
		assert_true(found <= RECORDS);
		free(copy);
	}
	buf_finish(&content);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
