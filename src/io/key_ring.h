/* The private keys of a server, each with its certificates. Needs libcrypto, not libssl. */
#ifndef AMPEL_IO_KEY_RING_H
#define AMPEL_IO_KEY_RING_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct key_ring_pair {
	EVP_PKEY       *key;
	X509           *certificate; /* the server's own */
	STACK_OF(X509) *chain;       /* those that signed it */
	/* Its name is that of the first pair; shown to who asks for no name of ours. */
	bool            is_preset;
};

struct key_ring {
	struct key_ring_pair *pairs;
	size_t                n;
};

/*
 * Fill an empty ring from a text in PEM: keys, behind each its own certificate and then
 * its chain. NULL, or what is wrong; the ring is to be finished in both cases.
 */
const char *key_ring_read(struct key_ring *ring, struct bytes text);
void        key_ring_finish(struct key_ring *ring);

/* Whether its certificate is good for that host. */
bool key_ring_pair_bears(const struct key_ring_pair *pair, const char *host);
/* Whether any is. */
bool key_ring_bears(const struct key_ring *ring, const char *host);

#endif
