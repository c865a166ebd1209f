/*
 * How a qmail host becomes an ampel.conf: `ampel import qmail`. Each part reads its files,
 * adds its settings, and says in words what it carried over, and what it could not
 * or what is now other than it was. Nothing is guessed silently.
 *
 * The files may be anybody's: only regular ones are read, and their size is bounded.
 */
#ifndef AMPEL_AMPEL_QMAIL_IMPORT_H
#define AMPEL_AMPEL_QMAIL_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "ampel/qmail_report.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/table.h"

enum { QMAIL_PATH_MAX = 512, QMAIL_BESIDE_MAX = 200 };

/* A file that stands beside the ampel.conf and that a setting names. */
enum qmail_beside { QMAIL_VIRTUALDOMAINS, QMAIL_ASSIGN, QMAIL_RULES, QMAIL_BESIDES };

/* Names that stand once each, in their order. */
struct qmail_names {
	struct table  by_name;
	struct bytes *v;
	size_t        n;
	size_t        room;
};

/* A file that was read. */
struct qmail_source {
	dev_t                dev;
	ino_t                ino;
	struct qmail_source *next;
};

struct qmail_import {
	const char *folder; /* qmail's own, such as "/var/qmail" */
	char        beside[QMAIL_BESIDE_MAX]; /* the folder of the ampel.conf, absolute */
	const char *const *rules_files; /* that the caller named; NULL ends them */

	struct arena         arena; /* what was read */
	struct qmail_source *sources;
	struct buf           conf;
	struct buf           files[QMAIL_BESIDES]; /* what to write beside it; empty: nothing */
	struct qmail_report  carried, left;

	struct bytes       hostname; /* lower case */
	struct qmail_names locals; /* the "domains", lower case */
	size_t             n_dot_files; /* that were looked through */
	bool               has_no_memory;
};

/* beside, folder and rules_files are the caller's to set. */
void qmail_import_init(struct qmail_import *import);
void qmail_import_finish(struct qmail_import *import);

/* "virtualdomains", "assign", "rules" */
const char *qmail_beside_name(enum qmail_beside which);

/* --- the parts, in the order of the ampel.conf --- */

/*
 * me, locals, virtualdomains, rcpthosts and morercpthosts. False: without control/me
 * nothing can be imported, and *why says so.
 */
bool qmail_domains(struct qmail_import *import, const char **why);
/* users/ and alias/, and the .qmail files of whom they name. */
void qmail_users(struct qmail_import *import);
/* Look through the .qmail files of one home, which belongs to uid. */
void qmail_dot_files(struct qmail_import *import, uint32_t uid, const char *home);
/* What is a number, and double bounces. */
void qmail_settings(struct qmail_import *import);
/* smtproutes */
void qmail_routes(struct qmail_import *import);
/* tcpserver's rules, copied to the file QMAIL_RULES. False: there are none. */
bool qmail_rules(struct qmail_import *import);
/* The listeners, with the rules. */
void qmail_listeners(struct qmail_import *import);
/* What has no setting: of qmail, of its patches, and what no file says. */
void qmail_rest(struct qmail_import *import);

/* --- files --- */

enum qmail_file { QMAIL_FILE_MISSING, QMAIL_FILE_READ, QMAIL_FILE_BROKEN };

/*
 * The content of FOLDER/NAME, as long as the import lives. BROKEN: it is there and
 * cannot be read, which the report says. st may be NULL.
 */
enum qmail_file qmail_read(struct qmail_import *import, const char *name,
    size_t max, struct bytes *content, struct stat *st);
/* The same by its whole path. */
enum qmail_file qmail_read_path(struct qmail_import *import, const char *path,
    size_t max, struct bytes *content, struct stat *st);
/* Whether what that path leads to, over links too, is a file that was read. */
bool qmail_is_source(const struct qmail_import *import, const char *path);
/* False: it is not there. */
bool qmail_stat(const struct qmail_import *import, const char *name, struct stat *st);

/* --- text --- */

/* "example.org", or ".example.org" for all below it; valid. */
bool qmail_is_domain(struct bytes text);

/* A copy in lower case; without memory it is empty, and has_no_memory is set. */
struct bytes qmail_lower(struct qmail_import *import, struct bytes text);
/* "# FILE: " in front of a setting. */
void qmail_heading(struct qmail_import *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* NAME = { "a", "b" }, one a line when there are many. */
void qmail_add_list(struct qmail_import *import, const char *name,
    const struct bytes *v, size_t n);

/* False: it is there already, or there is no memory. */
bool qmail_names_add(struct qmail_import *import, struct qmail_names *names,
    struct bytes name);
void qmail_names_sort(struct qmail_names *names);
void qmail_names_finish(struct qmail_names *names);

#endif
