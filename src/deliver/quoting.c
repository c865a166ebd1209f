#include "deliver/quoting.h"

static const struct bytes from = BYTES_INIT("From ");

/* It was no "From ". */
static void
let_go(struct quoting *q, struct buf *b)
{
	buf_add_bytes(b, bytes_first(from, q->held));
	q->held = 0;
}

/* A byte that may still lead to "From ". */
static void
add_at_start(struct quoting *q, char c, struct buf *b)
{
	if (q->held == 0 && c == '>') {
		buf_add_char(b, c);
		return;
	}
	if (c == from.p[q->held]) {
		if (++q->held < from.n)
			return;
		/* one more '>' among the others: where, nobody can tell */
		buf_add_char(b, '>');
		let_go(q, b);
	} else {
		let_go(q, b);
		buf_add_char(b, c);
	}
	q->is_in_line = c != '\n';
}

void
quoting_add(struct quoting *q, struct bytes piece, struct buf *b)
{
	while (piece.n > 0) {
		size_t       end = bytes_find(piece, '\n');
		struct bytes line = bytes_first(piece, end + 1);

		q->is_open = end == piece.n;
		if (q->is_in_line) {
			buf_add_bytes(b, line);
			q->is_in_line = q->is_open;
			piece = bytes_from(piece, line.n);
		} else {
			q->is_open = piece.p[0] != '\n';
			add_at_start(q, piece.p[0], b);
			piece = bytes_from(piece, 1);
		}
	}
}

void
quoting_end(struct quoting *q, struct buf *b)
{
	let_go(q, b);
	if (q->is_open)
		buf_add_char(b, '\n');
	buf_add_char(b, '\n');
}
