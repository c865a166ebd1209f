#include "mail/directory.h"

#include "mail/assignments.h"
#include "mail/directory_inside.h"

/* Aliases may lead in a circle, and lists of lists may be long. */
enum { OWN_DEPTH = 8, OWN_STEPS = 10000 };

struct ownership {
	const struct directory *d;
	struct arena           *arena;
	struct bytes            user;
	unsigned                steps;
};

/* An assignment says whose account it is; several may be one user's. */
static bool
is_account_of(const struct ownership *o, struct bytes account)
{
	const struct assignments *assignments = o->d->assignments;
	struct assignment         a;

	if (bytes_equal(account, o->user))
		return true;
	return assignments != NULL &&
	    assignments->find(assignments->source, account, &a) &&
	    bytes_equal(a.user, o->user);
}

static bool
leads_to(struct ownership *o, const struct address *address, unsigned depth)
{
	struct route   out;
	struct address target;

	directory_route(o->d, o->arena, address, &out);
	if (out.kind == ROUTE_USER)
		return is_account_of(o, out.user);
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
		struct arena              none = { .max = 0 };
		const struct alias_entry *next;
		struct route              out;
		struct address            address;

		if (!address_parse(alias->targets[i], &address))
			return true;
		next = directory_route_by(d, &none, &address, &out);
		if (next == NULL || next->leads_out)
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
