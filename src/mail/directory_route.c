#include "mail/directory.h"

#include "mail/assignments.h"
#include "mail/directory_inside.h"

/* One address on its way through the rules. */
struct search {
	const struct directory   *d;
	struct arena             *arena;
	struct route             *route;
	const struct alias_entry *alias; /* that was taken */
	struct bytes              domain;
	/* of a virtual domain: the domain is none of those that all aliases are for */
	bool                      is_virtual;
	struct bytes              prefix; /* "joe-", what it puts in front */
	/* as .qmail files know it: without quotes, behind the prefix, in its own case; or empty */
	struct bytes              local;
	char                      room[DIRECTORY_USER_MAX + 1]; /* for that */
};

static const struct bytes nothing = BYTES_INIT("");

/* A copy for the route. Without memory nobody is found, rather than somebody else. */
static struct bytes
copy(struct search *s, struct bytes text)
{
	struct bytes c = arena_copy(s->arena, text);

	if (c.p == NULL)
		s->route->kind = ROUTE_UNKNOWN_USER;
	return c;
}

static void
add_lower(struct buf *b, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(b, byte_lower(text.p[i]));
}

/* --- aliases --- */

static const struct alias_entry *
find_alias(const struct search *s, struct bytes local, struct bytes domain)
{
	char       room[CANONICAL_MAX + 16];
	struct buf b = directory_buf_in(room, sizeof room);

	buf_add_bytes(&b, local);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, domain);
	return b.failed ? NULL : table_find(&s->d->aliases, buf_bytes(&b));
}

/* Of that address, else of the local part in all our domains, virtual ones apart. */
static const struct alias_entry *
find_alias_of(const struct search *s, struct bytes local)
{
	const struct alias_entry *alias = find_alias(s, local, s->domain);

	if (alias == NULL && !s->is_virtual)
		alias = table_find(&s->d->aliases, local);
	return alias;
}

/* Bounces of a list go to whoever owns it, when the aliases say who does. */
static void
set_owner(struct search *s, struct bytes local)
{
	char         room[CANONICAL_MAX];
	struct buf   b = directory_buf_in(room, sizeof room);
	struct bytes owner;

	buf_add_string(&b, "owner-");
	buf_add_bytes(&b, local);
	owner = buf_bytes(&b);
	if (b.failed || owner.n > ADDRESS_LOCAL_MAX)
		return;
	if (find_alias_of(s, owner) != NULL)
		s->route->owner =
		    directory_copy_joined(s->arena, "", owner, "", s->domain);
}

static bool
take_alias(struct search *s, const struct alias_entry *alias)
{
	if (alias == NULL)
		return false;
	s->alias = alias;
	s->route->kind = ROUTE_EXPANDED;
	s->route->targets = alias->targets;
	s->route->n_targets = alias->n_targets;
	return true;
}

static bool
take_alias_of(struct search *s, struct bytes local)
{
	if (!take_alias(s, find_alias_of(s, local)))
		return false;
	set_owner(s, local);
	return true;
}

static const struct alias_entry *
find_domain_alias(const struct search *s)
{
	return find_alias(s, nothing, s->domain);
}

/* --- accounts --- */

/* Of the name that prefix and local are together. */
static const struct user_entry *
find_user(const struct search *s, struct bytes prefix, struct bytes local)
{
	char       room[DIRECTORY_USER_MAX + 1];
	struct buf b = directory_buf_in(room, sizeof room);

	add_lower(&b, prefix);
	add_lower(&b, local);
	return b.failed ? NULL : table_find(&s->d->users, buf_bytes(&b));
}

/*
 * The mailbox of a user itself. With .qmail files a tag counts for nothing: it stands in LOCAL
 * alone, unless that would hold a '/'.
 */
static bool
take_user(struct search *s, const struct user_entry *user, struct bytes tag)
{
	if (user == NULL)
		return false;
	s->route->kind = ROUTE_USER;
	s->route->user = user->name;
	s->route->is_qmail = s->d->is_qmail;
	if (s->d->is_qmail)
		s->route->local =
		    copy(s, s->local.n > 0 ? s->local : user->name);
	else if (tag.n > 0)
		s->route->extension = copy(s, tag);
	return true;
}

