/* A cdb of a test's records, by libcdb as the programs of qmail sites make them. */
#ifndef AMPEL_TESTS_MAKE_CDB_H
#define AMPEL_TESTS_MAKE_CDB_H

#include <cdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

struct cdb_record {
	struct bytes key;
	struct bytes data;
};

/* Of a buffer that is the caller's from then on. */
static struct buf
cdb_of(const struct cdb_record *records, size_t n)
{
	char            path[] = "/tmp/ampel-cdb-XXXXXX";
	int             fd = mkstemp(path);
	struct cdb_make make;
	struct buf      content;
	ssize_t         got;
	off_t           size;

	assert_true(fd != -1);
	assert_int_equal(cdb_make_start(&make, fd), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
		    cdb_make_add(&make, records[i].key.p,
		        (unsigned)records[i].key.n, records[i].data.p,
		        (unsigned)records[i].data.n),
		    0);
	assert_int_equal(cdb_make_finish(&make), 0);
	size = lseek(fd, 0, SEEK_END);
	assert_true(size > 0);
	buf_init(&content, (size_t)size);
	got = pread(fd, buf_room(&content, (size_t)size), (size_t)size, 0);
	assert_int_equal(got, size);
	buf_grew(&content, (size_t)size);
	close(fd);
	unlink(path);
	return content;
}

#endif
