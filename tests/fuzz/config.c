/*
 * Of any text: every mistake has a line that the file has; and what is read without a
 * mistake, told to a program as its part, is read by it without a mistake and as
 * the same part.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "mail/config.h"
#include "proto/config_text.h"

enum { MEMORY = 64 * 1024 * 1024 };

static void
read_config(struct bytes text, struct config *config, struct mistakes *mistakes)
{
	struct config_tree tree;
	struct arena       arena;

	arena_init(&arena, MEMORY);
	config_text_parse(text, &arena, &tree, mistakes);
	config_from_tree(config, &tree, mistakes);
	for (size_t i = 0; i < mistakes->n; i++)
		if (mistakes->list[i].text.n == 0)
			abort();
	arena_finish(&arena);
}

static unsigned
count_lines(struct bytes text)
{
	struct bytes line;
	unsigned     n = 0;

	while (bytes_split(&text, '\n', &line))
		n++;
	return n;
}

static void
check_part(const struct config *config, enum config_part part)
{
	struct mistakes mistakes = { 0 };
	struct config   again;
	struct buf      first, second;

	buf_init(&first, MEMORY);
	buf_init(&second, MEMORY);
	config_add_part(&first, config, part);
	read_config(buf_bytes(&first), &again, &mistakes);
	if (mistakes_any(&mistakes))
		abort();
	config_add_part(&second, &again, part);
	if (!bytes_equal(buf_bytes(&first), buf_bytes(&second)))
		abort();
	config_finish(&again);
	buf_finish(&first);
	buf_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes    text = { (const char *)data, size };
	struct mistakes mistakes = { 0 };
	struct config   config;

	read_config(text, &config, &mistakes);
	for (size_t i = 0; i < mistakes.n; i++)
		if (mistakes.list[i].line > count_lines(text))
			abort();
	if (!mistakes_any(&mistakes))
		for (unsigned part = PART_SMTPD; part <= PART_MAILBOX; part *= 2)
			check_part(&config, (enum config_part)part);
	config_finish(&config);
	return 0;
}
