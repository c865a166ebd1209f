#include "proto/maildir_name.h"

#include "base/number.h"

/* What identifies a delivery: "SECONDS.ID.RECIPIENT.". */
static void
add_identity(struct buf *b, const struct id *id, uint32_t recipient)
{
	buf_add_number(b, id_time_ms(id) / 1000);
	buf_add_char(b, '.');
	buf_add(b, id_text(id).p, ID_TEXT);
	buf_add_char(b, '.');
	buf_add_number(b, recipient);
	buf_add_char(b, '.');
}

/* A slash would leave the folder and a colon begin the flags. */
static void
add_host(struct buf *b, struct bytes hostname)
{
	for (size_t i = 0; i < hostname.n; i++)
		if (hostname.p[i] == '/')
			buf_add_string(b, "\\057");
		else if (hostname.p[i] == ':')
			buf_add_string(b, "\\072");
		else
			buf_add_char(b, hostname.p[i]);
}

void
maildir_name_add(struct buf *b, const struct id *id, uint32_t recipient,
    struct bytes hostname, uint64_t size_bytes, uint64_t wire_bytes)
{
	add_identity(b, id, recipient);
	add_host(b, hostname);
	buf_add_string(b, ",S=");
	buf_add_number(b, size_bytes);
	buf_add_string(b, ",W=");
	buf_add_number(b, wire_bytes);
}

void
maildir_name_add_tmp(struct buf *b, const struct id *id, uint32_t recipient,
    struct bytes hostname, uint64_t attempt)
{
	add_identity(b, id, recipient);
	buf_add_number(b, attempt);
	buf_add_char(b, '.');
	add_host(b, hostname);
}

bool
maildir_name_matches(
    struct bytes name, const struct id *id, uint32_t recipient)
{
	char       room[64]; /* three numbers and an id, at most 20 + 26 + 10 + 3 */
	struct buf identity = { .p = room, .cap = sizeof room, .max = sizeof room };

	add_identity(&identity, id, recipient);
	return bytes_start(name, buf_bytes(&identity));
}

struct bytes
maildir_name_base(struct bytes name)
{
	return bytes_first(name, bytes_find(name, ':'));
}

uint64_t
maildir_name_seconds(struct bytes name)
{
	size_t   dot = bytes_find(name, '.');
	uint64_t seconds = 0;

	if (dot < name.n)
		number_parse(bytes_first(name, dot), UINT64_MAX, &seconds);
	return seconds;
}

bool
maildir_name_wire_bytes(struct bytes name, uint64_t *wire_bytes)
{
	struct bytes rest = maildir_name_base(name), field;

	bytes_split(&rest, ',', &field); /* the name proper */
	while (bytes_split(&rest, ',', &field))
		if (bytes_start(field, BYTES("W=")))
			return number_parse(
			    bytes_from(field, 2), UINT64_MAX, wire_bytes);
	return false;
}
