#include "mail/config_route.h"

#include "mail/config.h"
#include "mail/route.h"
#include "mail/setting.h"

enum { SHOWN_MAX = 60 }; /* bytes of the file that a mistake quotes */

/* The first of two for one domain, or NULL; the one being read is the last. */
static const struct config_route *
find_route(const struct config *c, struct bytes domain)
{
	for (size_t i = 0; i + 1 < c->n_route; i++)
		if (bytes_equal(c->route[i].domain, domain))
			return &c->route[i];
	return NULL;
}

static bool
is_own_domain(const struct config *c, struct bytes domain)
{
	for (size_t i = 0; i < c->domains.n; i++)
		if (bytes_equal(c->domains.v[i], domain))
			return true;
	return false;
}

static void
check_domain(struct config *c, const struct config_route *route,
    struct mistakes *mistakes)
{
	const struct config_route *other = find_route(c, route->domain);
	struct bytes               shown = bytes_first(route->domain, SHOWN_MAX);

	if (!route_domain_is_valid(route->domain))
		mistakes_add(mistakes, &c->arena, route->line,
		    "a route is for a domain such as \"example.net\", for all below "
		    "one, \".example.net\", or for all, \"*\", not for \"%.*s\"",
		    BYTES_ARG(shown));
	else if (other)
		mistakes_add(mistakes, &c->arena, route->line,
		    "there is a route for \"%.*s\" already, at line %u",
		    BYTES_ARG(shown), other->line);
	else if (is_own_domain(c, route->domain))
		mistakes_add(mistakes, &c->arena, route->line,
		    "mail for \"%.*s\" stays here, it is one of the \"domains\": "
		    "this route is never used", BYTES_ARG(shown));
}

static void
check_secret(struct config *c, const struct config_route *route,
    struct mistakes *mistakes)
{
	const bool has_user = route->user.n > 0;
	const bool has_file = route->password_file.n > 0;
	const struct {
		bool        is_wrong;
		const char *text;
	} rows[] = {
		{ has_user && !has_file, "\"user\" needs a \"password_file\"" },
		{ has_file && !has_user, "\"password_file\" needs a \"user\"" },
		{ has_user && route->tls != ROUTE_TLS_VERIFY,
		    "a password is sent only to a host that has proved its name: "
		    "\"user\" needs tls = verify" },
		{ has_user && route->to.n == 0,
		    "\"user\" needs a smart host in \"to\"" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].is_wrong)
			mistakes_add(mistakes, &c->arena, route->line, "%s",
			    rows[i].text);
}

static struct bytes
copy_lower(struct arena *arena, struct bytes text)
{
	char *copy = arena_string(arena, text);

	for (size_t i = 0; copy && i < text.n; i++)
		copy[i] = byte_lower(copy[i]);
	return (struct bytes){ copy, copy ? text.n : 0 };
}

void
config_route_read(struct config *c, const struct config_block *block,
    struct mistakes *mistakes)
{
	struct config_route *route = &c->route[c->n_route++];

	route->line = block->line;
	route->domain = copy_lower(&c->arena, block->name);
	setting_read_all(SCOPE_ROUTE, block->settings, block->line, route,
	    &c->arena, mistakes);
	check_domain(c, route, mistakes);
	check_secret(c, route, mistakes);
}

void
config_dns_read(struct config *c, const struct config_block *block,
    struct mistakes *mistakes)
{
	if (c->dns.line > 0)
		mistakes_add(mistakes, &c->arena, block->line,
		    "there is a block \"dns\" already, at line %u", c->dns.line);
	c->dns.line = block->line;
	setting_read_all(SCOPE_DNS, block->settings, block->line, &c->dns,
	    &c->arena, mistakes);
}
