#include "mail/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/table.h"

enum {
	MEMORY_MAX = 512 * 1024 * 1024,
	CANONICAL_MAX = 1 + ADDRESS_LOCAL_MAX * 2 + 1 + ADDRESS_DOMAIN_MAX + 1,
};

struct alias_entry {
	struct bytes        name;
	const struct bytes *targets;
	size_t              n_targets;
	bool                leads_out; /* for directory_find_loop */
	struct alias_entry *next;
};

struct user_entry {
	struct bytes name;
};

struct directory {
	struct arena arena;   /* keys and values of the tables */
	struct table domains;
	struct table users;   /* struct user_entry, by name in lower case */
	struct table aliases; /* struct alias_entry, by name in lower case */
	const struct user_entry *first_user;
	struct alias_entry      *first_alias;
	struct bytes delimiter;
	struct bytes hostname;
};

/* A canonical address in two parts, and room for it. */
struct canonical {
	char         room[CANONICAL_MAX];
	struct bytes local;
	struct bytes domain; /* empty: <Postmaster> */
};

static const char no_memory[] = "no memory for the directory";

struct directory *
directory_new(void)
{
	struct directory *d = calloc(1, sizeof *d);

	if (d != NULL)
		arena_init(&d->arena, MEMORY_MAX);
	return d;
}

void
directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	table_finish(&d->domains);
	table_finish(&d->users);
	table_finish(&d->aliases);
	arena_finish(&d->arena);
	free(d);
}

/* Writes into room and nowhere else: the buffer cannot grow. */
static struct buf
buf_in(char *room, size_t size)
{
	return (struct buf){ .p = room, .cap = size, .max = size };
}

static struct bytes
copy_lower(struct arena *arena, struct bytes text)
{
	char *copy = arena_string(arena, text);

	if (copy == NULL)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < text.n; i++)
		copy[i] = byte_lower(copy[i]);
	return (struct bytes){ copy, text.n };
}

static struct bytes
without_final_dot(struct bytes domain)
{
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	return domain;
}

bool
directory_add_domain(struct directory *d, struct bytes domain)
{
	struct bytes key = copy_lower(&d->arena, without_final_dot(domain));

	return key.p != NULL &&
	    table_add(&d->domains, key, d) != TABLE_NO_MEMORY;
}

bool
directory_add_user(struct directory *d, struct bytes name)
{
	struct user_entry *user = arena_alloc(&d->arena, sizeof *user);
	struct bytes       key = copy_lower(&d->arena, name);

	if (user == NULL || key.p == NULL)
		return false;
	user->name = arena_copy(&d->arena, name);
	if (user->name.p == NULL ||
	    table_add(&d->users, key, user) == TABLE_NO_MEMORY)
		return false;
	if (d->first_user == NULL)
		d->first_user = user;
	return true;
}

void
directory_set_delimiter(struct directory *d, struct bytes delimiter)
{
	d->delimiter = arena_copy(&d->arena, delimiter);
}

void
directory_set_hostname(struct directory *d, struct bytes hostname)
{
	d->hostname = copy_lower(&d->arena, without_final_dot(hostname));
}

/* False: it is longer than any address can be. */
static bool
canonical_of(struct canonical *c, const struct address *address)
{
	struct buf b = buf_in(c->room, sizeof c->room);
	size_t     n_local;

	address_add_canonical_local(&b, address);
	n_local = b.len;
	address_add_canonical_domain(&b, address);
	c->local = bytes_first(buf_bytes(&b), n_local);
	c->domain = bytes_from(buf_bytes(&b), n_local);
	return !b.failed;
}

/* A name without a domain, in the syntax of local parts: an address of ours. */
static bool
canonical_of_local(
    struct canonical *c, const struct directory *d, struct bytes local)
{
	char           room[1 + ADDRESS_LOCAL_MAX + 2 + ADDRESS_DOMAIN_MAX];
	struct buf     b = buf_in(room, sizeof room);
	struct address address;

