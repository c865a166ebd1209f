#include "ampel/queue_shape.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ampel/output.h"
#include "base/buf.h"
#include "base/printable.h"

enum { MINUTE_MS = 60 * 1000, NAME_WIDTH = 32, LINE_MAX_BYTES = 4096 };

/* Minutes; the last age has no end. */
static const unsigned ends[SHAPE_AGES - 1] = { 5, 10, 20, 40, 80, 160, 320, 640,
	1280 };

struct shape_row {
	struct bytes name;
	uint64_t     total;
	uint64_t     counts[SHAPE_AGES];
	char         text[];
};

/* ---- rows ---- */

static int
compare_names(const void *a, const void *b)
{
	const struct shape_row *ra = a, *rb = b;

	return bytes_compare(ra->name, rb->name);
}

static struct shape_row *
row_new(struct bytes name)
{
	struct shape_row *row = calloc(1, sizeof *row + name.n);

	if (row == NULL)
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		row->text[i] = byte_lower(name.p[i]);
	row->name = (struct bytes){ row->text, name.n };
	return row;
}

static bool
make_room(struct queue_shape *s)
{
	size_t             capacity = s->capacity ? 2 * s->capacity : 64;
	struct shape_row **rows;

	if (s->n < s->capacity)
		return true;
	rows = realloc(s->rows, capacity * sizeof *rows);
	if (rows == NULL)
		return false;
	s->rows = rows;
	s->capacity = capacity;
	return true;
}

/* NULL: no memory. Senders choose the names, so that no hash finds them. */
static struct shape_row *
row_of(struct queue_shape *s, struct bytes name)
{
	struct shape_row *row = row_new(name);
	struct shape_row *const *found;

	if (row == NULL || !make_room(s)) {
		free(row);
		return NULL;
	}
	found = tsearch(row, &s->tree, compare_names);
	if (found == NULL || *found != row) {
		free(row);
		return found ? *found : NULL;
	}
	s->rows[s->n++] = row;
	return row;
}

static size_t
age_of(uint64_t age_ms)
{
	size_t i = 0;

	while (i < SHAPE_AGES - 1 && age_ms >= (uint64_t)ends[i] * MINUTE_MS)
		i++;
	return i;
}

bool
queue_shape_add(struct queue_shape *s, struct bytes address, uint64_t age_ms)
{
	size_t            at = bytes_find_last(address, '@');
	size_t            age = age_of(age_ms);
	struct shape_row *row = row_of(
	    s, at < address.n ? bytes_from(address, at + 1) : address);

	if (row == NULL)
		return false;
	row->total++;
	row->counts[age]++;
	s->total[age]++;
	return true;
}

void
queue_shape_finish(struct queue_shape *s)
{
	for (size_t i = 0; i < s->n; i++) {
		tdelete(s->rows[i], &s->tree, compare_names);
		free(s->rows[i]);
	}
	free(s->rows);
	*s = (struct queue_shape){ .n = 0 };
}

/* ---- output ---- */

static int
compare_totals(const void *a, const void *b)
{
	const struct shape_row *const *ra = a, *const *rb = b;

	if ((*ra)->total != (*rb)->total)
		return (*ra)->total > (*rb)->total ? -1 : 1;
	return bytes_compare((*ra)->name, (*rb)->name);
}

static void
print_head(void)
{
	printf("%-*s %6s", NAME_WIDTH, "", "T");
	for (size_t i = 0; i < SHAPE_AGES - 1; i++)
		printf(" %5u", ends[i]);
	printf(" %5u+\n", ends[SHAPE_AGES - 2]);
}

static void
print_row(
    struct bytes name, uint64_t total, const uint64_t counts[SHAPE_AGES])
{
	struct buf text;

	buf_init(&text, LINE_MAX_BYTES);
	printable_add(&text, name, LINE_MAX_BYTES / 2);
	printf("%-*s %6llu", NAME_WIDTH, buf_string(&text),
	    (unsigned long long)total);
	for (size_t i = 0; i < SHAPE_AGES; i++)
		printf(" %5llu", (unsigned long long)counts[i]);
	putchar('\n');
	buf_finish(&text);
}

static void
print_total(const struct queue_shape *s)
{
	uint64_t total = 0;

	for (size_t i = 0; i < SHAPE_AGES; i++)
		total += s->total[i];
	print_row(BYTES("TOTAL"), total, s->total);
}

static void
print_json(const struct shape_row *row)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	buf_add_string(&line, "{\"destination\":");
	output_json(&line, row->name);
	buf_addf(&line, ",\"total\":%llu,\"ages\":{",
	    (unsigned long long)row->total);
	for (size_t i = 0; i < SHAPE_AGES - 1; i++)
		buf_addf(&line, "\"%u\":%llu,", ends[i],
		    (unsigned long long)row->counts[i]);
	buf_addf(&line, "\"older\":%llu}}",
	    (unsigned long long)row->counts[SHAPE_AGES - 1]);
	puts(buf_string(&line));
	buf_finish(&line);
}

void
queue_shape_print(struct queue_shape *s, bool json)
{
	if (s->n > 0)
		qsort(s->rows, s->n, sizeof *s->rows, compare_totals);
	if (!json) {
		print_head();
		print_total(s);
	}
	for (size_t i = 0; i < s->n; i++)
		if (json)
			print_json(s->rows[i]);
		else
			print_row(s->rows[i]->name, s->rows[i]->total,
			    s->rows[i]->counts);
}
