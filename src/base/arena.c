#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 1024 - 64, LARGEST_BLOCK = 64 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t              used;
	size_t              size;
	_Alignas(max_align_t) char data[];
};

void
arena_init(struct arena *a, size_t max_bytes)
{
	*a = (struct arena){ .max = max_bytes };
}

void
arena_reset(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->used = 0;
}

void
arena_finish(struct arena *a)
{
	arena_reset(a);
}

/* A block with room for need bytes becomes the first. Blocks double in size. */
static bool
add_block(struct arena *a, size_t need)
{
	size_t              size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
	struct arena_block *block;

	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < need)
		size = need;
	if (size > SIZE_MAX - sizeof *block)
		return false;
	block = malloc(sizeof *block + size);
	if (block == NULL)
		return false;
	*block = (struct arena_block){ .next = a->blocks, .size = size };
	a->blocks = block;
	return true;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	size_t       rounded;
	void        *p;

	if (n > SIZE_MAX - align)
		return NULL;
	rounded = (n + align - 1) / align * align;
	if (rounded > a->max - a->used)
		return NULL;
	if (!a->blocks || rounded > a->blocks->size - a->blocks->used)
		if (!add_block(a, rounded))
			return NULL;
	p = a->blocks->data + a->blocks->used;
	a->blocks->used += rounded;
	a->used += rounded;
	return memset(p, 0, n);
}

char *
arena_string(struct arena *a, struct bytes b)
{
	char *copy = b.n < SIZE_MAX ? arena_alloc(a, b.n + 1) : NULL;

	if (copy && b.n > 0)
		memcpy(copy, b.p, b.n);
	return copy;
}

struct bytes
arena_copy(struct arena *a, struct bytes b)
{
	char *copy = arena_string(a, b);

	return (struct bytes){ copy, copy ? b.n : 0 };
}
