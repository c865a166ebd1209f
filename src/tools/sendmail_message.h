/*
 * The message that somebody gives to sendmail(8) on stdin: read to its end, its header section
 * looked at and completed.
 */
#ifndef AMPEL_TOOLS_SENDMAIL_MESSAGE_H
#define AMPEL_TOOLS_SENDMAIL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"

enum { SENDMAIL_MESSAGE_MAX = 1024 * 1024 * 1024, SENDMAIL_RECIPIENTS_MAX = 10000 };

struct sendmail_message {
	struct buf   text; /* LF line ends */
	struct arena arena; /* of the recipients that were found */
	bool         has_8bit;
};

void sendmail_message_init(struct sendmail_message *m);
void sendmail_message_finish(struct sendmail_message *m);

/*
 * Read fd to its end, or to a line "." unless ignores_dots. A CRLF becomes LF. False with
 * errno (EFBIG: too large).
 */
bool sendmail_message_read(struct sendmail_message *m, int fd, bool ignores_dots);

/*
 * The addresses of To, Cc and Bcc, one call of `found` each; then Bcc is taken out (the message without it
 * is the text from then on). False: one of them is not an address, *broken; or no memory.
 */
bool sendmail_message_recipients(struct sendmail_message *m,
    void (*found)(struct bytes address, void *context), void *context,
    struct bytes *broken);

/* Without a From field it gets one: "From: NAME <address>"; name may be empty. */
void sendmail_message_complete(
    struct sendmail_message *m, struct bytes name, struct bytes address);

#endif
