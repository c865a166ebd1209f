#include "ampel/config_read.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "io/file.h"
#include "proto/config_text.h"

void
config_read(const char *file, struct config *config, struct arena *arena,
    struct mistakes *mistakes)
{
	struct config_tree tree;
	struct buf         text;

	*config = (struct config){ 0 };
	buf_init(&text, CONFIG_TEXT_MAX);
	if (file_read(file, &text, NULL) == -1) {
		mistakes_add(mistakes, arena, 0, "cannot be read: %s",
		    strerror(errno));
	} else {
		config_text_parse(buf_bytes(&text), arena, &tree, mistakes);
		config_from_tree(config, &tree, mistakes);
	}
	buf_finish(&text);
}
