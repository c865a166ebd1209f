/*
 * What the supervisor and `ampel check` must know of certificates and private keys.
 * Needs libcrypto, not libssl.
 */
#ifndef AMPEL_IO_CERTIFICATE_H
#define AMPEL_IO_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { CERTIFICATE_FILE_MAX = 1024 * 1024 };

struct certificate {
	uint64_t not_before_ms; /* since 1970 */
	uint64_t not_after_ms;
	bool     is_self_signed;
	char     name[256];     /* its first DNS name, or its subject's CN; printable */
};

enum certificate_fault {
	CERTIFICATE_FINE,
	CERTIFICATE_UNREADABLE, /* no certificate in PEM */
	CERTIFICATE_KEY_UNREADABLE, /* no private key in PEM, or one with a pass phrase */
	CERTIFICATE_KEY_MISMATCH,
	CERTIFICATE_KEY_WEAK,   /* RSA under 2048 bits, EC under 256; or signed with SHA-1 */
	CERTIFICATE_EXPIRED,    /* out is filled in; it can be used all the same */
	CERTIFICATE_NOT_YET,    /* likewise */
};

/*
 * chain: the server's certificate first, then those that signed it, PEM. Whether key is its
 * private key. Never asks for a pass phrase. The text of a fault for people:
 * certificate_fault_text, "the key does not belong to the certificate".
 */
enum certificate_fault certificate_check(struct bytes chain, struct bytes key,
    uint64_t now_ms, struct certificate *out);
const char *certificate_fault_text(enum certificate_fault fault);

/* Whole days until it expires, rounded down; negative when it has. */
int64_t certificate_days_left(const struct certificate *c, uint64_t now_ms);

/*
 * A new P-256 key and a certificate for hostname that it signed itself, valid for 800
 * days, both PEM. False: no memory or no randomness.
 */
bool certificate_make(
    struct bytes hostname, uint64_t now_ms, struct buf *chain, struct buf *key);

/*
 * Add the private key and behind it the chain, PEM, and nothing else that stands in those
 * two texts, which certificate_check has found to belong together. Room is taken for all of it
 * at once: out, which is then wiped, leaves nothing behind. False: no memory.
 */
bool certificate_add_pair(struct bytes chain, struct bytes key, struct buf *out);

#endif
