#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "ampel/command.h"
#include "ampel/output.h"
#include "ampel/qmail_import.h"
#include "base/printable.h"
#include "io/file.h"
#include "mail/mistakes.h"
#include "proto/config_text.h"

enum { RULES_FILES_MAX = 16, FILE_MODE = 0644, FOLDER_MODE = 0755 };

struct options {
	const char *folder;
	const char *rules_files[RULES_FILES_MAX + 1]; /* NULL ends them */
	bool        only_print;
	bool        force;
};

static int
usage(void)
{
	fprintf(stderr, "usage: ampel [-c FILE] import qmail DIR [--rules FILE]... "
	    "[-n] [--force]\n");
	return EX_MISUSE;
}

static bool
take_options(struct options *o, const struct command *c)
{
	size_t n_rules = 0;

	if (c->argc < 2 || strcmp(c->argv[0], "qmail") != 0)
		return false;
	for (int i = 1; i < c->argc; i++)
		if (strcmp(c->argv[i], "-n") == 0)
			o->only_print = true;
		else if (strcmp(c->argv[i], "--force") == 0)
			o->force = true;
		else if (strcmp(c->argv[i], "--rules") == 0 &&
		    i + 1 < c->argc && n_rules < RULES_FILES_MAX)
			o->rules_files[n_rules++] = c->argv[++i];
		else if (c->argv[i][0] != '-' && o->folder == NULL)
			o->folder = c->argv[i];
		else
			return false;
	return o->folder != NULL;
}

/* --- where it is written --- */

/* What settings can name: short, absolute, and without what would end a string. */
static bool
is_nameable(const char *path)
{
	struct bytes text = bytes_of(path);

	return text.n > 0 && path[0] == '/' && text.n < QMAIL_BESIDE_MAX &&
	    printable_is(text) && bytes_find(text, '"') == text.n;
}

/* The folder of the ampel.conf; one that is named from / is made later. False: said why. */
static bool
find_beside(struct qmail_import *import, const char *config_file)
{
	char        folder[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(config_file, '/');
	int         n = slash ? (int)(slash - config_file) : 0;

	if (slash == config_file)
		n = 1;
	snprintf(folder, sizeof folder, "%.*s", n > 0 ? n : 1,
	    n > 0 ? config_file : ".");
	if (realpath(folder, real) == NULL) {
		if (errno != ENOENT || folder[0] != '/') {
			output_complain(EX_BAD, folder, strerror(errno));
			return false;
		}
		snprintf(real, sizeof real, "%s", folder);
	}
	if (!is_nameable(real)) {
		output_complain(EX_BAD, folder,
		    "is too long, or holds what no setting can name");
		return false;
	}
	snprintf(import->beside, sizeof import->beside, "%.*s",
	    QMAIL_BESIDE_MAX - 1, real);
	return true;
}

static void
beside_path(const struct qmail_import *import, enum qmail_beside which,
    char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", import->beside,
	    qmail_beside_name(which));
}

static bool
exists(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return false;
	output_complain(EX_CANTCREAT, path, "exists; --force replaces it");
	return true;
}

static bool
anything_exists(const struct qmail_import *import, const char *config_file)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < QMAIL_BESIDES; i++) {
		beside_path(import, (enum qmail_beside)i, path);
		if (import->files[i].len > 0 && exists(path))
			return true;
	}
	return exists(config_file);
}

/* What is written over is never what was read: file_replace follows links. */
static bool
is_of_qmail(const struct qmail_import *import, const char *path)
{
	if (!qmail_is_source(import, path))
		return false;
	output_complain(EX_CANTCREAT, path,
	    "is a file of qmail's, which is not changed");
	return true;
}

static bool
any_is_of_qmail(const struct qmail_import *import, const char *config_file)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < QMAIL_BESIDES; i++) {
		beside_path(import, (enum qmail_beside)i, path);
		if (import->files[i].len > 0 && is_of_qmail(import, path))
			return true;
	}
	return is_of_qmail(import, config_file);
}

/* Whatever the mode mask is: our programs read what lies there as others than root. */
static bool
make_folder(const char *path)
{
	if (mkdir(path, FOLDER_MODE) == 0)
		return chmod(path, FOLDER_MODE) == 0;
	return errno == EEXIST;
}

