#include "ampel/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/role.h"
#include "io/file.h"
#include "mail/paths.h"

/* A privilege: whose it is, and where its folder lies. */
struct duty {
	enum peer_role role;
	bool           has_users; /* of a listener that hears no strangers */
	const char    *account;
	enum path      place;    /* of its folder */
	const char    *folder;   /* NULL: it has none */
};

static const struct duty duties[] = {
	{ ROLE_SMTPD, false, "_ampelsmtp", PATH_CHROOT, "smtpd" },
	{ ROLE_SMTPD, true, "_ampelsubmit", PATH_CHROOT, "submit" },
	{ ROLE_POP3D, true, "_ampelpop", PATH_CHROOT, "pop3d" },
	{ ROLE_LOOKUP, false, "_ampellookup", PATH_ETC, NULL },
	{ ROLE_HIQ, false, "_ampelfilter", PATH_CHROOT, "hiq" },
	{ ROLE_QUEUE, false, "_ampelqueue", PATH_SPOOL, "" },
	{ ROLE_REMOTE, false, "_ampelremote", PATH_CHROOT, "remote" },
	{ ROLE_DNS, false, "_ampeldns", PATH_CHROOT, "dns" },
	{ ROLE_FETCH, false, "_ampelfetch", PATH_CHROOT, "fetch" },
};

enum { DUTIES = sizeof duties / sizeof duties[0] };

static const char mail_account[] = "_ampelmail";
static const char auth_account[] = "_ampelauth";

static const struct duty *
find_duty(enum peer_role role, struct bytes instance)
{
	for (size_t i = 0; i < DUTIES; i++)
		if (duties[i].role == role &&
		    duties[i].has_users == role_has_users(instance))
			return &duties[i];
	return NULL;
}

/* Only what runs needs an account; filters may come with a reload. */
static bool
is_needed(const struct config *config, const struct duty *duty)
{
	switch (duty->role) {
	case ROLE_SMTPD:
	case ROLE_POP3D:
		return role_is_served(config, duty->role, duty->has_users);
	case ROLE_HIQ:
		return config->n_filter > 0;
	case ROLE_LOOKUP:
	case ROLE_QUEUE:
	case ROLE_REMOTE:
	case ROLE_DNS:
	case ROLE_FETCH:
		return true;
	case ROLE_NONE:
	case ROLE_DELIVER:
	case ROLE_AUTH:
	case ROLE_MAILBOX:
	case ROLE_ADMIN:
		break;
	}
	return false;
}

/* Who checks passwords: we, or the program that the configuration names. */
static struct bytes
name_of_auth(const struct config *config)
{
	return bytes_equal(config->password_check, BYTES("file"))
	    ? bytes_of(auth_account)
	    : config->password_user;
}

bool
account_is_root(const struct config *config, enum peer_role role)
{
	/* PAM's modules read the system's shadow file, for one */
	return role == ROLE_AUTH &&
	    (bytes_equal(config->password_check, BYTES("pam")) ||
	        bytes_equal(name_of_auth(config), BYTES("root")));
}

bool
account_of(const struct config *config, enum peer_role role,
    struct bytes instance, char name[ACCOUNT_NAME])
{
	const struct duty *duty = find_duty(role, instance);

	if (account_is_root(config, role))
		return false;
	if (role == ROLE_AUTH)
		return bytes_to_string(name_of_auth(config), name, ACCOUNT_NAME);
	return duty &&
	    bytes_to_string(bytes_of(duty->account), name, ACCOUNT_NAME);
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

static bool
check_account(const char *name, char *error, size_t size)
{
	uint32_t uid, gid;

	if (account_find(name, &uid, &gid))
		return true;
	snprintf(error, size,
	    "account %s is missing: contrib/sysusers/create makes it", name);
	return false;
}

/* Its name may be the configuration's. */
static bool
check_auth(const struct config *config, char *error, size_t size)
{
	char     name[ACCOUNT_NAME];
	uint32_t uid, gid;

	if (account_is_root(config, ROLE_AUTH))
		return true;
	if (!account_of(config, ROLE_AUTH, BYTES(""), name) ||
	    strcmp(name, auth_account) == 0)
		return check_account(auth_account, error, size);
	if (account_find(name, &uid, &gid))
		return true;
	snprintf(error, size,
	    "\"password_user\": there is no account %s, or it is a second root",
	    name);
	return false;
}

bool
accounts_check(const struct config *config, char *error, size_t size)
{
	for (size_t i = 0; i < DUTIES; i++)
		if (is_needed(config, &duties[i]) &&
		    !check_account(duties[i].account, error, size))
			return false;
	if (role_is_auth_needed(config) && !check_auth(config, error, size))
		return false;
	return config->users != USERS_FILE ||
	    check_account(mail_account, error, size);
}

/* --- folders --- */

bool
account_folder(const struct config *config, enum peer_role role,
    struct bytes instance, char path[PATHS_MAX])
{
	const struct duty *duty = find_duty(role, instance);

	return duty && duty->folder &&
	    paths_get(config, duty->place, bytes_of(duty->folder), path);
}

bool
account_can_reach(const char *path, uint32_t uid, uint32_t gid, char *blocked,
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
	if (!account_can_reach(path, uid, gid, blocked, sizeof blocked)) {
		snprintf(error, size, "%s: %s cannot reach it, %s lets it not "
		    "pass (chmod o+x, or choose another place)",
		    path, account, blocked);
		return false;
	}
	return true;
}

/* Those that belong to none of our accounts. */
static const struct {
	enum path place;
	mode_t    mode;
} common[] = {
	{ PATH_ETC, 0755 },
	{ PATH_STATE, 0755 },
	{ PATH_CHROOTS, 0755 },
	{ PATH_MAIL, 0755 },
	{ PATH_RUN, 0755 },
};

bool
accounts_make_folders(
    const struct config *config, bool as_root, char *error, size_t size)
{
	char path[PATHS_MAX];

	for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
		if (!paths_get(config, common[i].place, BYTES(""), path)) {
			snprintf(error, size, "\"root\" is too long");
			return false;
		}
		if (!make_folder(
		        path, common[i].mode, NULL, as_root, error, size))
			return false;
	}
	for (size_t i = 0; i < DUTIES; i++) {
		const struct duty *duty = &duties[i];

		if (duty->folder == NULL || !is_needed(config, duty))
			continue;
		if (!paths_get(
		        config, duty->place, bytes_of(duty->folder), path) ||
		    !make_folder(path, 0700, duty->account, as_root, error, size))
			return false;
	}
	return true;
}
