#include "ampel/check_names.h"

#include <stdlib.h>

bool
named_lines_init(struct named_lines *names, struct bytes text)
{
	struct bytes line;
	size_t       n = 1;

	while (bytes_split(&text, '\n', &line))
		n++;
	*names = (struct named_lines){ calloc(n, sizeof *names->v), 0 };
	return names->v != NULL;
}

void
named_lines_finish(struct named_lines *names)
{
	free(names->v);
}

void
named_lines_add(struct named_lines *names, struct bytes name, unsigned line)
{
	names->v[names->n++] = (struct named_line){ name, line };
}

static int
compare(const void *a, const void *b)
{
	const struct named_line *x = a, *y = b;
	int order = bytes_compare(x->name, y->name);

	if (order != 0)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}

void
named_lines_sort(struct named_lines *names)
{
	if (names->n > 0)
		qsort(names->v, names->n, sizeof *names->v, compare);
}

void
named_lines_check(const struct named_lines *names, struct arena *arena,
    struct mistakes *mistakes)
{
	for (size_t i = 1; i < names->n; i++)
		if (bytes_equal(names->v[i].name, names->v[i - 1].name))
			mistakes_add(mistakes, arena, names->v[i].line,
			    "user \"%.*s\" is there twice; first at line %u",
			    BYTES_ARG(names->v[i].name),
			    names->v[i - 1].line);
}

static int
compare_name(const void *name, const void *entry)
{
	const struct bytes      *x = name;
	const struct named_line *y = entry;

	return bytes_compare(*x, y->name);
}

bool
named_lines_has(const struct named_lines *names, struct bytes name)
{
	return names->n > 0 && bsearch(&name, names->v, names->n,
	           sizeof *names->v, compare_name) != NULL;
}
