/* A certificate with its chain, and its private key, as two files in PEM. */
#ifndef AMPEL_AMPEL_KEY_PAIR_H
#define AMPEL_AMPEL_KEY_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "io/certificate.h"

struct key_pair {
	struct buf         chain; /* as the files are; either may hold both */
	struct buf         key;
	struct stat        key_file;
	struct certificate certificate;
	bool               is_untimely; /* expired or not yet valid, but can be used */
};

/*
 * Read both and check that they belong together. False: they cannot be used; error says
 * which file and why. With is_untimely error says so too. To be finished in any case.
 */
bool key_pair_read(struct key_pair *p, struct bytes certificate,
    struct bytes key, uint64_t now_ms, char *error, size_t size);
/*
 * The key and the chain behind it, nothing else of the files, to a memory file. -1
 * with errno.
 */
int  key_pair_write(const struct key_pair *p, int fd);
/* Wipes. */
void key_pair_finish(struct key_pair *p);

#endif
