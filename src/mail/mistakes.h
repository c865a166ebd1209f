/*
 * What is wrong with a configuration or a table that people write, and where. All mistakes are
 * collected, then printed "file:line: text", one a line, in the order of lines.
 */
#ifndef AMPEL_MAIL_MISTAKES_H
#define AMPEL_MAIL_MISTAKES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct arena;
struct buf;

enum { MISTAKES_MAX = 100 };

struct mistake {
	unsigned     line; /* 0: the file as a whole */
	struct bytes text;
};

struct mistakes {
	struct mistake list[MISTAKES_MAX];
	size_t         n;       /* those that are listed */
	size_t         dropped; /* those beyond the limit */
};

/* The text is copied into arena; without memory the mistake counts as dropped. */
void mistakes_add(struct mistakes *m, struct arena *arena, unsigned line,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
bool mistakes_any(const struct mistakes *m);
void mistakes_print(struct mistakes *m, const char *file, struct buf *out);

#endif
