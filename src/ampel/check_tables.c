#include "ampel/check_named.h"

#include <errno.h>
#include <string.h>

#include "ampel/check_names.h"
#include "base/buf.h"
#include "io/file.h"
#include "mail/directory.h"
#include "mail/paths.h"
#include "proto/aliases.h"
#include "proto/passwd.h"

enum { PATH_TEXT = 4096 };

/* False: it is not there, or cannot be read, which is a mistake. */
static bool
read_file(const char *path, struct buf *text, struct arena *arena,
    struct mistakes *mistakes)
{
	if (file_read(path, text, NULL) == 0)
		return true;
	if (errno != ENOENT)
		mistakes_add(mistakes, arena, 0, "cannot be read: %s",
		    strerror(errno));
	return false;
}

static void
check_entries(struct bytes text, struct named_lines *names, struct arena *arena,
    struct mistakes *mistakes)
{
	struct passwd_entry entry;
	unsigned            line = 0;

	while (passwd_next(&text, &entry, &line)) {
		if (entry.name.n == 0) {
			mistakes_add(mistakes, arena, line,
			    "expected name:x:uid:gid:text:/home:shell");
			continue;
		}
		/* deliveries run as the user: root's would do so as root */
		if (entry.uid == 0)
			mistakes_add(mistakes, arena, line,
			    "user \"%.*s\" has uid 0: root gets no mailbox; "
			    "give root an alias", BYTES_ARG(entry.name));
		named_lines_add(names, entry.name, line);
	}
	named_lines_sort(names);
	named_lines_check(names, arena, mistakes);
}

void
check_passwd(const struct config *config, const char *path, struct arena *arena,
    struct mistakes *mistakes)
{
	struct buf         text;
	struct named_lines names = { NULL, 0 };

	if (config->users != USERS_FILE)
		return;
	buf_init(&text, PASSWD_FILE_MAX);
	if (read_file(path, &text, arena, mistakes)) {
		if (named_lines_init(&names, buf_bytes(&text)))
			check_entries(buf_bytes(&text), &names, arena, mistakes);
		else
			mistakes_add(mistakes, arena, 0, "no memory");
	}
	named_lines_finish(&names);
	buf_finish(&text);
}

/* --- aliases --- */

struct target_list {
	struct bytes *v;
	size_t        n;
};

/* More targets behind those of the list. */
static bool
append(struct target_list *list, const struct bytes *more, size_t n,
    struct arena *arena)
{
	struct bytes *v = arena_alloc(arena, (list->n + n) * sizeof *v);

	if (v == NULL)
		return false;
	if (list->n > 0)
		memcpy(v, list->v, list->n * sizeof *v);
	if (n > 0)
		memcpy(v + list->n, more, n * sizeof *v);
	*list = (struct target_list){ v, list->n + n };
	return true;
}

/* The targets in a file that an alias includes; the mistake is the alias's. */
static void
append_included(struct target_list *list, struct bytes path, unsigned line,
    struct arena *arena, struct mistakes *mistakes)
{
	char            name[PATH_TEXT];
	struct mistakes inside = { 0 };
	struct bytes   *targets = NULL, content;
	size_t          n = 0;
	struct buf      text;

	buf_init(&text, ALIASES_MAX);
	if (!bytes_to_string(path, name, sizeof name) ||
	    file_read(name, &text, NULL) == -1) {
		mistakes_add(mistakes, arena, line, "%.*s: %s",
		    BYTES_ARG(path), strerror(errno));
		buf_finish(&text);
		return;
	}
	content = arena_copy(arena, buf_bytes(&text));
	buf_finish(&text);
	if (content.p == NULL)
		mistakes_add(mistakes, arena, line, "no memory");
	else if (!aliases_parse_list(content, arena, &inside, &targets, &n))
		mistakes_add(mistakes, arena, line, "%s:%u: %.*s", name,
		    inside.n > 0 ? inside.list[0].line : 0,
		    BYTES_ARG(inside.n > 0 ? inside.list[0].text
		                           : BYTES("cannot be understood")));
	else if (!append(list, targets, n, arena))
		mistakes_add(mistakes, arena, line, "no memory");
}

static void
check_alias(struct directory *directory, const struct alias *alias,
    struct arena *arena, struct mistakes *mistakes)
{
	struct target_list list = { NULL, 0 };
	const char        *mistake = "no memory";
	size_t             before = mistakes->n + mistakes->dropped;

	for (size_t i = 0; i < alias->n_targets; i++) {
		struct bytes path;

		if (alias_is_include(alias->targets[i], &path))
			append_included(
			    &list, path, alias->line, arena, mistakes);
		else if (!append(&list, &alias->targets[i], 1, arena))
			mistakes_add(mistakes, arena, alias->line, "no memory");
	}
	/* a list whose file cannot be read is not called empty as well */
	if (mistakes->n + mistakes->dropped > before)
		return;
	if (!directory_add_alias(
	        directory, alias->name, list.v, list.n, &mistake))
		mistakes_add(mistakes, arena, alias->line, "\"%.*s\": %s",
		    BYTES_ARG(alias->name), mistake);
}

/* Domains and users as the server would know them; false: no memory. */
static bool
fill_directory(struct directory *directory, const struct config *config)
{
	char                path[PATHS_MAX];
	struct buf          text;
	struct passwd_entry entry;
	struct bytes        rest;
	bool                is_full = false;

	directory_set_hostname(directory, config->hostname);
	directory_set_delimiter(directory, config->recipient_delimiter);
	for (size_t i = 0; i < config->domains.n; i++)
		if (!directory_add_domain(directory, config->domains.v[i]))
			is_full = true;
	buf_init(&text, PASSWD_FILE_MAX);
	if (!paths_get(config, PATH_PASSWD, BYTES(""), path) ||
	    file_read(path, &text, NULL) == -1)
		buf_clear(&text); /* check_passwd says why */
	rest = buf_bytes(&text);
	while (passwd_next(&rest, &entry, NULL))
		if (entry.name.n > 0 && !directory_add_user(directory, entry.name))
			is_full = true;
	buf_finish(&text);
	return !is_full;
}

/* The line of the alias that the directory calls name. */
static unsigned
line_of(const struct alias *alias, struct bytes name)
{
	while (alias && !bytes_equal_nocase(alias->name, name))
		alias = alias->next;
	return alias ? alias->line : 0;
}

/* An alias that leads to nobody. */
static void
check_loop(const struct config *config, struct directory *directory,
    const struct alias *first, struct arena *arena, struct mistakes *mistakes)
{
	struct bytes name = directory_find_loop(directory);

	/* the system's users and who is assigned are not in the directory here */
	if (name.n > 0 && config->users == USERS_FILE && config->assign.n == 0)
		mistakes_add(mistakes, arena, line_of(first, name),
		    "\"%.*s\" leads to aliases only, in a circle: nobody would "
		    "get its mail", BYTES_ARG(name));
}

void
check_aliases(const struct config *config, const char *path, struct arena *arena,
    struct mistakes *mistakes)
{
	struct directory *directory = directory_new();
	struct buf        text;

	buf_init(&text, ALIASES_MAX);
	if (directory == NULL || !fill_directory(directory, config)) {
		mistakes_add(mistakes, arena, 0, "no memory");
	} else if (read_file(path, &text, arena, mistakes)) {
		struct alias *first =
		    aliases_parse(buf_bytes(&text), arena, mistakes);

		for (struct alias *a = first; a; a = a->next)
			check_alias(directory, a, arena, mistakes);
		check_loop(config, directory, first, arena, mistakes);
	}
	directory_free(directory);
	buf_finish(&text);
}
