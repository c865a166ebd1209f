/*
 * Certificates and private keys of the listeners: read by root from the files of the
 * tls blocks, or made by ourselves where none applies, and handed to each listener's
 * workers as a sealed memory file, with a ticket key that lives as long as the
 * supervisor. A worker that is restarted gets what was read, not what the files
 * have become.
 */
#ifndef AMPEL_AMPEL_TLS_KEYS_H
#define AMPEL_AMPEL_TLS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/config.h"

struct tls_keys;

/*
 * Read and check them all. Ticket keys come from old, which may be NULL. NULL with a line
 * in error.
 */
struct tls_keys *tls_keys_load(const struct config *config,
    const struct tls_keys *old, char *error, size_t size);
void             tls_keys_free(struct tls_keys *k);

/* Whether a tls block applies to a listener; what has no TLS needs none. */
bool tls_keys_are_configured(const struct config *config, struct bytes listener);

/* Log what can be used but should not be: self-signed, expired, not yet valid. */
void tls_keys_warn(const struct tls_keys *k);

/* The memory file of a listener; it and the ticket key stay theirs. -1: it has none. */
int tls_keys_find(const struct tls_keys *k, struct bytes listener,
    struct bytes *ticket_key);

/* ", certificate: 89 days left", for people; nothing when the listener has none. */
void tls_keys_describe(const struct tls_keys *k, struct bytes listener,
    uint64_t now_ms, struct buf *out);

#endif
