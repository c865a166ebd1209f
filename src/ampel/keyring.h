/*
 * Certificates and private keys of the listeners: read by root from the files of the
 * tls blocks, or made by ourselves where none applies, and handed to each listener's
 * workers as a sealed memory file, with a ticket key that lives as long as the
 * supervisor. A worker that is restarted gets what was read, not what the files
 * have become.
 */
#ifndef AMPEL_AMPEL_KEYRING_H
#define AMPEL_AMPEL_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/config.h"

struct keyring;

/*
 * Read and check them all. Ticket keys come from old, which may be NULL. NULL with a line
 * in error.
 */
struct keyring *keyring_load(const struct config *config,
    const struct keyring *old, char *error, size_t size);
void            keyring_free(struct keyring *k);

/* Log what can be used but should not be: self-signed, expired, not yet valid. */
void keyring_warn(const struct keyring *k);

/* The memory file of a listener stays the keyring's, and so does the ticket key. -1: it has none. */
int keyring_find(const struct keyring *k, struct bytes listener,
    struct bytes *ticket_key);

/* ", certificate: 89 days left", for people; nothing when the listener has none. */
void keyring_describe(const struct keyring *k, struct bytes listener,
    uint64_t now_ms, struct buf *out);

#endif
