#include "ampel/config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "io/file.h"
#include "mail/mistakes.h"
#include "proto/config_text.h"

enum { MESSAGES_MAX = 64 * 1024 };

/* The text, parsed into config; true when it holds no mistake. */
static bool
parse(struct bytes text, struct config *config, struct mistakes *mistakes,
    const char *file, struct buf *messages)
{
	struct config_tree tree = { 0 };
	struct arena       arena;

	arena_init(&arena, 4 * (size_t)CONFIG_TEXT_MAX);
	config_text_parse(text, &arena, &tree, mistakes);
	config_from_tree(config, &tree, mistakes);
	if (mistakes_any(mistakes))
		mistakes_print(mistakes, file, messages);
	arena_finish(&arena);
	return !mistakes_any(mistakes);
}

struct config *
config_load(const char *file, struct buf *messages)
{
	struct config   *config = calloc(1, sizeof *config);
	struct mistakes *mistakes = calloc(1, sizeof *mistakes);
	struct buf       text;

	buf_init(&text, CONFIG_TEXT_MAX);
	if (config == NULL || mistakes == NULL) {
		buf_add_string(messages, "ampel: no memory\n");
		config_free(config);
		config = NULL;
	} else if (file_read(file, &text, NULL) != 0) {
		buf_addf(messages, "%s: %s\n", file, strerror(errno));
		config_free(config);
		config = NULL;
	} else if (!parse(buf_bytes(&text), config, mistakes, file, messages)) {
		config_free(config);
		config = NULL;
	}
	buf_finish(&text);
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
