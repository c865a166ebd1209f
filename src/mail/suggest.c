#include "mail/suggest.h"

#include <stdio.h>
#include <string.h>

/* Longer names are not compared: the cost is the product of the lengths. */
enum { NAME_MAX_LENGTH = 40 };

struct suggestion
suggestion_for(struct bytes wrong)
{
	return (struct suggestion){ .wrong = wrong, .distance = 3 };
}

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters added, lost, changed, or swapped with their neighbour (optimal string
 * alignment); without case. */
static unsigned
distance(struct bytes a, struct bytes b)
{
	unsigned rows[3][NAME_MAX_LENGTH + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	for (unsigned j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *oldest = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			char x = byte_lower(a.p[i - 1]);
			char y = byte_lower(b.p[j - 1]);

			now[j] = least(last[j] + 1, now[j - 1] + 1,
			    last[j - 1] + (x == y ? 0 : 1));
			if (i > 1 && j > 1 && x == byte_lower(b.p[j - 2]) &&
			    y == byte_lower(a.p[i - 2]) &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[b.n];
}

void
suggestion_offer(struct suggestion *s, const char *name)
{
	struct bytes known = bytes_of(name);
	unsigned     d;

	if (s->wrong.n > NAME_MAX_LENGTH || known.n > NAME_MAX_LENGTH)
		return;
	d = distance(s->wrong, known);
	/* of a short name less than half may be wrong */
	if (d >= s->distance || 2 * d >= known.n)
		return;
	s->distance = d;
	s->nearest = name;
}

const char *
suggestion_text(const struct suggestion *s, char out[SUGGESTION_TEXT])
{
	out[0] = '\0';
	if (s->nearest)
		snprintf(out, SUGGESTION_TEXT, "; did you mean \"%s\"?",
		    s->nearest);
	return out;
}
