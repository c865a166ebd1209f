/*
 * Against the shadow file. Nobody can tell by the time or the answer whether there is such a
 * user, nor whether he is locked or expired: the same work is done for all.
 */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/check_inside.h"
#include "auth/users.h"
#include "io/clock.h"
#include "io/password.h"
#include "mail/paths.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

struct file_checker {
	struct checker checker; /* first: a checker is one of these */
	struct users   users;
};

struct file_check {
	struct check check; /* first: a check is one of these */
	bool         is_open;
	char         hash[CRYPT_OUTPUT_SIZE]; /* his; or one like his, for nobody */
};

static struct checker *
open_file(
    uv_loop_t *loop, const struct config *config, char *error, size_t size)
{
	struct file_checker *c = calloc(1, sizeof *c);
	char                 path[PATHS_MAX];

	(void)loop;
	if (c == NULL || !paths_get(config, PATH_SHADOW, BYTES(""), path)) {
		snprintf(error, size, "%s", c ? "shadow: the path is too long" :
		                                "no memory");
		free(c);
		return NULL;
	}
	users_init(&c->users, path);
	return &c->checker;
}

static void
close_file(struct checker *checker)
{
	struct file_checker *c = (struct file_checker *)checker;

	users_finish(&c->users);
	free(c);
}

/* In a thread of its own. */
static void
look(struct check *check)
{
	struct file_check   *f = (struct file_check *)check;
	struct check_result *result = &check->result;
	struct bytes         hash = bytes_of(f->hash);

	result->answer = PASSWORD_NO;
	if (!f->is_open) {
		password_check_nobody(hash, check->task->password);
		return;
	}
	switch (password_check(hash, check->task->password)) {
	case PASSWORD_FITS:
		result->answer = PASSWORD_YES;
		break;
	case PASSWORD_FITS_NOT:
		break;
	case PASSWORD_TROUBLE:
		result->answer = PASSWORD_TRY_LATER;
		snprintf(result->why, sizeof result->why, "no memory");
		break;
	}
}

static bool
start(struct check *check)
{
	struct file_check         *f = (struct file_check *)check;
	struct users              *users = &((struct file_checker *)check->checker)->users;
	const struct shadow_entry *entry;

	if (!users_refresh(users))
		return check_soon(check, PASSWORD_TRY_LATER,
		    "the shadow file cannot be used");
	entry = users_find(users, bytes_of(check->task->user));
	check->result.is_user = entry != NULL;
	f->is_open = entry && shadow_is_open(entry, clock_now_ms() / DAY_MS) &&
	    bytes_to_string(entry->hash, f->hash, sizeof f->hash);
	if (!f->is_open)
		bytes_to_string(users->like, f->hash, sizeof f->hash);
	return check_in_thread(check, look);
}

const struct check_way check_file = {
	.check_size = sizeof(struct file_check),
	.open = open_file,
	.close = close_file,
	.start = start,
	.cancel = check_cancel_in_thread,
};
