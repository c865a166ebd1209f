/*
 * The files and folders that lines of a .qmail file name. They lie beneath the home, and no
 * symbolic link is followed on the way: users may share a uid, and one of them could lead us
 * into the mail of another.
 */
#ifndef AMPEL_DELIVER_BENEATH_H
#define AMPEL_DELIVER_BENEATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/bytes.h"

/*
 * The path of a line, "./mail/x" or HOME "/mail/x", as one that begins in the home: "mail/x",
 * "." for the home itself. False: it lies elsewhere. Ways upwards are beneath_open's to refuse.
 */
bool beneath_path(struct bytes line, const char *home, struct bytes *path);

/* As openat(2), close-on-exec. -1 with errno: EXDEV when it leads out, ELOOP by a link. */
int beneath_open(int home, struct bytes path, int flags, mode_t mode);

/* What such an errno means, for people. */
const char *beneath_problem(int error);

#endif
