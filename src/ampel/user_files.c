#include "ampel/user_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "ampel/output.h"
#include "io/file.h"
#include "proto/passwd.h"

enum { LOCK_WAIT_MS = 10 * 1000 };

static int
complain_errno(const char *path)
{
	return output_complain(EX_CANTCREAT, path, strerror(errno));
}

int
user_files_open(struct user_files *f, const struct config *config)
{
	*f = (struct user_files){ .config = config, .lock = -1 };
	buf_init(&f->passwd_text, PASSWD_FILE_MAX);
	buf_init(&f->shadow_text, PASSWD_FILE_MAX);
	if (!paths_get(config, PATH_PASSWD, BYTES(""), f->passwd) ||
	    !paths_get(config, PATH_SHADOW, BYTES(""), f->shadow))
		return output_complain(EX_CONFIG, "root", "the path is too long");
	return 0;
}

void
user_files_close(struct user_files *f)
{
	if (f->lock != -1)
		close(f->lock);
	f->lock = -1;
	buf_wipe(&f->shadow_text);
	buf_finish(&f->passwd_text);
}

int
user_files_read(struct user_files *f)
{
	if (file_read(f->passwd, &f->passwd_text, NULL) == -1 && errno != ENOENT)
		return complain_errno(f->passwd);
	f->may_read_shadow = file_read(f->shadow, &f->shadow_text, NULL) == 0 ||
	    errno == ENOENT;
	if (!f->may_read_shadow && errno != EACCES)
		return complain_errno(f->shadow);
	return 0;
}

int
user_files_lock(struct user_files *f)
{
	char etc[PATHS_MAX];
	int  code;

	if (!paths_get(f->config, PATH_ETC, BYTES(""), etc) ||
	    file_make_folders(etc, 0755) == -1)
		return complain_errno("folder of the users' files");
	f->lock = file_lock(f->passwd, LOCK_WAIT_MS);
	if (f->lock == -1)
		return output_complain(
		    errno == ETIMEDOUT ? EX_TEMPFAIL : EX_CANTCREAT, f->passwd,
		    strerror(errno));
	code = user_files_read(f);
	if (code == 0 && !f->may_read_shadow)
		code = output_complain(EX_CANTCREAT, f->shadow, strerror(EACCES));
	return code;
}

static int
replace(const char *path, const struct buf *content, mode_t mode)
{
	if (content->failed)
		return output_complain(EX_CANTCREAT, path, "it would be too large");
	if (file_replace(path, buf_bytes(content), mode) == -1)
		return complain_errno(path);
	return 0;
}

int
user_files_replace_passwd(struct user_files *f, const struct buf *content)
{
	return replace(f->passwd, content, 0644);
}

/* --- a new shadow file --- */

static int
make_empty(const char *path, mode_t mode, gid_t gid)
{
	int fd = open(path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result;

	if (fd == -1)
		return -1;
	result = fchown(fd, geteuid(), gid);
	if (result == 0)
		result = fchmod(fd, mode);
	if (result == 0)
		result = fsync(fd);
	close(fd);
	return result;
}

/* Who else than its owner may read it: the account that checks passwords, if it is not root. */
static int
find_readers(const struct user_files *f, gid_t *gid, mode_t *mode)
{
	char     account[ACCOUNT_NAME], text[128];
	uint32_t uid;

	*gid = getegid();
	*mode = 0600;
	if (geteuid() != 0 ||
	    !account_of(f->config, ROLE_AUTH, BYTES(""), account))
		return 0;
	*mode = 0640;
	if (account_find(account, &uid, gid))
		return 0;
	snprintf(text, sizeof text, "account %s is missing", account);
	return output_complain(EX_CONFIG, text, "contrib/sysusers/create makes ours");
}

/*
 * The file appears with the right owner and mode, which file_replace keeps: it is never
 * there with others, whenever we are killed. (We hold the lock: the name is ours.)
 */
static int
make_shadow(struct user_files *f)
{
	char   beside[PATHS_MAX + sizeof ".new"];
	gid_t  gid;
	mode_t mode;
	int    code;

	if (access(f->shadow, F_OK) == 0)
		return 0;
	code = find_readers(f, &gid, &mode);
	if (code != 0)
		return code;
	snprintf(beside, sizeof beside, "%s.new", f->shadow);
	if (make_empty(beside, mode, gid) == -1 || rename(beside, f->shadow) == -1)
		return complain_errno(f->shadow);
	return 0;
}

int
user_files_replace_shadow(struct user_files *f, const struct buf *content)
{
	int code = make_shadow(f);

	return code != 0 ? code : replace(f->shadow, content, 0600);
}
