/*
 * aliases(5). What is read holds: without a mistake every alias has a name and a
 * target, none empty and none with a byte that is not printable; line numbers rise
 * and lie in the file. And a name or target without quotes is found in the text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/aliases.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_word(struct bytes word, struct bytes text)
{
	for (size_t i = 0; i < word.n; i++)
		if (!byte_is_print(word.p[i]) && word.p[i] != '\t')
			abort();
	if (memchr(text.p, '"', text.n) == NULL &&
	    memmem(text.p, text.n, word.p, word.n) == NULL)
		abort();
}

static void
check(const struct alias *alias, struct bytes text)
{
	unsigned line = 0;
	unsigned lines = 1;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	for (; alias != NULL; alias = alias->next) {
		if (alias->line <= line || alias->line > lines)
			abort();
		line = alias->line;
		if (alias->name.n == 0 || alias->n_targets == 0)
			abort();
		check_word(alias->name, text);
		for (size_t i = 0; i < alias->n_targets; i++)
			check_word(alias->targets[i], text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes    text = { (const char *)data, size };
	struct mistakes mistakes = { .n = 0 };
	struct arena    arena;
	struct bytes   *targets;
	size_t          n;
	struct alias   *first;

	arena_init(&arena, 64 * 1024 * 1024);
	first = aliases_parse(text, &arena, &mistakes);
	if (!mistakes_any(&mistakes))
		check(first, text);
	mistakes = (struct mistakes){ .n = 0 };
	if (aliases_parse_list(text, &arena, &mistakes, &targets, &n) ==
	    mistakes_any(&mistakes))
		abort();
	for (size_t i = 0; i < n; i++)
		check_word(targets[i], text);
	arena_finish(&arena);
	return 0;
}
