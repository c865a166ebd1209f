/*
 * Who exists here, and where an address leads. One function answers at RCPT and
 * at delivery, so that nobody is accepted whom delivery would not find.
 *
 * Tables are built once from the parsed files and then only read; a changed file
 * makes a new directory. Pure: files and uids are not touched.
 *
 * With accounts that have .qmail files (directory_set_qmail, assignments) addresses lead where
 * qmail has them lead: a virtual domain puts its owner in front ("example.com:joe" makes
 * info@example.com joe-info), then an assignment of that local part, the longest; else the
 * longest user "joe" of "joe-info"; else the alias user, for whom all of it is the extension.
 * Whether he has a .qmail file for an extension only he can see: must_ask. Aliases(5) come
 * before all that.
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
 * domain ("@example.org"); each target an address, a local name, a user name, or
 * "\joe": the user joe whatever the aliases say. A target equal to the alias
 * itself means that too. Set the hostname before: it is the domain of local names.
 * False with *mistake set: the name stands twice or a target is of a kind that
 * is not there ("|program", "/file": not yet).
 */
bool directory_add_alias(struct directory *d, struct bytes name,
    const struct bytes *targets, size_t n, const char **mistake);
void directory_set_delimiter(struct directory *d, struct bytes delimiter);
/* One whose mail we pass on: "example.net", or ".example.net" for all below it. */
bool directory_add_relay_domain(struct directory *d, struct bytes domain);
/*
 * A line of virtualdomains: key is "user@dom", "dom", ".suffix" or empty (all others that are
 * not ours), in this order of search; prepend empty: an exception, not ours. A key that stands
 * twice: the last counts, as qmail has it. Not for what directory_add_domain names.
 */
bool directory_add_virtual(
    struct directory *d, struct bytes key, struct bytes prepend);
/*
 * The users that were added have .qmail files and dash extensions. alias_user: who gets what
 * is nobody's, with dash "-"; empty: nobody does.
 */
bool directory_set_qmail(struct directory *d, struct bytes alias_user);
/* Assignments come before users; a outlives d. */
struct assignments;
void directory_set_assignments(struct directory *d, const struct assignments *a);
/* It is one of our domains too, once there is any: with none, nobody is ours. */
void directory_set_hostname(struct directory *d, struct bytes hostname);

/*
 * Once all is added: the name of an alias from which all ways lead to aliases
 * again and none to a user or elsewhere. Mail for it would vanish. Empty: none.
 */
struct bytes directory_find_loop(struct directory *d);

enum route_kind {
	ROUTE_UNKNOWN_USER = 0, /* 550 5.1.1 */
	ROUTE_NOT_OURS,         /* another domain: relaying */
	ROUTE_USER,             /* a mailbox here */
	ROUTE_EXPANDED,         /* an alias: these recipients instead */
};

/* Of a user's name, or of the key of an assignment. */
enum { DIRECTORY_USER_MAX = 383 };

struct route {
	enum route_kind     kind;
	bool                is_relayed; /* ROUTE_NOT_OURS: of a relay domain, anybody may send there */
	struct bytes        user;      /* ROUTE_USER: his name; or the key of his assignment, mail/assignments.h */
	struct bytes        extension; /* what stood behind the delimiter; with is_qmail EXT */
	bool                is_qmail;  /* his .qmail files say what becomes of it: */
	bool                must_ask;  /* it exists only if one of them is for this extension */
	struct bytes        local;     /* LOCAL: the local part with what a virtual domain puts in front */
	struct bytes        dash;      /* what stands between ".qmail" and the extension; may be empty */
	const struct bytes *targets;   /* ROUTE_EXPANDED: canonical addresses */
	size_t              n_targets;
	/*
	 * ROUTE_EXPANDED: an owner-NAME alias exists: it becomes the reverse-path
	 * (canonical address); else empty.
	 */
	struct bytes        owner;
};

/*
 * Order: the local part as written, then without its tag ("user+tag", the
 * longest first), each as "a@dom" alias, local-part alias, user; then the "@dom"
 * alias. Local parts match without case. postmaster and
 * abuse of every domain of ours, and <Postmaster> without a domain, always
 * exist: without an alias or user of that name they lead to the alias or user
 * root, else to the first user. One step only: the targets are routed again.
 *
 * Accounts with .qmail files come behind the aliases of the local part as written: its
 * assignment, its user, a user in front of a dash. The alias user comes behind what is found without
 * a tag, unless there is an "@dom" alias, which then gets the rest. Of a virtual domain's address the
 * accounts are those of what it is made, and local-part aliases do not count.
 * Views live as long as d and arena.
 */
void directory_route(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out);

/*
 * The account says that it has no .qmail file for what directory_route found. postmaster and
 * abuse then lead to the local ones; everybody else is unknown.
 */
void directory_route_without(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out);

/*
 * Whether mail to that address reaches the user: then he may also send as it. An alias
 * of several users is each one's own.
 */
bool directory_is_own(const struct directory *d, struct arena *arena,
    const struct address *address, struct bytes user);

#endif
