/* What tcprules.c, which finds rules, and tcprules_text.c, which reads them, share. */
#ifndef AMPEL_PROTO_TCPRULES_PRIVATE_H
#define AMPEL_PROTO_TCPRULES_PRIVATE_H

#include "base/network.h"
#include "proto/tcprules.h"

/* Whom a rule is for. */
enum tcprule_kind {
	TCPRULE_ANYBODY,
	TCPRULE_OCTETS,  /* "1.2.3.4", "1.2.", "1.2-3.": IPv4 as tcprules has it */
	TCPRULE_NETWORK, /* IPv6, and CIDR of both kinds */
	TCPRULE_NAME,    /* "=host.example" */
	TCPRULE_DOMAIN,  /* "=.example": every name that ends so */
	TCPRULE_NAMED,   /* "=": a name is known */
};

struct tcprule {
	struct tcprule   *next;
	enum tcprule_kind kind;
	bool              has_info;
	struct bytes      info;
	uint8_t           from[4], to[4]; /* of each octet */
	unsigned          octets;
	struct network    network;
	struct bytes      name;      /* as it is compared: with its dot */
	struct bytes      variables; /* in the form of the cdb: "D\0" and "+NAME=value\0" */
};

/* Said of an address behind its quotes. */
#define TCPRULES_OPEN_RELAY \
	"is for strangers, and RELAYCLIENT would make an open relay; expected only " \
	"hosts of your own"

/* Whether who comes in by a rule may send to everywhere. */
bool tcprules_may_relay(struct bytes variables);

void tcprules_read_text(struct tcprules *r, struct bytes content,
    struct arena *arena, struct mistakes *mistakes);

/*
 * What counts here and is not what it should be; line 0: where, "the rule of ...: ", stands in
 * the place of a line.
 */
void tcprules_check_variables(struct bytes variables, unsigned line,
    const char *where, struct arena *arena, struct mistakes *mistakes);

#endif
