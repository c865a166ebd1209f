#include "proto/maildrop.h"

#include <string.h>

/* A record: octets, little-endian; the uid's length; the uid; zeros. */
enum { OCTETS_BYTES = 8, UID_LEN_AT = OCTETS_BYTES, UID_AT = UID_LEN_AT + 1 };

_Static_assert(UID_AT + MAILDROP_UID_MAX <= MAILDROP_RECORD, "a uid fits");

static void
put_octets(unsigned char *p, uint64_t octets)
{
	for (size_t i = 0; i < OCTETS_BYTES; i++)
		p[i] = (unsigned char)(octets >> (8 * i));
}

static uint64_t
get_octets(const char *p)
{
	uint64_t octets = 0;

	for (size_t i = OCTETS_BYTES; i > 0; i--)
		octets = octets << 8 | (unsigned char)p[i - 1];
	return octets;
}

static bool
is_uid(struct bytes uid)
{
	for (size_t i = 0; i < uid.n; i++)
		if (uid.p[i] == ' ' || !byte_is_print(uid.p[i]))
			return false;
	return uid.n > 0 && uid.n <= MAILDROP_UID_MAX;
}

void
maildrop_add(struct buf *b, const struct maildrop_message *message)
{
	unsigned char record[MAILDROP_RECORD] = { 0 };

	if (!is_uid(message->uid) || message->octets > MAILDROP_OCTETS_MAX) {
		b->failed = true;
		return;
	}
	put_octets(record, message->octets);
	record[UID_LEN_AT] = (unsigned char)message->uid.n;
	memcpy(record + UID_AT, message->uid.p, message->uid.n);
	buf_add(b, record, sizeof record);
}

static bool
is_record(const char *record)
{
	size_t uid_len = (unsigned char)record[UID_LEN_AT];

	return get_octets(record) <= MAILDROP_OCTETS_MAX &&
	    uid_len <= MAILDROP_UID_MAX &&
	    is_uid((struct bytes){ record + UID_AT, uid_len });
}

bool
maildrop_is_list(struct bytes list, size_t n)
{
	if (n > MAILDROP_MAX || list.n != n * MAILDROP_RECORD)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_record(list.p + i * MAILDROP_RECORD))
			return false;
	return true;
}

struct maildrop_message
maildrop_at(struct bytes list, size_t i)
{
	const char *record = list.p + i * MAILDROP_RECORD;
	size_t      uid_len = (unsigned char)record[UID_LEN_AT];

	return (struct maildrop_message){
		.octets = get_octets(record),
		.uid = { record + UID_AT, uid_len },
	};
}
