#include "tools/spamc_compress.h"

#include <zlib.h>

bool
spamc_compress(struct bytes plain, struct buf *out)
{
	uLong  room = compressBound(plain.n);
	char  *p;

	buf_init(out, room);
	p = buf_room(out, room);
	if (p == NULL || compress((Bytef *)p, &room, (const Bytef *)plain.p,
	                     plain.n) != Z_OK)
		return false;
	buf_grew(out, room);
	return true;
}
