/*
 * The message on descriptor 0, up to its end. It is kept in a memory file, which nobody
 * has to remove.
 */
#ifndef AMPEL_TOOLS_INJECT_MESSAGE_H
#define AMPEL_TOOLS_INJECT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/qmail_queue.h"

#define INJECT_MESSAGE_MAX (UINT64_C(1024) * 1024 * 1024)

struct inject_message {
	struct bytes text; /* mapped until the process ends */
	bool         has_8bit;
};

/*
 * READ_ERROR, WRITE_ERROR (no memory for it), or REJECTED: longer than INJECT_MESSAGE_MAX. Of
 * the first two errno says why.
 */
enum qmail_queue_code inject_message_read(struct inject_message *m, int fd);

#endif
