#include "ampel/config_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "ampel/config_read.h"
#include "base/arena.h"
#include "mail/mistakes.h"
#include "proto/config_text.h"

enum { MESSAGES_MAX = 64 * 1024 };

struct config *
config_load(const char *file, struct buf *messages)
{
	struct config   *config = calloc(1, sizeof *config);
	struct mistakes *mistakes = calloc(1, sizeof *mistakes);
	struct arena     arena;

	arena_init(&arena, 4 * (size_t)CONFIG_TEXT_MAX);
	if (config && mistakes) {
		config_read(file, config, &arena, mistakes);
		if (mistakes_any(mistakes)) {
			mistakes_print(mistakes, file, messages);
			config_free(config);
			config = NULL;
		}
	} else {
		buf_add_string(messages, "ampel: no memory\n");
		config_free(config);
		config = NULL;
	}
	arena_finish(&arena);
	free(mistakes);
	return config;
}

struct config *
config_load_or_say(const char *file)
{
	struct buf     messages;
	struct config *config;

	buf_init(&messages, MESSAGES_MAX);
	config = config_load(file, &messages);
	if (config == NULL)
		fputs(buf_string(&messages), stderr);
	buf_finish(&messages);
	return config;
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	config_finish(config);
	free(config);
}
