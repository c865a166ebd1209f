#include "mailbox/uid.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/base32.h"
#include "base/fingerprint.h"

_Static_assert((int)FINGERPRINT_BITS == (int)BASE32_BITS, "it can be written so");

static bool
may_be_uid(struct bytes base)
{
	for (size_t i = 0; i < base.n; i++)
		if (!byte_is_print(base.p[i]) || base.p[i] == ' ')
			return false;
	return base.n > 0 && base.n <= MAILDROP_UID_MAX;
}

struct bytes
uid_of(struct bytes base, char room[MAILDROP_UID_MAX])
{
	uint8_t bits[FINGERPRINT_BITS];

	if (may_be_uid(base))
		return base;
	fingerprint_of(base, bits);
	room[0] = ':';
	base32_encode(bits, room + 1);
	return (struct bytes){ room, 1 + BASE32_TEXT };
}
