/*
 * MTA-STS, RFC 8461: the TXT record that announces a policy, the policy itself, and
 * whether a mail host is one that it names. Both texts are somebody else's.
 */
#ifndef AMPEL_PROTO_MTA_STS_H
#define AMPEL_PROTO_MTA_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/message.h"

enum {
	STS_ID_MAX = 32,
	STS_POLICY_MAX = 64 * 1024, /* octets of the text, section 3.3 */
	STS_PATTERNS_MAX = 100,
	STS_MAX_AGE_S = 31557600,   /* section 3.2; larger ones are cut */
};

/* Whether a TXT record means to be one of MTA-STS. Of several, section 3.1: no policy. */
bool sts_is_record(struct bytes text);
/*
 * The record, "v=STSv1; id=20160831085700Z;". False: it is not one of MTA-STS, or is malformed. id
 * borrows; letters and digits.
 */
bool sts_record_parse(struct bytes text, struct bytes *id);

struct sts_policy {
	enum sts_mode       mode;
	uint64_t            max_age_s;
	const struct bytes *patterns; /* "mx.example.net", "*.example.net"; lower case */
	size_t              n_patterns;
};

/* Section 3.2. Views live in arena. False with *mistake, a literal. */
bool sts_policy_parse(struct bytes text, struct arena *arena,
    struct sts_policy *out, const char **mistake);

/* Section 4.1: "*.example.net" is exactly one label. host without the final dot; without case. */
bool sts_pattern_matches(struct bytes pattern, struct bytes host);

#endif