/* An extension of a user's, which exists if he has a .qmail file for it. */
static bool
take_extension(struct search *s, const struct user_entry *user,
    struct bytes extension)
{
	if (user == NULL)
		return false;
	s->route->kind = ROUTE_USER;
	s->route->user = user->name;
	s->route->is_qmail = s->route->must_ask = true;
	s->route->dash = BYTES("-");
	s->route->local = copy(s, s->local);
	s->route->extension = copy(s, extension);
	return true;
}

/* Without a dash there is a mailbox whatever .qmail files there are. */
static bool
take_assigned(struct search *s)
{
	struct assignment a;
	struct bytes      key, extension;

	if (s->d->assignments == NULL || s->local.n == 0 ||
	    !assignments_route(s->d->assignments, s->arena, s->local, &a, &key,
	        &extension))
		return false;
	*s->route = (struct route){
		.kind = key.p != NULL && extension.p != NULL
		    ? ROUTE_USER
		    : ROUTE_UNKNOWN_USER,
		.user = key,
		.extension = extension,
		.is_qmail = true,
		.must_ask = a.dash.n > 0,
		.dash = a.dash,
	};
	s->route->local = copy(s, s->local);
	return true;
}

/* "joe-a-b": user "joe-a", then user "joe". */
static bool
take_dashed(struct search *s)
{
	for (size_t at = s->local.n; s->d->is_qmail && at-- > 1;)
		if (s->local.p[at] == '-' &&
		    take_extension(s,
		        find_user(s, nothing, bytes_first(s->local, at)),
		        bytes_from(s->local, at + 1)))
			return true;
	return false;
}

/* Whose the local part is in the way of qmail; without extensions a user alone. */
static bool
take_account(struct search *s)
{
	return take_assigned(s) ||
	    take_user(s, find_user(s, nothing, s->local), nothing) ||
	    take_dashed(s);
}

/* "user+a+b": without "b", then without "a+b". */
static bool
take_untagged(struct search *s, struct bytes local)
{
	struct bytes delimiter = s->d->delimiter;

	if (delimiter.n == 0)
		return false;
	for (size_t at = local.n; at-- > 1;) {
		struct bytes name = bytes_first(local, at);

		if (local.p[at] == delimiter.p[0] &&
		    (take_alias_of(s, name) ||
		        take_user(s, find_user(s, s->prefix, name),
		            bytes_from(local, at + 1))))
			return true;
	}
	return false;
}

/* An alias of the whole domain says who gets the rest: then it is not his. */
static bool
take_alias_user(struct search *s)
{
	return s->local.n > 0 && find_domain_alias(s) == NULL &&
	    take_extension(s, s->d->alias_user, s->local);
}

/* --- roles --- */

/* Somebody of that name, whom nobody needs to be asked about. */
static bool
take_certain(struct search *s, struct bytes name)
{
	s->local = name;
	if (take_alias_of(s, name))
		return true;
	if (take_assigned(s)) {
		if (!s->route->must_ask)
			return true;
		*s->route = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	}
	return take_user(s, find_user(s, nothing, name), nothing);
}

/*
 * RFC 5321 section 4.5.1 and RFC 2142: these are always answered by somebody, in a virtual
 * domain by those of this host.
 */
static bool
take_role(struct search *s, struct bytes local)
{
	if (!bytes_equal(local, BYTES("postmaster")) &&
	    !bytes_equal(local, BYTES("abuse")))
		return false;
	if (s->is_virtual)
		s->domain = s->d->hostname;
	s->is_virtual = false;
	if (take_certain(s, local) || take_certain(s, BYTES("root")))
		return true;
	s->local = local;
	return take_user(s, s->d->first_user, nothing);
}

/* --- domains --- */

