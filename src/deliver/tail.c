#include "deliver/tail.h"

#include <string.h>

void
tail_add(struct tail *t, struct bytes text)
{
	size_t over;

	if (text.n > sizeof t->text) {
		text = bytes_from(text, text.n - sizeof t->text);
		t->is_cut = true;
	}
	if (t->n + text.n > sizeof t->text) {
		over = t->n + text.n - sizeof t->text;
		memmove(t->text, t->text + over, t->n - over);
		t->n -= over;
		t->is_cut = true;
	}
	if (text.n > 0)
		memcpy(t->text + t->n, text.p, text.n);
	t->n += text.n;
}

static struct bytes
without_end(struct bytes text)
{
	while (text.n > 0 &&
	    (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
		text.n--;
	return text;
}

struct bytes
tail_lines(const struct tail *t)
{
	struct bytes text = without_end((struct bytes){ t->text, t->n });
	size_t       first_end;

	if (text.n <= TAIL_TEXT && !t->is_cut)
		return text;
	if (text.n > TAIL_TEXT)
		text = bytes_from(text, text.n - TAIL_TEXT);
	/* what it begins with is probably no whole line */
	first_end = bytes_find(text, '\n');
	return first_end == text.n ? text : bytes_from(text, first_end + 1);
}
