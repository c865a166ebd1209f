#include "deliver/delivered_to.h"

#include <string.h>

static const struct bytes name = BYTES_INIT("Delivered-To:");

/* The field has ended: is it the one? */
static void
end_field(struct delivered_to *d)
{
	struct bytes field = { d->field, d->n };
	struct bytes value = bytes_trim(bytes_from(field, name.n));

	if (!d->is_skipped && d->n > name.n && d->recipient.n > 0 &&
	    bytes_equal_nocase(value, d->recipient))
		d->is_found = true;
	d->n = 0;
	d->is_skipped = false;
}

static void
add(struct delivered_to *d, struct bytes text)
{
	struct bytes field;

	if (d->is_skipped)
		return;
	if (text.n > sizeof d->field - d->n)
		text.n = sizeof d->field - d->n;
	memcpy(d->field + d->n, text.p, text.n);
	d->n += text.n;
	field = (struct bytes){ d->field, d->n };
	/* at the first byte that differs the rest need not be kept */
	d->is_skipped = d->n == sizeof d->field ||
	    !bytes_equal_nocase(bytes_first(field, name.n),
	        bytes_first(name, d->n));
}

void
delivered_to_feed(struct delivered_to *d, struct bytes piece)
{
	while (piece.n > 0 && !d->is_over) {
		char   c = piece.p[0];
		size_t length = bytes_find(piece, '\n');

		if (!d->is_in_line && c != ' ' && c != '\t')
			end_field(d);
		if (!d->is_in_line && c == '\n')
			d->is_over = true;
		add(d, bytes_first(piece, length));
		d->is_in_line = length == piece.n;
		piece = bytes_from(piece, length + 1);
	}
}

bool
delivered_to_end(struct delivered_to *d)
{
	end_field(d);
	return d->is_found;
}
