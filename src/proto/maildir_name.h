/*
 * Names of files in a Maildir. The base name comes from queue id and recipient,
 * so that a second attempt finds what the first one has delivered; the name in
 * tmp/ is unique per attempt. ",S=" is the size on disk, ",W=" with CRLF.
 */
#ifndef AMPEL_PROTO_MAILDIR_NAME_H
#define AMPEL_PROTO_MAILDIR_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/id.h"

/* "SECONDS.ID.RECIPIENT.HOST,S=size,W=size": sizes do not belong to the identity. */
void maildir_name_add(struct buf *b, const struct id *id, uint32_t recipient,
    struct bytes hostname, uint64_t size_bytes, uint64_t wire_bytes);
void maildir_name_add_tmp(struct buf *b, const struct id *id, uint32_t recipient,
    struct bytes hostname, uint64_t attempt);

/*
 * Whether a name found in new/ or cur/ is this delivery, whatever flags (":2,S")
 * and sizes it has.
 */
bool maildir_name_matches(
    struct bytes name, const struct id *id, uint32_t recipient);

/* Of a name that any program has made: what stands before the flags. */
struct bytes maildir_name_base(struct bytes name);
/* The time that it begins with ("1785369104.M1P2.host"); 0: none. */
uint64_t     maildir_name_seconds(struct bytes name);
/* The ",W=" of its base. False: there is none. */
bool         maildir_name_wire_bytes(struct bytes name, uint64_t *wire_bytes);

#endif
