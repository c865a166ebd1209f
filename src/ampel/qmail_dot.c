/*
 * .qmail files stay where they are; here they are looked through for what Ampel
 * defers, and for programs of qmail's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/qmail_import.h"
#include "io/memfile.h"
#include "proto/dot_qmail.h"

enum {
	FILES_MAX = 10000, /* of one home */
	LINES_MEMORY = 4 * 1024 * 1024,
	OTHERS_MAY_WRITE = S_IWGRP | S_IWOTH,
};

struct home {
	struct qmail_import *import;
	const char          *path;
	uid_t                uid;
	int                  fd;
};

static void
say(const struct home *home, const char *name, unsigned line, const char *text)
{
	char path[QMAIL_PATH_MAX];

	snprintf(path, sizeof path, "%s%s%s", home->path, name[0] ? "/" : "", name);
	qmail_report_add(&home->import->left, path, line,
	    "%s: Ampel defers mail for it", text);
}

/* --- programs --- */

/* Of qmail and ezmlm, those that stand in .qmail files. */
static const struct {
	struct bytes name;
	bool         sends; /* by qmail-queue */
} programs[] = {
	{ BYTES_INIT("bouncesaying"), false },
	{ BYTES_INIT("condredirect"), true },
	{ BYTES_INIT("except"), false },
	{ BYTES_INIT("ezmlm-gate"), true },
	{ BYTES_INIT("ezmlm-get"), true },
	{ BYTES_INIT("ezmlm-manage"), true },
	{ BYTES_INIT("ezmlm-moderate"), true },
	{ BYTES_INIT("ezmlm-request"), true },
	{ BYTES_INIT("ezmlm-return"), true },
	{ BYTES_INIT("ezmlm-send"), true },
	{ BYTES_INIT("ezmlm-store"), true },
	{ BYTES_INIT("forward"), true },
	{ BYTES_INIT("preline"), false },
	{ BYTES_INIT("qmail-inject"), true },
	{ BYTES_INIT("qmail-queue"), true },
	{ BYTES_INIT("qreceipt"), true },
};

/* The first word of a line counts: what else a shell makes of it is not looked at. */
static void
look_at_program(const struct home *home, const char *file,
    const struct dot_qmail_line *line)
{
	struct bytes command = bytes_trim(line->text);
	struct bytes path = bytes_first(command, bytes_find(command, ' '));
	struct bytes rest = path, name = path;
	char         where[QMAIL_PATH_MAX];
	size_t       i = 0, n = sizeof programs / sizeof programs[0];

	while (bytes_split(&rest, '/', &name))
		;
	while (i < n && !bytes_equal(programs[i].name, name))
		i++;
	snprintf(where, sizeof where, "%s/%s", home->path, file);
	if (i < n && programs[i].sends)
		qmail_report_add(&home->import->left, where, line->number,
		    "runs \"%.*s\", which hands mail to qmail's queue: what to "
		    "write instead says ampel-qmail(7), COMPATIBILITY",
		    BYTES_ARG(name));
	else if (i < n && name.n == path.n)
		qmail_report_add(&home->import->left, where, line->number,
		    "runs \"%.*s\" of qmail, which is not in PATH any more: name "
		    "it by its whole path", BYTES_ARG(name));
}

/* --- lines --- */

/* Whether a path leads out of the home, or may: "..". */
static bool
is_outside(const struct home *home, struct bytes path)
{
	struct bytes top = bytes_of(home->path), rest = path, part;

	while (bytes_split(&rest, '/', &part))
		if (bytes_equal(part, BYTES("..")))
			return true;
	if (path.n == 0 || path.p[0] != '/')
		return false;
	return !bytes_start(path, top) || path.n <= top.n || path.p[top.n] != '/';
}

static void
look_at_line(const struct home *home, const char *file,
    const struct dot_qmail_line *line)
{
	switch (line->kind) {
	case DOT_QMAIL_PROGRAM:
		look_at_program(home, file, line);
		break;
	case DOT_QMAIL_MBOX:
	case DOT_QMAIL_MAILDIR:
		if (is_outside(home, line->text))
			say(home, file, line->number,
			    "this file or Maildir lies outside the home");
		break;
	case DOT_QMAIL_FORWARD:
		break;
	}
}

