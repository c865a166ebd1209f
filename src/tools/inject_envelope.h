/*
 * The envelope on descriptor 1, and its addresses as SMTP writes them. qmail's are plain
 * bytes: what stands in front of the last '@' is the local part itself and gets quotes where RFC
 * 5321 section 4.1.2 asks for them.
 */
#ifndef AMPEL_TOOLS_INJECT_ENVELOPE_H
#define AMPEL_TOOLS_INJECT_ENVELOPE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/envelope.h"
#include "proto/qmail_queue.h"

struct inject_envelope {
	struct qmail_envelope      qmail;
	struct arena               arena;
	struct bytes               reverse_path; /* empty: the null one; or mail/verp.h */
	struct envelope_recipient *recipients;
	size_t                     n_recipients;
	bool                       has_utf8;
};

void inject_envelope_init(struct inject_envelope *e);
void inject_envelope_finish(struct inject_envelope *e);

/* Up to its last NUL. READ_ERROR with errno, 0 at an early end. */
enum qmail_queue_code inject_envelope_read(struct inject_envelope *e, int fd);

/*
 * Fill in reverse_path and recipients; domain stands behind an address that has none. REJECTED: *bad cannot
 * be an address. NO_MEMORY.
 */
enum qmail_queue_code inject_envelope_translate(
    struct inject_envelope *e, struct bytes domain, struct bytes *bad);

#endif
