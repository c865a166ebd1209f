#include "mail/mistakes.h"
#include <stdarg.h>
#include "base/arena.h"
#include "base/buf.h"
#include <stdio.h>
void
mistakes_add(struct mistakes *m, struct arena *arena, unsigned line,
    const char *format, ...)
{
	char t[500]; va_list ap; va_start(ap, format); vsnprintf(t, sizeof t, format, ap); va_end(ap);
	struct bytes c = arena_copy(arena, bytes_of(t));
	if (c.p == NULL || m->n == MISTAKES_MAX) { m->dropped++; return; }
	m->list[m->n++] = (struct mistake){line, c};
}
bool mistakes_any(const struct mistakes *m) { return m->n || m->dropped; }