static void
look_at_lines(const struct home *home, const char *name, struct bytes content,
    bool forward_only)
{
	struct dot_qmail q;
	struct arena     arena;

	arena_init(&arena, LINES_MEMORY);
	switch (dot_qmail_read(&q, content, forward_only, &arena)) {
	case DOT_QMAIL_BLANK:
		say(home, name, 1, "the first line is blank");
		break;
	case DOT_QMAIL_MISTAKE:
		say(home, name, q.mistake, "this line cannot be carried out");
		break;
	case DOT_QMAIL_NO_MEMORY:
		home->import->has_no_memory = true;
		break;
	case DOT_QMAIL_OK:
		for (size_t i = 0; i < q.n; i++)
			look_at_line(home, name, &q.lines[i]);
		break;
	}
	arena_finish(&arena);
}

/* --- a file --- */

static bool
is_ours(const struct home *home, const struct stat *st)
{
	return st->st_uid == home->uid || st->st_uid == 0;
}

/* NULL: its lines count. */
static const char *
distrust_file(const struct home *home, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (!is_ours(home, st))
		return "belongs to somebody else";
	if (st->st_mode & OTHERS_MAY_WRITE)
		return "may be written by its group or others";
	if (st->st_size > DOT_QMAIL_MAX)
		return "is too large";
	return NULL;
}

static void
look_at_open(const struct home *home, const char *name, int fd)
{
	const char *distrust;
	struct stat st;
	struct buf  content;

	buf_init(&content, DOT_QMAIL_MAX);
	distrust = fstat(fd, &st) == -1 ? strerror(errno)
	                                : distrust_file(home, &st);
	if (distrust != NULL)
		say(home, name, 0, distrust);
	else if (memfile_read(fd, 0, &content) == -1)
		say(home, name, 0, content.failed ? "is too large"
		                                  : strerror(errno));
	else
		look_at_lines(home, name, buf_bytes(&content),
		    (st.st_mode & S_IXUSR) != 0);
	buf_finish(&content);
}

/* As deliver opens it: no symbolic link, and no FIFO holds us up. */
static void
look_at(const struct home *home, const char *name)
{
	int fd = openat(home->fd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1) {
		say(home, name, 0, errno == ELOOP ? "is a symbolic link"
		                                  : strerror(errno));
		return;
	}
	look_at_open(home, name, fd);
	close(fd);
}

/* --- the home --- */

static const char *
distrust_home(const struct home *home, const struct stat *st)
{
	if (!is_ours(home, st))
		return "belongs to somebody else";
	if (st->st_mode & OTHERS_MAY_WRITE)
		return "may be written by its group or others";
	if (st->st_mode & S_ISVTX)
		return "is sticky, as while .qmail files are edited";
	return NULL;
}

/* In the order of their names, whatever the file system's is. */
static void
look_through(const struct home *home, DIR *folder)
{
	struct qmail_names names = { .n = 0 };
	struct dirent     *entry;

	while (names.n < FILES_MAX && (entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, ".qmail", 6) == 0)
			qmail_names_add(home->import, &names,
			    arena_copy(&home->import->arena,
			        bytes_of(entry->d_name)));
	qmail_names_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		look_at(home, names.v[i].p);
	home->import->n_dot_files += names.n;
	if (names.n == FILES_MAX)
		qmail_report_add(&home->import->left, home->path, 0,
		    "has more .qmail files than are looked at");
	qmail_names_finish(&names);
}

void
qmail_dot_files(struct qmail_import *import, uint32_t uid, const char *path)
{
	struct home home = { .import = import, .path = path, .uid = uid };
	const char *distrust;
	struct stat st;
	DIR        *folder = opendir(path);

	if (folder == NULL || fstat(dirfd(folder), &st) == -1) {
		say(&home, "", 0, strerror(errno));
		if (folder != NULL)
			closedir(folder);
		return;
	}
	home.fd = dirfd(folder);
	distrust = distrust_home(&home, &st);
	if (distrust != NULL)
		say(&home, "", 0, distrust);
	look_through(&home, folder);
	closedir(folder);
}
