/*
 * The two files of users, ETC/passwd and ETC/shadow: changed under one lock, each replaced
 * as a whole. The functions give 0, or an exit code of sysexits(3) of which a line on
 * stderr has told.
 */
#ifndef AMPEL_AMPEL_USER_FILES_H
#define AMPEL_AMPEL_USER_FILES_H

#include <stdbool.h>

#include "base/buf.h"
#include "mail/config.h"
#include "mail/paths.h"

struct user_files {
	const struct config *config;
	char                 passwd[PATHS_MAX];
	char                 shadow[PATHS_MAX];
	struct buf           passwd_text;
	struct buf           shadow_text;
	bool                 may_read_shadow;
	int                  lock; /* -1: only read */
};

/* Reads nothing yet. */
int  user_files_open(struct user_files *f, const struct config *config);
/* Wipes the hashes, and lets others change the files. */
void user_files_close(struct user_files *f);

/* To look. A file that is not there is empty; a shadow file may be closed to the caller. */
int user_files_read(struct user_files *f);
/* To change: the same, and nobody else changes them until they are closed. */
int user_files_lock(struct user_files *f);

int user_files_replace_passwd(struct user_files *f, const struct buf *content);
/* A new file is for root and the account that checks passwords. */
int user_files_replace_shadow(struct user_files *f, const struct buf *content);

#endif