	buf_add_bytes(&b, local);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, d->hostname);
	return !b.failed && address_parse(buf_bytes(&b), &address) &&
	    canonical_of(c, &address);
}

static struct bytes
copy_joined(struct arena *arena, const char *before, struct bytes local,
    const char *after, struct bytes domain)
{
	char       room[CANONICAL_MAX + 16];
	struct buf b = buf_in(room, sizeof room);

	buf_add_string(&b, before);
	buf_add_bytes(&b, local);
	buf_add_string(&b, after);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, domain);
	if (b.failed)
		return (struct bytes){ NULL, 0 };
	return arena_copy(arena, buf_bytes(&b));
}

/*
 * The user himself, whatever aliases say: sendmail's "\joe". As an address its
 * local part is the quoted string "\\joe".
 */
static struct bytes
copy_direct(struct directory *d, struct bytes name, const char **mistake)
{
	struct canonical c;
	struct bytes     direct;

	if (!canonical_of_local(&c, d, name)) {
		*mistake = "a target with a backslash is not a user name";
		return (struct bytes){ NULL, 0 };
	}
	direct = copy_joined(&d->arena, "\"\\\\", c.local, "\"", c.domain);
	if (direct.p == NULL)
		*mistake = no_memory;
	return direct;
}

struct kind_not_there {
	struct bytes prefix;
	const char  *mistake;
};

static const char *
target_mistake(struct bytes target)
{
	static const struct kind_not_there kinds[] = {
		{ BYTES_INIT("|"),
		    "a target is a program, which is not supported yet" },
		{ BYTES_INIT("/"),
		    "a target is a file, which is not supported yet" },
		{ BYTES_INIT(":include:"),
		    "a list that is included cannot include another" },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (bytes_start_nocase(target, kinds[i].prefix))
			return kinds[i].mistake;
	return NULL;
}

/*
 * The canonical address of one target of the alias called key. A target that is
 * the alias itself ("joe: joe, bob") means the user: routed as an address it
 * would only meet the alias again.
 */
static struct bytes
copy_target(struct directory *d, struct bytes key, struct bytes target,
    const char **mistake)
{
	struct canonical c;
	struct address   address;
	struct bytes     copy;

	if ((*mistake = target_mistake(target)) != NULL)
		return (struct bytes){ NULL, 0 };
	if (bytes_start(target, BYTES("\\")))
		return copy_direct(d, bytes_from(target, 1), mistake);
	if (bytes_find(target, '@') == target.n
	        ? !canonical_of_local(&c, d, target)
	        : !address_parse(target, &address) || !canonical_of(&c, &address)) {
		*mistake = "a target is neither an address nor a local name";
		return (struct bytes){ NULL, 0 };
	}
	copy = copy_joined(&d->arena, "", c.local, "", c.domain);
	if (copy.p == NULL)
		*mistake = no_memory;
	else if (bytes_equal_nocase(target, key) || bytes_equal(copy, key))
		return copy_direct(d, c.local, mistake);
	return copy;
}

/* The key of an alias: "a", "a@dom" or "@dom", canonical, in the arena. */
static struct bytes
copy_key(struct directory *d, struct bytes name, const char **mistake)
{
	static const char invalid[] = "the alias is neither a local name, an "
	                              "address nor \"@domain\"";
	struct bytes      key = { NULL, 0 };
	struct canonical  c;
	struct address    address;

	*mistake = invalid;
	if (bytes_start(name, BYTES("@"))) {
		if (address_domain_is_valid(bytes_from(name, 1)))
			key = copy_lower(&d->arena, without_final_dot(name));
		else
			return key;
	} else if (bytes_find(name, '@') == name.n) {
		if (!canonical_of_local(&c, d, name))
			return key;
		key = arena_copy(&d->arena, c.local);
	} else {
		if (!address_parse(name, &address) ||
		    !canonical_of(&c, &address))
			return key;
		key = copy_joined(&d->arena, "", c.local, "", c.domain);
	}
	*mistake = key.p == NULL ? no_memory : NULL;
	return key;
}

bool
directory_add_alias(struct directory *d, struct bytes name,
    const struct bytes *targets, size_t n, const char **mistake)
{
	struct alias_entry *entry = arena_alloc(&d->arena, sizeof *entry);
	struct bytes       *copies = NULL;
	struct bytes        key;

	*mistake = no_memory;
	if (n <= MEMORY_MAX / sizeof *copies)
		copies = arena_alloc(&d->arena, n * sizeof *copies);
	if (entry == NULL || copies == NULL)
		return false;
	key = copy_key(d, name, mistake);
	if (key.p == NULL)
		return false;
	if (n == 0) {
		*mistake = "the alias has no target";
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		copies[i] = copy_target(d, key, targets[i], mistake);
		if (copies[i].p == NULL)
			return false;
	}
	*entry = (struct alias_entry){
		.name = key, .targets = copies, .n_targets = n,
		.next = d->first_alias,
	};
	switch (table_add(&d->aliases, key, entry)) {
	case TABLE_EXISTS:
		*mistake = "the alias stands twice";
		return false;
	case TABLE_NO_MEMORY:
		*mistake = no_memory;
		return false;
	case TABLE_ADDED:
		d->first_alias = entry;
		break;
	}
	return true;
}

/* One address on its way through the rules. */
struct search {
	const struct directory *d;
	struct arena           *arena;
	struct bytes            domain;
	struct route           *route;
	const struct alias_entry *alias; /* that was taken */
};

static const struct alias_entry *
find_alias(const struct search *s, struct bytes local, struct bytes domain)
{
	char       room[CANONICAL_MAX + 16];
	struct buf b = buf_in(room, sizeof room);

	buf_add_bytes(&b, local);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, domain);
	return b.failed ? NULL : table_find(&s->d->aliases, buf_bytes(&b));
}

