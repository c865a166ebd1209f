#include "hiq/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "proto/config_text.h"

enum {
	TREE_MAX = 64 * 1024 * 1024,
	SHOWN_MAX = 64 * 1024, /* of mistakes */
};

const char *
settings_file(void)
{
	const char *file = getenv("HIQ_CONF");

	return file && *file ? file : "/etc/ampel/hi-q.conf";
}

static bool
read_text(struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	struct config_tree tree;
	struct buf         text;

	buf_init(&text, CONFIG_TEXT_MAX);
	if (file_read(settings_file(), &text, NULL) == -1) {
		mistakes_add(mistakes, arena, 0, "cannot be read: %s",
		    strerror(errno));
	} else {
		config_text_parse(buf_bytes(&text), arena, &tree, mistakes);
		config_from_hiq_tree(config, &tree, mistakes);
	}
	buf_finish(&text);
	return !mistakes_any(mistakes);
}

static void
show(struct mistakes *mistakes)
{
	struct buf text;

	buf_init(&text, SHOWN_MAX);
	mistakes_print(mistakes, settings_file(), &text);
	file_write_all(STDERR_FILENO, buf_bytes(&text)); /* who cannot read it has our code */
	buf_finish(&text);
}

bool
settings_read(struct config *config)
{
	static struct mistakes mistakes;
	struct arena           arena;
	bool                   ok;

	*config = (struct config){ .n_filter = 0 };
	arena_init(&arena, TREE_MAX);
	ok = read_text(config, &arena, &mistakes);
	if (!ok)
		show(&mistakes);
	arena_finish(&arena);
	return ok;
}