/* The ampel.conf comes last: what it names is there. */
static int
write_files(const struct qmail_import *import, const char *config_file)
{
	char path[PATH_MAX];

	if (!make_folder(import->beside))
		return output_complain(EX_BAD, import->beside, strerror(errno));
	for (size_t i = 0; i < QMAIL_BESIDES; i++) {
		beside_path(import, (enum qmail_beside)i, path);
		if (import->files[i].len > 0 &&
		    file_replace(path, buf_bytes(&import->files[i]),
		        FILE_MODE) == -1)
			return output_complain(EX_BAD, path, strerror(errno));
	}
	if (file_replace(config_file, buf_bytes(&import->conf), FILE_MODE) == -1)
		return output_complain(EX_BAD, config_file, strerror(errno));
	return EX_GOOD;
}

/* --- what is read --- */

static bool
is_whole(const struct qmail_import *import)
{
	bool is_whole = !import->has_no_memory && !import->conf.failed;

	for (size_t i = 0; i < QMAIL_BESIDES; i++)
		if (import->files[i].failed)
			is_whole = false;
	return is_whole;
}

/* False: nothing can be imported, said why. */
static bool
read_all(struct qmail_import *import)
{
	const char *why;

	buf_addf(&import->conf, "# Ampel in the place of qmail: ampel.conf(5), made "
	    "by \"ampel import qmail\".\n");
	if (!qmail_domains(import, &why)) {
		output_complain(EX_BAD, import->folder, why);
		return false;
	}
	qmail_users(import);
	qmail_settings(import);
	qmail_routes(import);
	qmail_listeners(import);
	qmail_rest(import);
	if (is_whole(import))
		return true;
	output_complain(EX_BAD, import->folder, "there is too much of it");
	return false;
}

/* Our own mistake, if there is one: then nothing is written. */
static bool
is_understood(const struct qmail_import *import)
{
	struct mistakes   *mistakes = calloc(1, sizeof *mistakes);
	struct config     *config = calloc(1, sizeof *config);
	struct config_tree tree;
	struct arena       arena;
	bool               is_good = false;

	arena_init(&arena, 4 * (size_t)CONFIG_TEXT_MAX);
	if (mistakes && config) {
		config_text_parse(
		    buf_bytes(&import->conf), &arena, &tree, mistakes);
		config_from_tree(config, &tree, mistakes);
		is_good = !mistakes_any(mistakes);
		config_finish(config);
	}
	for (size_t i = 0; mistakes && i < mistakes->n; i++)
		fprintf(stderr, "ampel: line %u of the new file: %.*s\n",
		    mistakes->list[i].line,
		    BYTES_ARG(mistakes->list[i].text));
	arena_finish(&arena);
	free(config);
	free(mistakes);
	return is_good;
}

static void
print_reports(struct qmail_import *import, FILE *out)
{
	struct bytes carried = qmail_report_text(&import->carried);
	struct bytes left = qmail_report_text(&import->left);

	fprintf(out, "Carried over from %s:\n%.*s\n"
	    "Not carried over, or not as it was:\n%.*s",
	    import->folder, BYTES_ARG(carried), BYTES_ARG(left));
}

static int
run(struct qmail_import *import, const struct options *o, const char *config_file)
{
	int code;

	if (!find_beside(import, config_file) || !read_all(import) ||
	    !is_understood(import))
		return EX_BAD;
	if (o->only_print) {
		printf("%s", buf_string(&import->conf));
		print_reports(import, stderr);
		return EX_GOOD;
	}
	if ((!o->force && anything_exists(import, config_file)) ||
	    any_is_of_qmail(import, config_file))
		return EX_CANTCREAT;
	code = write_files(import, config_file);
	if (code != EX_GOOD)
		return code;
	print_reports(import, stdout);
	printf("\nWritten: %s. Next: ampel -c %s check\n", config_file, config_file);
	return EX_GOOD;
}

int
cmd_import(const struct command *c)
{
	struct qmail_import import;
	struct options      options = { .folder = NULL };
	int                 code;

	if (!take_options(&options, c))
		return usage();
	qmail_import_init(&import);
	import.folder = options.folder;
	import.rules_files = options.rules_files;
	code = run(&import, &options, c->config_file);
	qmail_import_finish(&import);
	return code;
}
