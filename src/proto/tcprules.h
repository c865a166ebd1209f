/*
 * tcprules(1): who may connect, and what is known of him. "address:allow,VAR="value"" or
 * "address:deny"; address is "1.2.3.4", a prefix "1.2.", ranges in an octet ("1.2.3-7.", "1.2.3.4-9"),
 * CIDR "1.2.3.0/22" and "2001:db8::/32", an IPv6 address, "=host.example", "=.suffix", "=",
 * "info@" and one address or "=host", or empty. Any character that does not occur in it may quote a
 * value. As text or as the cdb that tcprules made of it, which has neither CIDR nor IPv6 networks.
 *
 * The order of search is that of tcprules: "info@address", "info@=host", the address, "=host",
 * then shorter and shorter parts of the address (the longest prefix, CIDR by its bits), then of
 * the name, "=" (a name is known), and the empty address. Of two rules for the same the first counts.
 * Ranges are kept as such: none can blow the table up.
 */
#ifndef AMPEL_PROTO_TCPRULES_H
#define AMPEL_PROTO_TCPRULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/mistakes.h"
#include "proto/constant_db.h"

enum { TCPRULES_FILE_MAX = 64 * 1024 * 1024 };

struct tcprule; /* private */

/* Zeroed allows everybody. */
struct tcprules {
	/* Private. */
	struct tcprule    *first;
	size_t             n;
	bool               needs_name;
	struct constant_db db;
	bool               is_db;
};

/*
 * Text or cdb, found out from the content, which must live as long, as must the arena. Every
 * broken line is a mistake, as is a DATABYTES that is no number, and RELAYCLIENT for strangers; variables
 * that mean nothing here are none.
 */
void tcprules_read(struct tcprules *r, struct bytes content, struct arena *arena,
    struct mistakes *mistakes);

/* Whether a rule asks for names ("="); of a cdb: whether any key does. */
bool tcprules_needs_name(const struct tcprules *r);

struct tcprules_client {
	struct bytes address; /* numeric, as text; IPv6 without brackets */
	struct bytes name;    /* its verified name, lower case; empty: unknown */
	struct bytes info;    /* TCPREMOTEINFO; empty: unknown */
};

struct tcprules_answer {
	bool         allowed;
	struct bytes variables; /* for tcprules_variable */
	bool         is_found;  /* a rule was; without one everybody is allowed */
};

void tcprules_find(const struct tcprules *r,
    const struct tcprules_client *client, struct tcprules_answer *out);

/* The value of a variable that the rule sets; the last one counts. False: it sets none of that name. */
bool tcprules_variable(const struct tcprules_answer *answer, struct bytes name,
    struct bytes *value);

/* DATABYTES; 0: no limit. False: it is not set, or no number. */
bool tcprules_size(const struct tcprules_answer *answer, uint64_t *out_bytes);

#endif
