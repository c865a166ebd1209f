/*
 * Who exists here, and where an address leads. One function answers at RCPT and
 * at delivery, so that nobody is accepted whom delivery would not find.
 *
 * Tables are built once from the parsed files and then only read; a changed file
 * makes a new directory. Pure: files and uids are not touched.
 */
#ifndef AMPEL_MAIL_DIRECTORY_H
#define AMPEL_MAIL_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/address.h"
#include "mail/outcome.h"

struct directory;

/* All views are copied. NULL: no memory. */
struct directory *directory_new(void);
void              directory_free(struct directory *d);

bool directory_add_domain(struct directory *d, struct bytes domain);
bool directory_add_user(struct directory *d, struct bytes name);
/*
 * name is a local part ("postmaster"), an address ("a@example.org") or a whole
 * domain ("@example.org"); each target an address, a local name, a user name.
 * False with *mistake set: the name stands twice or a target is of a kind that
 * is not there ("|program", "/file": not yet).
 */
bool directory_add_alias(struct directory *d, struct bytes name,
    const struct bytes *targets, size_t n, const char **mistake);
void directory_set_delimiter(struct directory *d, struct bytes delimiter);
void directory_set_hostname(struct directory *d, struct bytes hostname);

enum route_kind {
	ROUTE_UNKNOWN_USER = 0, /* 550 5.1.1 */
	ROUTE_NOT_OURS,         /* another domain: relaying */
	ROUTE_USER,             /* a mailbox here */
	ROUTE_EXPANDED,         /* an alias: these recipients instead */
};

struct route {
	enum route_kind     kind;
	struct bytes        user;      /* ROUTE_USER */
	struct bytes        extension; /* what stood behind the delimiter */
	const struct bytes *targets;   /* ROUTE_EXPANDED: canonical addresses */
	size_t              n_targets;
	/*
	 * ROUTE_EXPANDED: an owner-NAME alias exists: it becomes the reverse-path
	 * (canonical address); else empty.
	 */
	struct bytes        owner;
};

/*
 * Order: "a@dom" alias, "user+tag" as written then without its tag, local-part
 * alias, user, "@dom" alias. Local parts match without case. postmaster and
 * abuse of every domain of ours, and <Postmaster> without a domain, always
 * exist: without an alias or user of that name they lead to the alias or user
 * root, else to the first user. One step only: the targets are routed again.
 * Views live as long as d and arena.
 */
void directory_route(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out);

#endif