/* Bounces of a list go to whoever owns it, when the aliases say who does. */
static void
set_owner(struct search *s, struct bytes local)
{
	char         room[CANONICAL_MAX];
	struct buf   b = buf_in(room, sizeof room);
	struct bytes owner;

	buf_add_string(&b, "owner-");
	buf_add_bytes(&b, local);
	owner = buf_bytes(&b);
	if (b.failed || owner.n > ADDRESS_LOCAL_MAX)
		return;
	if (find_alias(s, owner, s->domain) != NULL ||
	    table_find(&s->d->aliases, owner) != NULL)
		s->route->owner =
		    copy_joined(s->arena, "", owner, "", s->domain);
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
take_user(struct search *s, const struct user_entry *user, struct bytes extension)
{
	if (user == NULL)
		return false;
	s->route->kind = ROUTE_USER;
	s->route->user = user->name;
	if (extension.n > 0)
		s->route->extension = arena_copy(s->arena, extension);
	return true;
}

/* Whether local, its tag apart, is somebody: alias of the address, alias, user. */
static bool
take_local(struct search *s, struct bytes local, struct bytes extension)
{
	if (take_alias(s, find_alias(s, local, s->domain)) ||
	    take_alias(s, table_find(&s->d->aliases, local))) {
		set_owner(s, local);
		return true;
	}
	return take_user(s, table_find(&s->d->users, local), extension);
}

/* "user+a+b": without "b", then without "a+b". */
static bool
take_untagged(struct search *s, struct bytes local)
{
	struct bytes delimiter = s->d->delimiter;

	if (delimiter.n == 0)
		return false;
	for (size_t at = local.n; at-- > 1;)
		if (local.p[at] == delimiter.p[0] &&
		    take_local(s, bytes_first(local, at),
		        bytes_from(local, at + 1)))
			return true;
	return false;
}

/* RFC 5321 section 4.5.1 and RFC 2142: these are always answered by somebody. */
static bool
take_role(struct search *s, struct bytes local)
{
	static const struct bytes root = BYTES_INIT("root");

	if (!bytes_equal(local, BYTES("postmaster")) &&
	    !bytes_equal(local, BYTES("abuse")))
		return false;
	return take_local(s, root, (struct bytes){ NULL, 0 }) ||
	    take_user(s, s->d->first_user, (struct bytes){ NULL, 0 });
}

/* "\joe", written "\\joe" in quotes: the user and no alias. */
static bool
take_direct(struct search *s, struct bytes local)
{
	static const struct bytes mark = BYTES_INIT("\"\\\\");

	if (!bytes_start(local, mark) || local.n <= mark.n)
		return false;
	local = bytes_first(local, local.n - 1);
	return take_user(s,
	    table_find(&s->d->users, bytes_from(local, mark.n)),
	    (struct bytes){ NULL, 0 });
}

/* The host's own name is one of our domains, once there are any. */
static bool
is_ours(const struct directory *d, struct bytes domain)
{
	return table_find(&d->domains, domain) != NULL ||
	    (d->domains.n > 0 && bytes_equal(domain, d->hostname));
}

static void
route(struct search *s, const struct address *address)
{
	const struct directory *d = s->d;
	struct canonical        c;

	*s->route = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	if (!canonical_of(&c, address))
		return;
	if (c.domain.n > 0 && !is_ours(d, c.domain)) {
		s->route->kind = ROUTE_NOT_OURS;
		return;
	}
	s->domain = c.domain.n > 0 ? c.domain : d->hostname;
	if (take_local(s, c.local, (struct bytes){ NULL, 0 }) ||
	    take_direct(s, c.local) || take_untagged(s, c.local) ||
	    take_role(s, c.local))
		return;
	take_alias(s, find_alias(s, (struct bytes){ NULL, 0 }, s->domain));
}

void
directory_route(const struct directory *d, struct arena *arena,
    const struct address *address, struct route *out)
{
	struct search s = { .d = d, .arena = arena, .route = out };

	route(&s, address);
}

/* Aliases may lead in a circle, and lists of lists may be long. */
enum { OWN_DEPTH = 8, OWN_STEPS = 10000 };

struct ownership {
	const struct directory *d;
	struct arena           *arena;
	struct bytes            user;
	unsigned                steps;
};

static bool
leads_to(struct ownership *o, const struct address *address, unsigned depth)
{
	struct route   out;
	struct address target;

	directory_route(o->d, o->arena, address, &out);
	if (out.kind == ROUTE_USER)
		return bytes_equal(out.user, o->user);
	if (out.kind != ROUTE_EXPANDED || depth == 0)
		return false;
	for (size_t i = 0; i < out.n_targets && o->steps > 0; i++, o->steps--)
		if (address_parse(out.targets[i], &target) &&
		    leads_to(o, &target, depth - 1))
			return true;
	return false;
}

bool
directory_is_own(const struct directory *d, struct arena *arena,
    const struct address *address, struct bytes user)
{
	struct ownership o = { d, arena, user, OWN_STEPS };

	return leads_to(&o, address, OWN_DEPTH);
}

/* Whether one of its targets is no alias, or one that is known to lead out. */
static bool
leads_out(const struct directory *d, const struct alias_entry *alias)
{
	for (size_t i = 0; i < alias->n_targets; i++) {
		struct arena   none = { .max = 0 };
		struct route   out;
		struct search  s = { .d = d, .arena = &none, .route = &out };
		struct address address;

		if (!address_parse(alias->targets[i], &address))
			return true;
		route(&s, &address);
		if (s.alias == NULL || s.alias->leads_out)
			return true;
	}
	return false;
}

struct bytes
directory_find_loop(struct directory *d)
{
	struct alias_entry *alias;
	bool                changed = true;

	/* what is known to lead out grows until nothing more does */
	while (changed) {
		changed = false;
		for (alias = d->first_alias; alias != NULL; alias = alias->next)
			if (!alias->leads_out && leads_out(d, alias))
				changed = alias->leads_out = true;
	}
	for (alias = d->first_alias; alias != NULL; alias = alias->next)
		if (!alias->leads_out)
			return alias->name;
	return (struct bytes){ NULL, 0 };
}
