/*
 * qmail's variable envelope return paths: a reverse-path "list-@example.org-@[]" stands for
 * another one for each recipient, "list-joe=example.net@example.org" for joe@example.net. It is kept
 * as it is in the envelope, and expanded for each recipient when it leaves us.
 */
#ifndef AMPEL_MAIL_VERP_H
#define AMPEL_MAIL_VERP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

/* What such a reverse-path ends with. */
#define VERP_END "-@[]"

/* Whether it ends in "-@[]" and has an address before that. */
bool verp_is(struct bytes reverse_path);
/*
 * What recipient, an address as SMTP writes it, is sent with; the reverse-path itself when it
 * is no VERP. It may be longer than an address is here.
 */
void verp_add_for(struct buf *b, struct bytes reverse_path, struct bytes recipient);
/* Where notifications about it go, "list-@example.org": a view of it. No VERP: all of it. */
struct bytes verp_base(struct bytes reverse_path);

#endif
