#include "ampel/check_named.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "io/file.h"
#include "proto/tcprules.h"

size_t
check_rules_files(const struct config *config, struct bytes *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i <= config->n_listen && n < max; i++) {
		struct bytes path = i == 0 ? config->rules
		                           : config->listen[i - 1].rules;
		bool         is_known = path.n == 0;

		for (size_t j = 0; j < n; j++)
			is_known |= bytes_equal(out[j], path);
		if (!is_known)
			out[n++] = path;
	}
	return n;
}

/* Unlike the files of users and aliases one that is named must be there. */
void
check_rules(const struct config *config, const char *path, struct arena *arena,
    struct mistakes *mistakes)
{
	struct buf      text;
	struct tcprules rules;

	(void)config;
	buf_init(&text, TCPRULES_FILE_MAX);
	if (file_read(path, &text, NULL) == -1)
		mistakes_add(mistakes, arena, 0, "cannot be read: %s",
		    errno == EINVAL ? "is not a file" : strerror(errno));
	else
		tcprules_read(&rules, buf_bytes(&text), arena, mistakes);
	buf_finish(&text);
}
