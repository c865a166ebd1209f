#include "ampel/cmd_check.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "ampel/check_named.h"
#include "ampel/config_read.h"
#include "ampel/output.h"
#include "ampel/role.h"
#include "base/arena.h"
#include "base/buf.h"
#include "mail/config.h"
#include "mail/mistakes.h"
#include "mail/paths.h"

enum {
	MEMORY_MAX = 256 * 1024 * 1024,
	PRINTED_MAX = 256 * 1024,
	RULES_MAX = 64, /* more than there are listeners */
};

/* --- what is printed --- */

static void
add_json(struct buf *b, const char *file, const char *kind,
    const struct mistakes *mistakes)
{
	for (size_t i = 0; i < mistakes->n; i++) {
		buf_add_string(b, "{\"file\":");
		output_json(b, bytes_of(file));
		buf_addf(b, ",\"line\":%u,\"kind\":\"%s\",\"text\":",
		    mistakes->list[i].line, kind);
		output_json(b, mistakes->list[i].text);
		buf_add_string(b, "}\n");
	}
}

/* True: there was nothing to print. */
static bool
print(bool json, const char *file, const char *kind, struct mistakes *mistakes)
{
	struct buf b;

	buf_init(&b, PRINTED_MAX);
	if (json)
		add_json(&b, file, kind, mistakes);
	else
		mistakes_print(mistakes, file, &b);
	fputs(buf_string(&b), json ? stdout : stderr);
	buf_finish(&b);
	return !mistakes_any(mistakes);
}

/* --- warnings --- */

static bool
has_users(const struct config *config)
{
	char path[PATHS_MAX];

	return config->users == USERS_SYSTEM || config->assign.n > 0 ||
	    (paths_get(config, PATH_PASSWD, BYTES(""), path) &&
	        access(path, F_OK) == 0);
}

/* Allowed, but hardly what somebody wants. */
static void
add_warnings(const struct config *config, struct arena *arena,
    struct mistakes *warnings)
{
	if (config->domains.n == 0 && config->virtual_domains.n == 0)
		mistakes_add(warnings, arena, 0,
		    "warning: no domains are set: mail is taken for nobody");
	if (!has_users(config))
		mistakes_add(warnings, arena, 0,
		    "warning: there are no users: ampel user add NAME");
	if (config->n_listen == 0)
		mistakes_add(warnings, arena, 0,
		    "warning: there is no listen block: nothing comes in");
	check_self_signed(config, arena, warnings);
	check_proofs(config, arena, warnings);
	check_system_passwords(config, arena, warnings);
	/* users who are known are believed */
	for (size_t i = 0; i < config->n_listen; i++)
		if (!role_has_users(config->listen[i].name) &&
		    !config_is_filtered(config, config->listen[i].name))
			mistakes_add(warnings, arena, config->listen[i].line,
			    "warning: no filter applies to listener \"%.*s\"",
			    BYTES_ARG(config->listen[i].name));
}

/* --- the files of users, passwords, aliases and rules --- */

typedef void check_file(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes);

static bool
check_one(const struct config *config, bool json, const char *file,
    const char *kind, check_file *check, struct arena *arena)
{
	struct mistakes mistakes = { 0 };

	check(config, file, arena, &mistakes);
	return print(json, file, kind, &mistakes);
}

static bool
check_at(const struct config *config, bool json, enum path path,
    const char *kind, check_file *check, struct arena *arena)
{
	char file[PATHS_MAX];

	if (!paths_get(config, path, BYTES(""), file))
		return false; /* no root is that long */
	return check_one(config, json, file, kind, check, arena);
}

/* A file that a setting names, when it names one. */
static bool
check_path(const struct config *config, bool json, struct bytes path,
    check_file *check, struct arena *arena)
{
	char file[PATH_MAX];

	if (path.n == 0 || !bytes_to_string(path, file, sizeof file))
		return path.n == 0; /* VALUE_PATH is not that long */
	return check_one(config, json, file, "mistake", check, arena);
}

static bool
check_all_rules(const struct config *config, bool json, struct arena *arena)
{
	struct bytes paths[RULES_MAX];
	size_t       n = check_rules_files(config, paths, RULES_MAX);
	bool         is_good = true;

	for (size_t i = 0; i < n; i++)
		is_good &= check_path(config, json, paths[i], check_rules, arena);
	return is_good;
}

static bool
check_qmail(const struct config *config, bool json, struct arena *arena)
{
	bool is_good = check_path(
	    config, json, config->assign, check_assign, arena);

	return check_path(config, json, config->virtual_domains,
	           check_virtual_domains, arena) &&
	    is_good;
}

/* The configuration is understood; what it names? */
static bool
check_named(const struct config *config, const char *file, bool json,
    struct arena *arena)
{
	static const struct {
		enum path   path;
		check_file *check;
	} files[] = {
		{ PATH_PASSWD, check_passwd },
		{ PATH_SHADOW, check_shadow },
		{ PATH_ALIASES, check_aliases },
	};
	struct mistakes mistakes = { 0 }, warnings = { 0 };
	bool            is_good;

	check_programs(config, arena, &mistakes);
	check_accounts(config, arena, &mistakes);
	check_tls(config, arena, &mistakes);
	check_routes(config, arena, &mistakes);
	check_alias_user(config, arena, &mistakes);
	is_good = print(json, file, "mistake", &mistakes);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (!check_at(config, json, files[i].path, "mistake",
		        files[i].check, arena))
			is_good = false;
	is_good &= check_all_rules(config, json, arena);
	is_good &= check_qmail(config, json, arena);
	add_warnings(config, arena, &warnings);
	print(json, file, "warning", &warnings);
	check_at(config, json, PATH_PASSWD, "note", check_passwordless, arena);
	return is_good;
}

int
cmd_check(const struct command *c)
{
	struct mistakes mistakes = { 0 };
	struct arena    arena;
	struct config   config;
	bool            is_good;

	if (c->argc > 0) {
		fprintf(stderr, "usage: ampel [-c FILE] [--json] check\n");
		return EX_MISUSE;
	}
	arena_init(&arena, MEMORY_MAX);
	config_read(c->config_file, &config, &arena, &mistakes);
	is_good = print(c->json, c->config_file, "mistake", &mistakes) &&
	    check_named(&config, c->config_file, c->json, &arena);
	if (is_good && !c->json)
		printf("%s: ok\n", c->config_file);
	config_finish(&config);
	arena_finish(&arena);
	return is_good ? EX_GOOD : EX_CONFIG_BAD;
}
