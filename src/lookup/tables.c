#include "lookup/tables.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "io/log.h"
#include "lookup/watch.h"
#include "mail/mistakes.h"
#include "mail/paths.h"
#include "proto/aliases.h"
#include "proto/passwd.h"

enum {
	LOOK_EVERY_MS = 1000,
	LOOK_SOON_MS = 50, /* strangers who guess names cost a few stat(2) */
	MEMORY_MAX = 512 * 1024 * 1024,
	ERROR_MAX = 64 * 1024,
	INCLUDES_MAX = 10000, /* files looked at each time */
	SYSTEM_UID_MIN = 1000, /* Debian Policy 9.2.2: those of people */
	SYSTEM_UID_MAX = 59999,
};

struct tables {
	struct directory *directory;
	struct watch      watch;
	uint64_t          looked_ms;
};

/* One reading of all files. */
struct reading {
	const struct config *config;
	struct directory    *directory;
	struct watch         watch;
	struct arena         arena; /* what was parsed; the directory copies */
	struct buf          *error; /* empty: all is well */
};

/* Mistakes of one file; they go with it into error. */
struct file {
	char            path[PATH_MAX];
	struct mistakes mistakes;
};

static void
fail(struct reading *r, const char *path, const char *why)
{
	buf_addf(r->error, "%s: %s\n", path, why);
}

static void
end_file(struct reading *r, struct file *file)
{
	if (mistakes_any(&file->mistakes))
		mistakes_print(&file->mistakes, file->path, r->error);
}

/* The file's content in the arena; a missing one is empty. False: it is said why. */
static bool
read_file(struct reading *r, const char *path, size_t max, struct bytes *text)
{
	struct buf b;
	int        error = 0;

	*text = (struct bytes){ NULL, 0 };
	buf_init(&b, max);
	if (watch_read(&r->watch, path, &b) == -1)
		error = errno;
	else
		*text = arena_copy(&r->arena, buf_bytes(&b));
	buf_finish(&b);
	if (error == 0 && text->p == NULL)
		error = ENOMEM;
	if (error == 0 || error == ENOENT)
		return error == 0;
	fail(r, path, strerror(error));
	return false;
}

static void
add_user(struct reading *r, struct bytes name)
{
	if (!directory_add_user(r->directory, name))
		fail(r, "users", "no memory");
}

static void
read_passwd(struct reading *r)
{
	struct file         file = { .mistakes = { .n = 0 } };
	struct passwd_entry entry;
	struct bytes        text;
	unsigned            line = 0;

	if (!paths_get(r->config, PATH_PASSWD, BYTES(""), file.path)) {
		fail(r, "passwd", "the path is too long");
		return;
	}
	read_file(r, file.path, PASSWD_FILE_MAX, &text);
	while (passwd_next(&text, &entry, &line))
		if (entry.name.n == 0)
			mistakes_add(&file.mistakes, &r->arena, line,
			    "expected name:x:uid:gid:text:/home:shell");
		else if (entry.uid == 0)
			mistakes_add(&file.mistakes, &r->arena, line,
			    "user \"%.*s\" has uid 0: root gets no mailbox; "
			    "give root an alias", BYTES_ARG(entry.name));
		else
			add_user(r, entry.name);
	end_file(r, &file);
}

/* People of this host. A home that we may not look into counts as there. */
static bool
is_person(const struct passwd *user)
{
	struct stat st;

	if (user->pw_uid < SYSTEM_UID_MIN || user->pw_uid > SYSTEM_UID_MAX)
		return false;
	if (stat(user->pw_dir, &st) == -1)
		return errno == EACCES;
	return S_ISDIR(st.st_mode);
}

static void
read_system_users(struct reading *r)
{
	static const char path[] = "/etc/passwd";
	struct bytes      text;
	struct passwd    *user;

	/* read only to be watched: the names come from all sources of the host */
	read_file(r, path, PASSWD_FILE_MAX, &text);
	setpwent();
	for (errno = 0; (user = getpwent()) != NULL; errno = 0)
		if (is_person(user))
			add_user(r, bytes_of(user->pw_name));
	if (errno != 0 && errno != ENOENT)
		fail(r, "users of the system", strerror(errno));
	endpwent();
}

/* Targets of one alias, with those of the lists that it includes. */
struct targets {
	struct bytes *v;
	size_t        n;
	size_t        room;
};

static void
add_targets(struct reading *r, struct targets *t, const struct bytes *v, size_t n)
{
	if (n > t->room - t->n) {
		size_t        room = (t->n + n) * 2;
		struct bytes *grown = arena_alloc(&r->arena, room * sizeof *v);

		if (grown == NULL) {
			fail(r, "aliases", "no memory");
			return;
		}
		if (t->n > 0)
			memcpy(grown, t->v, t->n * sizeof *v);
		t->v = grown;
		t->room = room;
	}
	if (n > 0)
		memcpy(t->v + t->n, v, n * sizeof *v);
	t->n += n;
}

/* False: the list could not be read, which the alias's own line says too. */
static bool
include(struct reading *r, struct targets *t, struct bytes path)
{
	struct file   file = { .mistakes = { .n = 0 } };
	struct bytes  text;
	struct bytes *v;
	size_t        n;

	if (!bytes_start(path, BYTES("/")) || r->watch.n >= INCLUDES_MAX ||
	    !bytes_to_string(path, file.path, sizeof file.path) ||
	    !read_file(r, file.path, ALIASES_MAX, &text))
		return false;
	aliases_parse_list(text, &r->arena, &file.mistakes, &v, &n);
	end_file(r, &file);
	add_targets(r, t, v, n);
	return true;
}

