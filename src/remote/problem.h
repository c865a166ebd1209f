/*
 * Why a server, or a whole destination, cannot be used just now; what the sender may
 * be told of it.
 */
#ifndef AMPEL_REMOTE_PROBLEM_H
#define AMPEL_REMOTE_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/outcome.h"

enum { PROBLEM_TEXT_MAX = 1024, PROBLEM_HOST_MAX = 320 };

enum problem_kind {
	PROBLEM_NONE,
	PROBLEM_TEMPORARY,
	PROBLEM_PERMANENT, /* for good when all say so */
	PROBLEM_TLS,       /* temporary; in the clear it might go */
	PROBLEM_LOOP,      /* it is ourselves: for good, whatever others say */
	PROBLEM_OURS,      /* temporary, and not the destination's fault */
};

struct problem {
	enum problem_kind kind;
	struct status     status;
	bool              is_reply; /* text is what host said */
	char              text[PROBLEM_TEXT_MAX + 1];
	char              host[PROBLEM_HOST_MAX + 1]; /* empty: none was asked */
};

/* Text is made printable and cut. */
void problem_set(struct problem *p, enum problem_kind kind, struct status status,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What another server said. */
void problem_set_reply(struct problem *p, enum problem_kind kind,
    struct status status, struct bytes reply);
/* "mx.example.net [192.0.2.1]"; name empty: the address alone. */
void problem_set_host(struct problem *p, struct bytes name, const uint8_t address[16]);

/* Its views live as long as p. */
struct outcome problem_outcome(const struct problem *p);
/*
 * Of one that comes later, while the destination is known to be down: text, which is the
 * caller's, says since when nobody tries.
 */
struct outcome problem_outcome_of_down(
    const struct problem *p, uint64_t probe_ms, char *text, size_t size);

#endif
