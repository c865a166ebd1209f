/* Whether the DNS says that a domain has a policy (RFC 8461 section 3.1), and which. */
#ifndef AMPEL_FETCH_ANNOUNCEMENT_H
#define AMPEL_FETCH_ANNOUNCEMENT_H

#include "base/bytes.h"
#include "proto/mta_sts.h"
#include "service/dns_client.h"

struct announcement {
	char id[STS_ID_MAX + 1]; /* "": none that counts */
	char why[128];           /* there is none although something is there, or nobody knows */
};

/* Of the TXT records of _mta-sts.DOMAIN. */
void announcement_read(struct announcement *a, const struct dns_answer *answer);

#endif
