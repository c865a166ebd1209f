#include "lookup/rules.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "io/log.h"
#include "lookup/watch.h"
#include "mail/mistakes.h"

enum {
	MEMORY_MAX = 1024 * 1024 * 1024, /* of the rules of one file */
	ERROR_MAX = 64 * 1024,
};

/* One reading of a file. */
struct reading {
	struct buf      content; /* the rules borrow from it, and from the arena */
	struct arena    arena;
	struct tcprules rules;
};

struct rule_file {
	struct rule_file *next;
	char              path[PATH_MAX];
	struct watch      watch;
	struct reading    reading;
};

struct rules {
	struct rule_file *files;
};

static void
reading_finish(struct reading *r)
{
	buf_finish(&r->content);
	arena_finish(&r->arena);
	*r = (struct reading){ .content = { .p = NULL } };
}

/* False, and lines in error: it is broken. It is watched from that state on. */
static bool
read_file(struct reading *r, const char *path, struct watch *watch, struct buf *error)
{
	struct mistakes mistakes = { .n = 0 };

	buf_init(&r->content, TCPRULES_FILE_MAX);
	arena_init(&r->arena, MEMORY_MAX);
	if (watch_read(watch, path, &r->content) == -1) {
		buf_addf(error, "%s: %s\n", path, strerror(errno));
		reading_finish(r);
		return false;
	}
	tcprules_read(&r->rules, buf_bytes(&r->content), &r->arena, &mistakes);
	if (!mistakes_any(&mistakes))
		return true;
	mistakes_print(&mistakes, path, error);
	reading_finish(r);
	return false;
}

static struct rule_file *
find_file(const struct rules *r, struct bytes path)
{
	struct rule_file *file = r->files;

	while (file && !bytes_equal(bytes_of(file->path), path))
		file = file->next;
	return file;
}

/* Once for each file, whoever names it. */
static void
add_file(struct rules *r, struct bytes path, struct buf *error)
{
	struct rule_file *file;

	if (path.n == 0 || find_file(r, path))
		return;
	file = calloc(1, sizeof *file);
	if (file == NULL || !bytes_to_string(path, file->path, sizeof file->path)) {
		buf_addf(error, "rules: %s\n", strerror(file ? ENAMETOOLONG : ENOMEM));
		free(file);
		return;
	}
	file->next = r->files;
	r->files = file;
	read_file(&file->reading, file->path, &file->watch, error);
}

struct rules *
rules_open(const struct config *config, struct buf *error)
{
	size_t        before = error->len;
	struct rules *r = calloc(1, sizeof *r);

	if (r == NULL) {
		buf_add_string(error, "rules: no memory\n");
		return NULL;
	}
	add_file(r, config->rules, error);
	for (size_t i = 0; i < config->n_listen; i++)
		add_file(r, config->listen[i].rules, error);
	if (error->len == before && !error->failed)
		return r;
	rules_close(r);
	return NULL;
}

void
rules_close(struct rules *r)
{
	if (r == NULL)
		return;
	while (r->files) {
		struct rule_file *file = r->files;

		r->files = file->next;
		reading_finish(&file->reading);
		watch_finish(&file->watch);
		free(file);
	}
	free(r);
}

static void
log_broken(const struct rule_file *file, struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line))
		log_text("%.*s", BYTES_ARG(line));
	log_text("%s: the rules stay as they were before", file->path);
}

static void
refresh(struct rule_file *file)
{
	struct reading fresh = { .content = { .p = NULL } };
	struct buf     error;

	if (!watch_has_changed(&file->watch))
		return;
	buf_init(&error, ERROR_MAX);
	/* watched from now on is the broken state: it is said once */
	watch_finish(&file->watch);
	if (read_file(&fresh, file->path, &file->watch, &error)) {
		reading_finish(&file->reading);
		file->reading = fresh;
	} else {
		log_broken(file, buf_bytes(&error));
	}
	buf_finish(&error);
}

static struct bytes
path_of(const struct config *config, struct bytes listener)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (bytes_equal(config->listen[i].name, listener) &&
		    config->listen[i].rules.n > 0)
			return config->listen[i].rules;
	return config->rules;
}

const struct tcprules *
rules_of(struct rules *r, const struct config *config, struct bytes listener)
{
	static const struct tcprules none;
	struct rule_file *file = find_file(r, path_of(config, listener));

	if (file == NULL)
		return &none;
	refresh(file);
	return &file->reading.rules;
}
