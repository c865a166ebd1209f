#include "proto/constant_db.h"

#include <cdb.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

enum {
	HEAD = 256 * 8, /* where the 256 tables lie, and how many slots they have */
	TABLE = 8,      /* bytes of one of both */
	SLOT = 8,
};

/* Until then, records; behind them, tables. Cut to what is there, as libcdb does. */
static unsigned
end_of_records(struct bytes content)
{
	const unsigned char *head = (const unsigned char *)content.p;
	unsigned             end = cdb_unpack(head);

	if (end < HEAD)
		return HEAD;
	return end < content.n ? end : (unsigned)content.n;
}

static struct cdb
library_view(const struct constant_db *db)
{
	return (struct cdb){
		.cdb_fd = -1,
		.cdb_fsize = (unsigned)db->content.n,
		.cdb_dend = end_of_records(db->content),
		.cdb_mem = (const unsigned char *)db->content.p,
	};
}

bool
constant_db_is(struct bytes content)
{
	return content.n >= HEAD && memchr(content.p, '\0', HEAD) != NULL;
}

/* They come last: from a file that was cut, or is still being written, some are missing. */
static bool
has_its_tables(struct bytes content)
{
	const unsigned char *head = (const unsigned char *)content.p;

	for (size_t i = 0; i < HEAD; i += TABLE) {
		uint64_t at = cdb_unpack(head + i);
		uint64_t slots = cdb_unpack(head + i + TABLE / 2);

		if (slots > 0 && at + slots * SLOT > content.n)
			return false;
	}
	return true;
}

bool
constant_db_open(struct constant_db *db, struct bytes content)
{
	*db = (struct constant_db){ .content = content };
	if (content.n < HEAD || content.n > UINT_MAX || !has_its_tables(content))
		db->content = (struct bytes){ NULL, 0 };
	return db->content.n > 0;
}

bool
constant_db_find(
    const struct constant_db *db, struct bytes key, struct bytes *data)
{
	struct cdb  cdb;
	const void *found;

	if (db->content.n == 0 || key.n > db->content.n)
		return false;
	cdb = library_view(db);
	if (cdb_find(&cdb, key.p, (unsigned)key.n) <= 0)
		return false;
	found = cdb_getdata(&cdb);
	if (found == NULL)
		return false;
	*data = (struct bytes){ found, cdb_datalen(&cdb) };
	return true;
}

bool
constant_db_next(const struct constant_db *db, size_t *at,
    struct bytes *key, struct bytes *data)
{
	struct cdb  cdb;
	unsigned    position = *at < HEAD ? HEAD : (unsigned)*at;
	const void *k, *d;

	if (db->content.n == 0)
		return false;
	cdb = library_view(db);
	if (cdb_seqnext(&position, &cdb) <= 0)
		return false;
	k = cdb_getkey(&cdb);
	d = cdb_getdata(&cdb);
	if (k == NULL || d == NULL)
		return false;
	*at = position;
	*key = (struct bytes){ k, cdb_keylen(&cdb) };
	*data = (struct bytes){ d, cdb_datalen(&cdb) };
	return true;
}
