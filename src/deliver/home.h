/*
 * The home of a user, and the .qmail files in it. It and they must be ours alone to
 * write: whoever can write them is the user, for he has programs run as him.
 */
#ifndef AMPEL_DELIVER_HOME_H
#define AMPEL_DELIVER_HOME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proto/message.h"

enum { HOME_TEXT = 160 };

/*
 * O_PATH, close-on-exec. -1: it is not there, or not to be trusted, and why is the text for
 * the delivery, which is deferred.
 */
int home_open(const char *path, char why[HOME_TEXT]);

enum home_file {
	HOME_FILE_NONE,
	HOME_FILE_FOUND,
	HOME_FILE_UNUSABLE, /* why says why */
};

/* A .qmail file. */
struct home_qmail {
	char         name[256];
	struct bytes matched;      /* of ext, by "default" at the end of its name */
	bool         has_default;  /* its name ends so */
	bool         forward_only; /* its owner's x bit */
};

/* Look for the file of dash and ext, and append its content. */
enum home_file home_read(int home, struct bytes dash, struct bytes ext,
    struct home_qmail *file, struct buf *content, char why[HOME_TEXT]);

/* Whether there is one, usable or not: then the address exists. */
enum extension_answer home_has_extension(
    const char *home, struct bytes dash, struct bytes ext);

#endif
