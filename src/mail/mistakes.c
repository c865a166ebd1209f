#include "mail/mistakes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/printable.h"

enum { TEXT_MAX = 400 };

void
mistakes_add(struct mistakes *m, struct arena *arena, unsigned line,
    const char *format, ...)
{
	char         text[TEXT_MAX];
	struct bytes copy;
	va_list      args;

	if (m->n == MISTAKES_MAX) {
		m->dropped++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	copy = arena_copy(arena, bytes_of(text));
	if (copy.p == NULL) {
		m->dropped++;
		return;
	}
	m->list[m->n++] = (struct mistake){ line, copy };
}

bool
mistakes_any(const struct mistakes *m)
{
	return m->n > 0 || m->dropped > 0;
}

/* By lines; those of one line stay in the order in which they were found. */
static void
sort(struct mistakes *m)
{
	for (size_t i = 1; i < m->n; i++) {
		struct mistake moved = m->list[i];
		size_t         at = i;

		for (; at > 0 && m->list[at - 1].line > moved.line; at--)
			m->list[at] = m->list[at - 1];
		m->list[at] = moved;
	}
}

void
mistakes_print(struct mistakes *m, const char *file, struct buf *out)
{
	sort(m);
	for (size_t i = 0; i < m->n; i++) {
		buf_add_string(out, file);
		if (m->list[i].line > 0) {
			buf_add_char(out, ':');
			buf_add_number(out, m->list[i].line);
		}
		buf_add_string(out, ": ");
		/* a text quotes the file, which may hold anything */
		printable_add(out, m->list[i].text, TEXT_MAX);
		buf_add_char(out, '\n');
	}
	if (m->dropped > 0)
		buf_addf(out, "%s: %zu more mistakes are not shown\n", file,
		    m->dropped);
}
