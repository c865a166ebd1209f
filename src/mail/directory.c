#include "mail/directory.h"

#include <stdlib.h>
#include <string.h>

#include "mail/directory_inside.h"

enum { MEMORY_MAX = 512 * 1024 * 1024 };

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
	table_finish(&d->relays);
	table_finish(&d->virtuals);
	table_finish(&d->users);
	table_finish(&d->aliases);
	arena_finish(&d->arena);
	free(d);
}

struct buf
directory_buf_in(char *room, size_t size)
{
	return (struct buf){ .p = room, .cap = size, .max = size - 1 };
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

	d->is_any_ours = true;
	return key.p != NULL &&
	    table_add(&d->domains, key, d) != TABLE_NO_MEMORY;
}

bool
directory_add_relay_domain(struct directory *d, struct bytes domain)
{
	struct bytes key = copy_lower(&d->arena, without_final_dot(domain));

	return key.p != NULL &&
	    table_add(&d->relays, key, d) != TABLE_NO_MEMORY;
}

bool
directory_add_virtual(
    struct directory *d, struct bytes key, struct bytes prepend)
{
	struct virtual_entry *entry = arena_alloc(&d->arena, sizeof *entry);
	struct bytes          copy = copy_lower(&d->arena, key);
	struct virtual_entry *before;
	char                 *prefix = arena_alloc(&d->arena, prepend.n + 1);

	if (entry == NULL || copy.p == NULL || prefix == NULL)
		return false;
	if (prepend.n > 0) {
		memcpy(prefix, prepend.p, prepend.n);
		prefix[prepend.n] = '-';
		entry->prefix = (struct bytes){ prefix, prepend.n + 1 };
		d->is_any_ours = true;
	}
	before = table_find(&d->virtuals, copy);
	if (before != NULL)
		*before = *entry;
	return before != NULL ||
	    table_add(&d->virtuals, copy, entry) == TABLE_ADDED;
}

/* NULL: no memory. */
static const struct user_entry *
add_user(struct directory *d, struct bytes name)
{
	struct user_entry *user = arena_alloc(&d->arena, sizeof *user);
	struct bytes       key = copy_lower(&d->arena, name);

	if (user == NULL || key.p == NULL)
		return NULL;
	user->name = arena_copy(&d->arena, name);
	if (user->name.p == NULL ||
	    table_add(&d->users, key, user) == TABLE_NO_MEMORY)
		return NULL;
	return user;
}

bool
directory_add_user(struct directory *d, struct bytes name)
{
	const struct user_entry *user = add_user(d, name);

	if (d->first_user == NULL)
		d->first_user = user;
	return user != NULL;
}

/* He has extensions of his own too: "alias-info" is his "info". */
bool
directory_set_qmail(struct directory *d, struct bytes alias_user)
{
	d->is_qmail = true;
	if (alias_user.n == 0)
		return true;
	d->alias_user = add_user(d, alias_user);
	return d->alias_user != NULL;
}

void
directory_set_assignments(struct directory *d, const struct assignments *a)
{
	d->assignments = a;
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

bool
directory_canonical(struct canonical *c, const struct address *address)
{
	struct buf b = directory_buf_in(c->room, sizeof c->room);
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
	struct buf     b = directory_buf_in(room, sizeof room);
	struct address address;

	buf_add_bytes(&b, local);
	buf_add_char(&b, '@');
	buf_add_bytes(&b, d->hostname);
	return !b.failed && address_parse(buf_bytes(&b), &address) &&
	    directory_canonical(c, &address);
}

struct bytes
directory_copy_joined(struct arena *arena, const char *before,
    struct bytes local, const char *after, struct bytes domain)
{
	char       room[CANONICAL_MAX + 16];
	struct buf b = directory_buf_in(room, sizeof room);

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
	direct = directory_copy_joined(&d->arena, "\"\\\\", c.local, "\"", c.domain);
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
	        : !address_parse(target, &address) || !directory_canonical(&c, &address)) {
		*mistake = "a target is neither an address nor a local name";
		return (struct bytes){ NULL, 0 };
	}
	copy = directory_copy_joined(&d->arena, "", c.local, "", c.domain);
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
		    !directory_canonical(&c, &address))
			return key;
		key = directory_copy_joined(&d->arena, "", c.local, "", c.domain);
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
