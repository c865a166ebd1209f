#include "lookup/reading.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "mail/mistakes.h"
#include "mail/paths.h"
#include "proto/aliases.h"
#include "proto/passwd.h"
#include "proto/virtual_domains.h"

enum {
	MEMORY_MAX = 512 * 1024 * 1024,
	INCLUDES_MAX = 10000, /* files looked at each time */
	SYSTEM_UID_MIN = 1000, /* Debian Policy 9.2.2: those of people */
	SYSTEM_UID_MAX = 59999,
};

/* One reading under way. */
struct reader {
	const struct config *config;
	struct reading      *reading;
	struct directory    *directory; /* the reading's */
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
fail(struct reader *r, const char *path, const char *why)
{
	buf_addf(r->error, "%s: %s\n", path, why);
}

static void
end_file(struct reader *r, struct file *file)
{
	if (mistakes_any(&file->mistakes))
		mistakes_print(&file->mistakes, file->path, r->error);
}

/* The file's content in the arena; a missing one is empty. False: it is said why. */
static bool
read_file(struct reader *r, const char *path, size_t max, struct bytes *text)
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
add_user(struct reader *r, struct bytes name)
{
	if (!directory_add_user(r->directory, name))
		fail(r, "users", "no memory");
}

static void
read_passwd(struct reader *r)
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

/*
 * People of this host whose names can be delivered to. A home that we may not look into counts as
 * there.
 */
static bool
is_person(const struct passwd *user)
{
	struct stat st;

	if (user->pw_uid < SYSTEM_UID_MIN || user->pw_uid > SYSTEM_UID_MAX ||
	    !passwd_name_is_valid(bytes_of(user->pw_name)))
		return false;
	if (stat(user->pw_dir, &st) == -1)
		return errno == EACCES;
	return S_ISDIR(st.st_mode);
}

static void
read_system_users(struct reader *r)
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
add_targets(struct reader *r, struct targets *t, const struct bytes *v, size_t n)
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
include(struct reader *r, struct targets *t, struct bytes path)
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
add_alias(struct reader *r, struct file *file, const struct alias *alias)
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
read_aliases(struct reader *r)
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

/* --- for those who come from qmail --- */

/* A file that is named in the configuration: then it has to be there. */
static bool
read_named(struct reader *r, struct file *file, struct bytes path, struct buf *text)
{
	if (bytes_to_string(path, file->path, sizeof file->path) &&
	    watch_read(&r->watch, file->path, text) == 0)
		return true;
	fail(r, file->path, strerror(errno));
	return false;
}

static void
read_virtual_domains(struct reader *r)
{
	struct file file = { .mistakes = { .n = 0 } };
	struct buf  text;

	buf_init(&text, VIRTUAL_DOMAINS_MAX);
	if (r->config->virtual_domains.n > 0 &&
	    read_named(r, &file, r->config->virtual_domains, &text))
		virtual_domains_read(r->directory, buf_bytes(&text), &r->arena,
		    &file.mistakes);
	end_file(r, &file);
	buf_finish(&text);
}

static void
read_assign(struct reader *r)
{
	struct reading *reading = r->reading;
	struct file     file = { .mistakes = { .n = 0 } };

	if (r->config->assign.n == 0 ||
	    !read_named(r, &file, r->config->assign, &reading->assign_text))
		return;
	assign_read(&reading->assign, buf_bytes(&reading->assign_text),
	    &reading->arena, &file.mistakes);
	end_file(r, &file);
	directory_set_assignments(r->directory, &reading->assign.assignments);
}

/* Without one what is nobody's is refused, as it is elsewhere. */
static struct bytes
find_alias_user(struct reader *r)
{
	char                 name[64];
	const struct passwd *user;

	if (!bytes_to_string(r->config->alias_user, name, sizeof name) ||
	    (user = getpwnam(name)) == NULL)
		return BYTES("");
	if (user->pw_uid == 0) {
		fail(r, "alias_user", "has uid 0: deliveries would run as root");
		return BYTES("");
	}
	return r->config->alias_user;
}

/* Users of the host have homes of their own, and may have .qmail files there. */
static void
set_qmail(struct reader *r)
{
	if (r->config->users == USERS_SYSTEM && r->config->dot_qmail &&
	    !directory_set_qmail(r->directory, find_alias_user(r)))
		fail(r, "users", "no memory");
}

/* --- all of it --- */

static void
add_domains(struct reader *r)
{
	const struct bytes_list *ours = &r->config->domains;
	const struct bytes_list *relayed = &r->config->relay_domains;

	directory_set_hostname(r->directory, r->config->hostname);
	directory_set_delimiter(r->directory, r->config->recipient_delimiter);
	for (size_t i = 0; i < ours->n; i++)
		if (!directory_add_domain(r->directory, ours->v[i]))
			fail(r, "domains", "no memory");
	for (size_t i = 0; i < relayed->n; i++)
		if (!directory_add_relay_domain(r->directory, relayed->v[i]))
			fail(r, "relay_domains", "no memory");
}

static struct reading *
new_reading(void)
{
	struct reading *reading = calloc(1, sizeof *reading);

	if (reading == NULL)
		return NULL;
	arena_init(&reading->arena, MEMORY_MAX);
	buf_init(&reading->assign_text, ASSIGNMENTS_FILE_MAX);
	reading->directory = directory_new();
	if (reading->directory != NULL)
		return reading;
	reading_free(reading);
	return NULL;
}

struct reading *
reading_of(const struct config *config, struct watch *watch, struct buf *error)
{
	struct reader r = {
		.config = config, .reading = new_reading(), .error = error,
	};

	if (r.reading == NULL) {
		fail(&r, "directory", "no memory");
		return NULL;
	}
	r.directory = r.reading->directory;
	arena_init(&r.arena, MEMORY_MAX);
	add_domains(&r);
	if (config->users == USERS_SYSTEM)
		read_system_users(&r);
	else
		read_passwd(&r);
	set_qmail(&r);
	read_assign(&r);
	read_virtual_domains(&r);
	read_aliases(&r);
	arena_finish(&r.arena);
	*watch = r.watch;
	if (error->len > 0 || error->failed) {
		reading_free(r.reading);
		return NULL;
	}
	return r.reading;
}

void
reading_free(struct reading *reading)
{
	if (reading == NULL)
		return;
	directory_free(reading->directory);
	assign_finish(&reading->assign);
	buf_finish(&reading->assign_text);
	arena_finish(&reading->arena);
	free(reading);
}
