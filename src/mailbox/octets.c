#include "mailbox/octets.h"

void
octets_feed(struct octets *o, struct bytes piece)
{
	o->n += piece.n;
	while (piece.n > 0) {
		size_t lf = bytes_find(piece, '\n');

		if (lf > 0)
			o->last = piece.p[lf - 1];
		if (lf == piece.n)
			return;
		if (o->last != '\r') /* else the CR is there already */
			o->n++;
		o->last = '\n';
		piece = bytes_from(piece, lf + 1);
	}
}

/* A last line without its end gets one. */
uint64_t
octets_end(const struct octets *o)
{
	if (o->n == 0 || o->last == '\n')
		return o->n;
	return o->n + (o->last == '\r' ? 1 : 2);
}