static void
add_alias(struct reading *r, struct file *file, const struct alias *alias)
{
	struct targets t = { 0 };
	struct bytes   path;
	const char    *mistake;

	for (size_t i = 0; i < alias->n_targets; i++)
		if (!alias_is_include(alias->targets[i], &path)) {
			add_targets(r, &t, &alias->targets[i], 1);
		} else if (!include(r, &t, path)) {
			mistakes_add(&file->mistakes, &r->arena, alias->line,
			    "\"%.*s\" cannot be included: expected the absolute "
			    "path of a file", BYTES_ARG(path));
			return;
		}
	if (!directory_add_alias(
	        r->directory, alias->name, t.v, t.n, &mistake))
		mistakes_add(&file->mistakes, &r->arena, alias->line,
		    "%.*s: %s", BYTES_ARG(alias->name), mistake);
}

/* The line of the alias that the directory calls name. */
static unsigned
line_of(const struct alias *alias, struct bytes name)
{
	for (; alias != NULL; alias = alias->next)
		if (bytes_equal_nocase(alias->name, name))
			return alias->line;
	return 0;
}

static void
read_aliases(struct reading *r)
{
	struct file   file = { .mistakes = { .n = 0 } };
	struct bytes  text, loop;
	struct alias *first;

	if (!paths_get(r->config, PATH_ALIASES, BYTES(""), file.path)) {
		fail(r, "aliases", "the path is too long");
		return;
	}
	read_file(r, file.path, ALIASES_MAX, &text);
	first = aliases_parse(text, &r->arena, &file.mistakes);
	if (!mistakes_any(&file.mistakes))
		for (struct alias *a = first; a != NULL; a = a->next)
			add_alias(r, &file, a);
	if (!mistakes_any(&file.mistakes)) {
		loop = directory_find_loop(r->directory);
		if (loop.n > 0)
			mistakes_add(&file.mistakes, &r->arena,
			    line_of(first, loop),
			    "%.*s: leads only to aliases, in a circle",
			    BYTES_ARG(loop));
	}
	end_file(r, &file);
}

/*
 * Read everything. NULL with the reasons in error. The files are watched in any
 * case, in their state of now.
 */
static struct directory *
read_all(const struct config *config, struct watch *watch, struct buf *error)
{
	struct reading r = { .config = config, .error = error };

	r.directory = directory_new();
	if (r.directory == NULL) {
		fail(&r, "directory", "no memory");
		return NULL;
	}
	arena_init(&r.arena, MEMORY_MAX);
	directory_set_hostname(r.directory, config->hostname);
	directory_set_delimiter(r.directory, config->recipient_delimiter);
	for (size_t i = 0; i < config->domains.n; i++)
		if (!directory_add_domain(r.directory, config->domains.v[i]))
			fail(&r, "domains", "no memory");
	if (config->users == USERS_SYSTEM)
		read_system_users(&r);
	else
		read_passwd(&r);
	read_aliases(&r);
	arena_finish(&r.arena);
	*watch = r.watch;
	if (error->len > 0 || error->failed) {
		directory_free(r.directory);
		return NULL;
	}
	return r.directory;
}

struct tables *
tables_open(const struct config *config, struct buf *error)
{
	struct tables *t = calloc(1, sizeof *t);

	if (t == NULL) {
		buf_add_string(error, "no memory");
		return NULL;
	}
	t->directory = read_all(config, &t->watch, error);
	if (t->directory == NULL) {
		tables_close(t);
		return NULL;
	}
	return t;
}

void
tables_close(struct tables *t)
{
	if (t == NULL)
		return;
	directory_free(t->directory);
	watch_finish(&t->watch);
	free(t);
}

static void
log_mistakes(struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line))
		log_text("%.*s", BYTES_ARG(line));
	log_text("users and aliases stay as they were before");
}

/* The files are not what they were: read them. True: they are good. */
static bool
read_again(struct tables *t, const struct config *config)
{
	struct directory *fresh;
	struct watch      watch = { 0 };
	struct buf        error;

	buf_init(&error, ERROR_MAX);
	fresh = read_all(config, &watch, &error);
	/* watched from now on is the broken state: it is said once */
	watch_finish(&t->watch);
	t->watch = watch;
	if (fresh == NULL) {
		log_mistakes(buf_bytes(&error));
	} else {
		directory_free(t->directory);
		t->directory = fresh;
	}
	buf_finish(&error);
	return fresh != NULL;
}

static bool
look(struct tables *t, const struct config *config, uint64_t now_ms,
    uint64_t every_ms)
{
	if (now_ms - t->looked_ms < every_ms)
		return false;
	t->looked_ms = now_ms;
	return watch_has_changed(&t->watch) && read_again(t, config);
}

bool
tables_refresh(struct tables *t, const struct config *config, uint64_t now_ms)
{
	return look(t, config, now_ms, LOOK_EVERY_MS);
}

bool
tables_refresh_soon(
    struct tables *t, const struct config *config, uint64_t now_ms)
{
	return look(t, config, now_ms, LOOK_SOON_MS);
}

const struct directory *
tables_directory(const struct tables *t)
{
	return t->directory;
}
