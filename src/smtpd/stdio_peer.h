/* Who is at the other end: the environment of UCSPI (cr.yp.to/proto/ucspi.txt). */
#ifndef AMPEL_SMTPD_STDIO_PEER_H
#define AMPEL_SMTPD_STDIO_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct stdio_peer {
	struct bytes address;   /* "unknown" when there is none */
	struct bytes name;      /* empty: unknown */
	struct bytes own;       /* our address; empty: unknown */
	bool         is_inside; /* RELAYCLIENT is set, and the address is known */
	struct bytes suffix;    /* its value */
	bool         has_size_max;
	uint64_t     size_max;  /* UINT64_MAX: no limit */
};

/* Borrows from the environment. What is odd in it is logged. */
void stdio_peer_read(struct stdio_peer *p);

#endif
