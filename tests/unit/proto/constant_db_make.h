/* A cdb for tests, made by tinycdb, in memory. */
#ifndef AMPEL_TESTS_PROTO_CONSTANT_DB_MAKE_H
#define AMPEL_TESTS_PROTO_CONSTANT_DB_MAKE_H

#include <cdb.h>
#include <stdio.h>

#include "base/buf.h"

struct record {
	struct bytes key, data;
};

/* content is appended to. */
static void
make_cdb(struct buf *content, const struct record *records, size_t n)
{
	FILE           *file = tmpfile();
	struct cdb_make cdb;
	char            chunk[4096];
	size_t          got;

	assert_non_null(file);
	assert_int_equal(cdb_make_start(&cdb, fileno(file)), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(cdb_make_add(&cdb, records[i].key.p,
		                     (unsigned)records[i].key.n, records[i].data.p,
		                     (unsigned)records[i].data.n), 0);
	assert_int_equal(cdb_make_finish(&cdb), 0);
	rewind(file);
	while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
		buf_add(content, chunk, got);
	fclose(file);
	assert_false(content->failed);
}

#endif
