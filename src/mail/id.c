#include "mail/id.h"

#include <string.h>

enum { TIME_BYTES = ID_BITS - ID_RANDOM };

struct id
id_make(uint64_t now_ms, const uint8_t random[ID_RANDOM])
{
	struct id id;

	for (int i = 0; i < TIME_BYTES; i++)
		id.bits[i] = (uint8_t)(now_ms >> (8 * (TIME_BYTES - 1 - i)));
	memcpy(id.bits + TIME_BYTES, random, ID_RANDOM);
	return id;
}

struct id_text
id_text(const struct id *id)
{
	struct id_text text = { "" };

	base32_encode(id->bits, text.p);
	return text;
}

bool
id_parse(struct bytes text, struct id *out)
{
	return base32_decode(text, out->bits);
}

bool
id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->bits, b->bits, ID_BITS) == 0;
}

uint64_t
id_time_ms(const struct id *id)
{
	uint64_t ms = 0;

	for (int i = 0; i < TIME_BYTES; i++)
		ms = ms << 8 | id->bits[i];
	return ms;
}

struct bytes
id_bytes(const struct id *id)
{
	return (struct bytes){ (const char *)id->bits, ID_BITS };
}

bool
id_read(struct bytes bits, struct id *out)
{
	if (bits.n != ID_BITS)
		return false;
	memcpy(out->bits, bits.p, ID_BITS);
	return true;
}
