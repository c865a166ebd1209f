/*
 * What the resolver starts from: trust anchors and the addresses of the root's servers.
 * They are files outside the chroot, so they are read before it and kept as text.
 */
#ifndef AMPEL_DNS_SOURCES_H
#define AMPEL_DNS_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/config.h"

struct sources {
	struct buf anchor_path, hints_path; /* as configured */
	struct buf anchors, hints;          /* what the files said; hints may be empty */
};

/*
 * Read what the configuration names; without an anchor that of Debian's dns-root-data, or
 * our own copy of the root's. False with a line in error. Finish it in any case.
 */
bool sources_read(struct sources *s, const struct config_dns *config, char *error,
    size_t size);
void sources_finish(struct sources *s);
/* Whether that configuration names the same files. */
bool sources_are_of(const struct sources *s, const struct config_dns *config);

/*
 * The next record of a zone file, put on one line without comments; RFC 1035 section 5.1,
 * but no quotes, which these records do not have. False: there is none.
 */
bool source_record(struct bytes *rest, struct buf *line);
/* The address in a record of the hints; false: it is of another type. */
bool source_address(struct bytes record, struct bytes *address);

#endif
