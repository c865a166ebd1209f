/* What the client hears of a message that is not queued (DESIGN section 4). */
#ifndef AMPEL_HIQ_REPLY_H
#define AMPEL_HIQ_REPLY_H

#include "base/buf.h"
#include "mail/id.h"
#include "mail/verdict.h"
#include "service/submit.h"

/* A reply line has 512 bytes (RFC 5321 section 4.5.3.1.5), code and all. */
enum { REPLY_MAX = 480, REPLY_MIN = 100 };

/*
 * The text is in b, which is emptied before; REPLY_MAX is room for all of it. In less, at
 * least REPLY_MIN, the reason is cut.
 */
struct submit_result reply_red(struct buf *b, const struct verdict *verdict,
    const struct id *id, struct bytes contact);
struct submit_result reply_error(struct buf *b, const struct id *id);

#endif
