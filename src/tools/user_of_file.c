#include "tools/user_of_file.h"

#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/password.h"
#include "proto/passwd.h"
#include "proto/shadow.h"

/* What is in it decides who may enter: whoever may change it may enter as anybody. */
static bool
read_guarded(const char *path, mode_t forbidden, struct buf *text)
{
	struct stat st;

	return file_read(path, text, &st) == 0 && (st.st_mode & forbidden) == 0;
}

static bool
read_passwd(struct user *user, struct bytes name, const char *path)
{
	struct passwd_entry entry;
	struct buf          text;
	bool                is_good = true;

	buf_init(&text, PASSWD_FILE_MAX);
	if (!read_guarded(path, S_IWGRP | S_IWOTH, &text)) {
		is_good = false;
	} else if (passwd_find(buf_bytes(&text), name, &entry)) {
		user->uid = entry.uid;
		user->gid = entry.gid;
		user->may_enter = true;
		is_good = user_set(user, entry.name, entry.home, entry.shell);
	}
	buf_finish(&text);
	return is_good;
}

/* A hash of the kind that users here have, or an empty one. */
static struct bytes
usual_hash(struct bytes text)
{
	struct shadow_entry entry;

	while (shadow_next(&text, &entry, NULL))
		if (password_strength(entry.hash) != PASSWORD_UNKNOWN)
			return entry.hash;
	return BYTES("");
}

static bool
take_hash(struct user *user, struct bytes name, struct bytes text)
{
	struct shadow_entry entry;

	if (!shadow_find(text, name, &entry) ||
	    !shadow_is_open(&entry, clock_today())) {
		user->may_enter = false;
		entry.hash = usual_hash(text);
	}
	return bytes_to_string(entry.hash, user->hash, sizeof user->hash);
}

static bool
read_shadow(struct user *user, struct bytes name, const char *path)
{
	struct buf text;
	bool       is_good;

	buf_init(&text, PASSWD_FILE_MAX);
	is_good = read_guarded(path, S_IWGRP | S_IWOTH | S_IROTH, &text) &&
	    take_hash(user, name, buf_bytes(&text));
	buf_wipe(&text);
	return is_good;
}

bool
user_of_file(struct user *user, struct bytes name, const char *passwd, const char *shadow)
{
	return read_passwd(user, name, passwd) && read_shadow(user, name, shadow);
}
