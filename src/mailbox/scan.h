/*
 * Reading a folder of a Maildir: the names in it that may be messages. No file is opened, and
 * none is looked at where the file system says of what kind it is.
 */
#ifndef AMPEL_MAILBOX_SCAN_H
#define AMPEL_MAILBOX_SCAN_H

#include <stdbool.h>

#include "base/bytes.h"

/* A name, with a NUL behind it; it lives for the call. False: enough. */
typedef bool scan_met(struct bytes name, void *context);

/*
 * All regular files in an open folder but those that begin with a dot or have no base
 * name. -1 with errno.
 */
int scan_folder(int folder, scan_met *met, void *context);

#endif