/* The domain itself, then ".suffix" of it, the longest first. */
static void *
find_domain(const struct table *table, struct bytes domain)
{
	bool  is_literal = bytes_start(domain, BYTES("["));
	void *found = table_find(table, domain);

	/* a literal has dots, but nothing is above it */
	for (size_t at = 0; found == NULL && !is_literal && at < domain.n; at++)
		if (domain.p[at] == '.')
			found = table_find(table, bytes_from(domain, at));
	return found;
}

/* local is without quotes. NULL: none, or an exception. */
static const struct virtual_entry *
find_virtual(const struct directory *d, struct bytes local, struct bytes domain)
{
	char                        room[CANONICAL_MAX];
	struct buf                  b = directory_buf_in(room, sizeof room);
	const struct virtual_entry *entry;

	if (d->virtuals.n == 0)
		return NULL;
	add_lower(&b, local);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, domain);
	entry = b.failed ? NULL : table_find(&d->virtuals, buf_bytes(&b));
	if (entry == NULL)
		entry = find_domain(&d->virtuals, domain);
	if (entry == NULL)
		entry = table_find(&d->virtuals, nothing);
	return entry != NULL && entry->prefix.n > 0 ? entry : NULL;
}

/* The host's own name is one of our domains, once there are any. */
static bool
is_ours(const struct directory *d, struct bytes domain)
{
	return table_find(&d->domains, domain) != NULL ||
	    (d->is_any_ours && bytes_equal(domain, d->hostname));
}

/*
 * What .qmail files call it. They are looked for by it: a '/' would lead elsewhere. An alias's
 * target "\joe", written "\\joe" in quotes, is no alias's name but joe's own.
 */
static void
set_local(struct search *s, struct bytes plain)
{
	struct buf b = directory_buf_in(s->room, sizeof s->room);

	if (bytes_start(plain, BYTES("\\")))
		plain = bytes_from(plain, 1);
	buf_add_bytes(&b, s->prefix);
	buf_add_bytes(&b, plain);
	if (!b.failed && plain.n > 0 && bytes_find(plain, '/') == plain.n &&
	    bytes_find(plain, '\0') == plain.n)
		s->local = buf_bytes(&b);
}

/* Whether the address is one of ours, and which local part that makes it. */
static bool
enter(struct search *s, const struct address *address, struct bytes domain)
{
	char                        room[ADDRESS_LOCAL_MAX + 1];
	struct buf                  plain = directory_buf_in(room, sizeof room);
	const struct virtual_entry *virtual = NULL;

	address_add_plain_local(&plain, address);
	s->domain = domain.n > 0 ? domain : s->d->hostname;
	if (domain.n > 0 && !is_ours(s->d, domain)) {
		virtual = find_virtual(s->d, buf_bytes(&plain), domain);
		if (virtual == NULL)
			return false;
		s->is_virtual = true;
		s->prefix = virtual->prefix;
	}
	set_local(s, buf_bytes(&plain));
	return true;
}

/* --- the whole way --- */

static bool
take_somebody(struct search *s, struct bytes local)
{
	return take_alias_of(s, local) || take_account(s) ||
	    take_untagged(s, local) || take_alias_user(s) ||
	    take_role(s, local) || take_alias(s, find_domain_alias(s));
}

const struct alias_entry *
directory_route_by(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out)
{
	struct search    s = { .d = d, .arena = arena, .route = out };
	struct canonical c;

	*out = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	if (!directory_canonical(&c, address))
		return NULL;
	if (enter(&s, address, c.domain)) {
		take_somebody(&s, c.local);
		return s.alias;
	}
	out->kind = ROUTE_NOT_OURS;
	out->is_relayed = find_domain(&d->relays, c.domain) != NULL;
	return NULL;
}

void
directory_route(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out)
{
	directory_route_by(d, arena, address, out);
}

void
directory_route_without(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out)
{
	struct search    s = { .d = d, .arena = arena, .route = out };
	struct canonical c;

	*out = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	if (directory_canonical(&c, address) && enter(&s, address, c.domain))
		take_role(&s, c.local);
}
