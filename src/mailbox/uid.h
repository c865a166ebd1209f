/*
 * The unique-id of a message, RFC 1939 section 7: made of the base name of its file, which
 * stays when flags change and when another server takes over the Maildir.
 */
#ifndef AMPEL_MAILBOX_UID_H
#define AMPEL_MAILBOX_UID_H

#include "base/bytes.h"
#include "proto/maildrop.h"

/*
 * The base name itself when a uid may be so (as qmail does it, so that clients that come
 * from there know what they have); else a colon, which no base name has, and its
 * fingerprint. Only the owner can name files in his Maildir, and who takes the trouble
 * to find two names with one fingerprint has confused his own client. The view is of
 * base or of room.
 */
struct bytes uid_of(struct bytes base, char room[MAILDROP_UID_MAX]);

#endif
