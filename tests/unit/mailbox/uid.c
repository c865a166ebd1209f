#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mailbox/uid.h"

#define TEN "0123456789"
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static void
test_uids(void **state)
{
	static const struct {
		const char *base;
		const char *uid; /* NULL: a fingerprint */
	} rows[] = {
		{ "1785369104.12345.mx.example.org",
		    "1785369104.12345.mx.example.org" },
		{ "1785369104.M1P2.mx,S=12,W=13", "1785369104.M1P2.mx,S=12,W=13" },
		{ "x", "x" },
		{ "!~", "!~" },
		{ SEVENTY, SEVENTY },
		{ SEVENTY "0", NULL },
		{ "a b", NULL },
		{ "a\nb", NULL },
		{ "caf\xc3\xa9", NULL },
		{ "a\x7f", NULL },
	};
	char   room[MAILDROP_UID_MAX], others[16][MAILDROP_UID_MAX];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes uid = uid_of(bytes_of(rows[i].base), room);
		struct buf   record;

		if (rows[i].uid) {
			assert_true(bytes_equal(uid, bytes_of(rows[i].uid)));
			continue;
		}
		assert_int_equal(uid.n, 27);
		assert_int_equal(uid.p[0], ':');
		/* one that the list takes */
		buf_init(&record, MAILDROP_RECORD);
		maildrop_add(&record, &(struct maildrop_message){ 1, uid });
		assert_true(maildrop_is_list(buf_bytes(&record), 1));
		buf_finish(&record);
		for (size_t k = 0; k < n; k++)
			assert_memory_not_equal(uid.p, others[k], uid.n);
		memcpy(others[n++], uid.p, uid.n);
	}
	assert_int_equal(n, 5);
}

/* Clients remember them for years. */
static void
test_stay(void **state)
{
	char room[MAILDROP_UID_MAX];

	(void)state;
	assert_true(bytes_equal(uid_of(BYTES(SEVENTY "0"), room),
	    BYTES(":6roh402d4nvk40gufvpbfs3nle")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uids),
		cmocka_unit_test(test_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
