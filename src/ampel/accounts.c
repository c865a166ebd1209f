#include "ampel/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "mail/paths.h"

static const struct {
	enum peer_role role;
	const char    *account;
} accounts[] = {
	{ ROLE_SMTPD, "_ampelsmtp" },
	{ ROLE_LOOKUP, "_ampellookup" },
	{ ROLE_HIQ, "_ampelfilter" },
	{ ROLE_QUEUE, "_ampelqueue" },
};

static const char mail_account[] = "_ampelmail";

const char *
account_name(enum peer_role role)
{
	for (size_t i = 0; i < sizeof accounts / sizeof accounts[0]; i++)
		if (accounts[i].role == role)
			return accounts[i].account;
	return NULL;
}

bool
account_find(const char *name, uint32_t *uid, uint32_t *gid)
{
	struct passwd *pw = getpwnam(name); /* one thread; used at once */

	if (pw == NULL || pw->pw_uid == 0 || pw->pw_gid == 0)
		return false;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return true;
}

bool
accounts_check(const struct config *config, char *error, size_t size)
{
	uint32_t uid, gid;

	for (size_t i = 0; i < sizeof accounts / sizeof accounts[0]; i++)
		if (!account_find(accounts[i].account, &uid, &gid)) {
			snprintf(error, size,
			    "account %s is missing: contrib/sysusers/create "
			    "makes it",
			    accounts[i].account);
			return false;
		}
	if (config->users == USERS_FILE &&
	    !account_find(mail_account, &uid, &gid)) {
		snprintf(error, size,
		    "account %s is missing: contrib/sysusers/create makes it",
		    mail_account);
		return false;
	}
	return true;
}

/* --- folders --- */

bool
account_folder(
    const struct config *config, enum peer_role role, char path[PATHS_MAX])
{
	switch (role) {
	case ROLE_SMTPD:
		return paths_get(config, PATH_CHROOT, BYTES("smtpd"), path);
	case ROLE_HIQ:
		return paths_get(config, PATH_CHROOT, BYTES("hiq"), path);
	case ROLE_QUEUE:
		return paths_get(config, PATH_SPOOL, BYTES(""), path);
	case ROLE_NONE:
	case ROLE_LOOKUP:
	case ROLE_DELIVER:
	case ROLE_AUTH:
	case ROLE_POP3D:
	case ROLE_MAILBOX:
	case ROLE_ADMIN:
		break;
	}
	return false;
}

/*
 * Whether an account can pass all folders above path: a folder such as /root lets
 * nobody through.
 */
static bool
is_reachable(const char *path, uint32_t uid, uint32_t gid, char *blocked,
    size_t size)
{
	struct stat st;

	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		mode_t need;

		if (!bytes_to_string((struct bytes){ path,
		        (size_t)(slash - path) }, blocked, size) ||
		    stat(blocked, &st) != 0)
			return false;
		need = st.st_uid == uid ? S_IXUSR
		    : st.st_gid == gid  ? S_IXGRP
		                        : S_IXOTH;
		if ((st.st_mode & need) == 0)
			return false;
	}
	return true;
}

/* A folder of an account's own; an existing one keeps its mode. */
static bool
make_folder(const char *path, mode_t mode, const char *account, bool as_root,
    char *error, size_t size)
{
	uint32_t uid = 0, gid = 0;
	char     blocked[1024];

	if (file_make_folders(path, mode) != 0) {
		snprintf(error, size, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!as_root || account == NULL)
		return true;
	if (!account_find(account, &uid, &gid) || chown(path, uid, gid) != 0) {
		snprintf(error, size, "%s: cannot be given to %s", path, account);
		return false;
	}
	if (!is_reachable(path, uid, gid, blocked, sizeof blocked)) {
		snprintf(error, size, "%s: %s cannot reach it, %s lets it not "
		    "pass (chmod o+x, or choose another place)",
		    path, account, blocked);
		return false;
	}
	return true;
}

bool
accounts_make_folders(
    const struct config *config, bool as_root, char *error, size_t size)
{
	static const struct {
		enum path    place;
		struct bytes name;
		mode_t       mode;
		const char  *account;
	} folders[] = {
		{ PATH_ETC, BYTES_INIT(""), 0755, NULL },
		{ PATH_STATE, BYTES_INIT(""), 0755, NULL },
		{ PATH_CHROOTS, BYTES_INIT(""), 0755, NULL },
		{ PATH_CHROOT, BYTES_INIT("smtpd"), 0700, "_ampelsmtp" },
		{ PATH_CHROOT, BYTES_INIT("hiq"), 0700, "_ampelfilter" },
		{ PATH_MAIL, BYTES_INIT(""), 0755, NULL },
		{ PATH_SPOOL, BYTES_INIT(""), 0700, "_ampelqueue" },
		{ PATH_RUN, BYTES_INIT(""), 0755, NULL },
	};
	char path[PATHS_MAX];

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		if (!paths_get(config, folders[i].place, folders[i].name, path)) {
			snprintf(error, size, "\"root\" is too long");
			return false;
		}
		if (!make_folder(path, folders[i].mode, folders[i].account,
		        as_root, error, size))
			return false;
	}
	return true;
}
