#include "ampel/route_password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "io/file.h"
#include "service/route_passwords.h"

enum {
	PATH_TEXT = 4096,
	/* What file_read_secret asks room for at once: a larger buffer would be moved, and
	 * what it leaves behind is not wiped. */
	FILE_MAX = 64 * 1024,
};

static const char *
reason(int error)
{
	switch (error) {
	case EPERM:
		return "everybody may read or change it: chmod o=";
	case ELOOP:
		return "is a symbolic link: name the file itself";
	case EINVAL:
		return "is not a file";
	case EFBIG:
		return "is too long for a password";
	default:
		return strerror(error);
	}
}

/*
 * Who else may read it; NULL: nobody. Without root all is the runner's own, and what his
 * groups may read is his affair.
 */
static const char *
exposure(const struct config *config, const struct stat *st)
{
	char     account[ACCOUNT_NAME];
	uint32_t uid = 0, gid = 0;

	if (geteuid() != 0)
		return NULL;
	/* a missing account is said by check_accounts */
	if (account_of(config, ROLE_REMOTE, BYTES(""), account))
		account_find(account, &uid, &gid);
	if (st->st_uid != 0 && st->st_uid != uid)
		return "its owner is neither root nor _ampelremote: chown root";
	if (st->st_gid != 0 && st->st_gid != gid &&
	    (st->st_mode & (S_IRGRP | S_IWGRP)))
		return "a group that is not _ampelremote's may read or change it: "
		       "chmod g=";
	return NULL;
}

static bool
take_line(struct bytes text, struct buf *password, const char **why)
{
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	*why = route_password_fault(text);
	if (*why)
		return false;
	buf_add_bytes(password, text);
	return true;
}

bool
route_password_read(const struct config *config,
    const struct config_route *route, struct buf *password, char *error,
    size_t size)
{
	char        path[PATH_TEXT];
	const char *why = NULL;
	struct buf  text;
	struct stat st;
	bool        good = false;

	buf_init(&text, FILE_MAX);
	if (!bytes_to_string(route->password_file, path, sizeof path))
		why = reason(ENAMETOOLONG);
	else if (file_read_secret(path, &text, &st) == -1)
		why = reason(errno);
	else
		why = exposure(config, &st);
	if (why == NULL)
		good = take_line(buf_bytes(&text), password, &why);
	if (!good)
		snprintf(error, size, "%.*s: %s",
		    BYTES_ARG(route->password_file), why);
	buf_wipe(&text);
	return good;
}
