/*
 * One libunbound context: one configuration, one cache, one thread of its own that
 * resolves and validates. It is closed and another one opened when the configuration
 * changes.
 */
#ifndef AMPEL_DNS_RESOLVER_H
#define AMPEL_DNS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "dns/sources.h"
#include "mail/config.h"
#include "proto/dns_record.h"
#include "proto/message.h"

enum { RESOLVER_FILES = 4096 }; /* descriptors that two of them may need */

struct resolver;

/*
 * Everything is checked, a question about ourselves is answered, nothing is sent. The
 * first one must be opened before the sandbox: the library then reads what it will read.
 * NULL with a line in error.
 */
struct resolver *resolver_open(uv_loop_t *loop, const struct config_dns *config,
    const struct sources *sources, char *error, size_t size);
/* What is open is forgotten. Not from inside an answer. NULL is allowed. */
void             resolver_close(struct resolver *r);

/* One question; the first member of the asker's own struct. */
struct errand {
	char     name[DNS_NAME_MAX + 1]; /* dns_name_is_host; lower case */
	uint16_t type;
	/*
	 * From the loop: as MSG_DNS has it, but for q and is_large. Its views live for
	 * the call. The errand is its owner's again.
	 */
	void   (*answered)(struct errand *errand, const struct msg_dns *answer);
};

/*
 * The errand stays until it is answered or the resolver closed: the library goes on with
 * what nobody waits for any more, and so it is to be counted. False: no memory.
 */
bool resolver_ask(struct resolver *r, struct errand *errand);

#endif
