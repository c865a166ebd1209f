/*
 * A message as spamd gets it: a line with the reverse-path above all, and CRLF line
 * ends, for which its rules were written.
 */
#ifndef AMPEL_HIQ_SPAMD_BODY_H
#define AMPEL_HIQ_SPAMD_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { SPAMD_PIECE = 64 * 1024 };

struct spamd_body {
	int        fd;         /* the caller's */
	uint64_t   size_bytes; /* of the file */
	uint64_t   offset;     /* what was read of it */
	bool       after_cr;
	struct buf line;       /* the line above all */
};

void spamd_body_init(struct spamd_body *body, int fd, uint64_t size_bytes,
    struct bytes reverse_path);
void spamd_body_finish(struct spamd_body *body);
void spamd_body_rewind(struct spamd_body *body);

/*
 * Put the next piece into out, which is emptied before; at most twice SPAMD_PIECE and
 * the line above. Nothing at the end. False: it could not be read, or no memory.
 */
bool spamd_body_next(struct spamd_body *body, struct buf *out);

/* How many bytes all the pieces have; it is rewound. False as above. */
bool spamd_body_size(struct spamd_body *body, uint64_t *size_bytes);

#endif
