/* The message on its way from stdin to stdout. */
#ifndef AMPEL_TOOLS_SPAMC_MESSAGE_H
#define AMPEL_TOOLS_SPAMC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/*
 * Read to the end, but not more than one byte above max_bytes: then it is too
 * large, and its rest is still to be read. False with errno.
 */
bool spamc_message_read(int fd, uint64_t max_bytes, struct buf *text);

/* Copy what is left of from. False with errno. */
bool spamc_message_copy_rest(int from, int to);

/* Where header fields can be put: on top, but behind the line "From " of an mbox. */
size_t spamc_message_top(struct bytes text);

/* Behind the header section and its empty line; nothing when there is none. */
struct bytes spamc_message_body(struct bytes text);

/*
 * Add to fields what a message that is spam must have and this one has not:
 * X-Spam-Flag and X-Spam-Status. Usually spamd has put them in.
 */
void spamc_message_add_marks(struct buf *fields, struct bytes text,
    int64_t score_milli, int64_t threshold_milli);

/* The field that a message gets which nobody has looked at. */
void spamc_message_add_unscanned(
    struct buf *fields, struct bytes text, uint64_t max_bytes);

#endif
