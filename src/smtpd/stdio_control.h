/* What a session takes from the files of qmail's control/, read once. */
#ifndef AMPEL_SMTPD_STDIO_CONTROL_H
#define AMPEL_SMTPD_STDIO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proto/constant_db.h"

enum stdio_control_file {
	CONTROL_ME,
	CONTROL_SMTPGREETING,
	CONTROL_LOCALIPHOST,
	CONTROL_TIMEOUTSMTPD,
	CONTROL_DATABYTES,
	CONTROL_RCPTHOSTS,
	CONTROL_BADMAILFROM,
	CONTROL_FILES
};

struct stdio_control {
	struct bytes hostname;    /* me, or the first word of the greeting */
	struct bytes greeting;
	struct bytes localiphost; /* what an address literal of our own means */
	uint64_t     timeout_s;
	uint64_t     size_max;    /* UINT64_MAX: no limit */
	bool         has_rcpthosts; /* without it nobody is accepted who may not relay */
	struct bytes rcpthosts, badmailfrom;
	struct constant_db morercpthosts; /* zeroed: none */

	/* Private. */
	struct buf   text[CONTROL_FILES];
	void        *mapped; /* morercpthosts.cdb; NULL: none */
	size_t       mapped_bytes;
};

enum stdio_control_result {
	CONTROL_READ,
	CONTROL_NONE,       /* there is no such folder */
	CONTROL_UNREADABLE, /* why says it in one line (size bytes) */
};

enum stdio_control_result stdio_control_read(
    struct stdio_control *c, const char *folder, char *why, size_t size);
void stdio_control_finish(struct stdio_control *c);

#endif
