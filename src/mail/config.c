#include "mail/config.h"

#include <string.h>

#include "mail/config_filter.h"
#include "mail/config_route.h"
#include "mail/listener.h"
#include "mail/paths.h"
#include "mail/pipeline.h"
#include "mail/setting.h"
#include "mail/suggest.h"

enum {
	MEMORY_MAX = 256 * 1024 * 1024,
	NAME_MAX_LENGTH = 32,
	SHOWN_MAX = 60, /* bytes of the file that a mistake quotes */
};

struct reader {
	struct config     *config;
	struct mistakes   *mistakes;
	enum setting_scope file; /* SCOPE_FILE or SCOPE_HIQ */
};

static void
add_mistake(const struct reader *r, unsigned line, const char *text)
{
	mistakes_add(r->mistakes, &r->config->arena, line, "%s", text);
}

/* --- names of blocks --- */

static bool
is_name(struct bytes name)
{
	if (name.n == 0 || name.n > NAME_MAX_LENGTH || !byte_is_alpha(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!byte_is_alpha(name.p[i]) && !byte_is_digit(name.p[i]) &&
		    name.p[i] != '-' && name.p[i] != '_')
			return false;
	return true;
}

/* The name goes into logs, header fields and commands, so it is a plain word. */
static struct bytes
read_name(const struct reader *r, const struct config_block *block)
{
	if (!is_name(block->name))
		mistakes_add(r->mistakes, &r->config->arena, block->line,
		    "a block \"%.*s\" needs a name of at most %d letters, digits, "
		    "'-' and '_'", BYTES_ARG(block->kind), NAME_MAX_LENGTH);
	return arena_copy(&r->config->arena, block->name);
}

/* --- listen --- */

static bool
is_same_place(const struct endpoint *a, const struct endpoint *b)
{
	uint8_t x[16], y[16];

	return a->port == b->port && network_parse_address(a->host, x) &&
	    network_parse_address(b->host, y) && memcmp(x, y, sizeof x) == 0;
}

/* The line on which an address stands in its block. */
static unsigned
line_of(const struct config_block *block, struct bytes text)
{
	unsigned line = block->line;

	for (const struct config_setting *s = block->settings; s; s = s->next)
		for (const struct config_value *v = s->values; v; v = v->next)
			if (bytes_equal(v->text, text))
				line = v->line;
	return line;
}

/* An address that listens already, before that one; or NULL. */
static const struct config_listen *
find_listener(const struct config *c, const struct endpoint *address)
{
	for (size_t i = 0; i < c->n_listen; i++)
		for (size_t j = 0; j < c->listen[i].address.n; j++) {
			const struct endpoint *other = &c->listen[i].address.v[j];

			if (other == address)
				return NULL;
			if (is_same_place(other, address))
				return &c->listen[i];
		}
	return NULL;
}

static void
check_address(const struct reader *r, const struct config_block *block,
    const struct endpoint *address)
{
	const struct config_listen *other = find_listener(r->config, address);
	unsigned                    line = line_of(block, address->text);

	if (address->kind == ENDPOINT_UNIX)
		mistakes_add(r->mistakes, &r->config->arena, line,
		    "a listener wants an address and a port such as "
		    "\"0.0.0.0:25\", not \"%.*s\"",
		    BYTES_ARG(bytes_first(address->text, SHOWN_MAX)));
	else if (other)
		mistakes_add(r->mistakes, &r->config->arena, line,
		    "\"%.*s\" is listened on twice; first in the block at line %u",
		    BYTES_ARG(bytes_first(address->text, SHOWN_MAX)),
		    other->line);
}

static bool
has_address(const struct config_block *block)
{
	for (const struct config_setting *s = block->settings; s; s = s->next)
		if (bytes_equal(s->name, BYTES("address")))
			return true;
	return false;
}

/* RUN/local */
static void
preset_local_address(const struct reader *r, struct config_listen *listen)
{
	struct arena    *arena = &r->config->arena;
	struct endpoint *address = arena_alloc(arena, sizeof *address);
	char             path[PATHS_MAX];

	if (address && paths_get(r->config, PATH_LOCAL, BYTES(""), path) &&
	    endpoint_parse(arena_copy(arena, bytes_of(path)), address))
		listen->address = (struct endpoint_list){ address, 1 };
	else
		add_mistake(r, listen->line,
		    "the path of the listener \"local\" would be too long");
}

static void
check_local_address(const struct reader *r, const struct config_listen *listen)
{
	if (listen->address.n > 1 ||
	    (listen->address.n > 0 && listen->address.v[0].kind != ENDPOINT_UNIX))
		add_mistake(r, listen->line,
		    "the listener \"local\" wants one path of a Unix socket, such as "
		    "\"/run/ampel/local\"");
}

static bool
is_local(struct bytes name)
{
	const struct listener_policy *policy = listener_policy(name);

	return policy && policy->is_local;
}

static void
check_rules(const struct reader *r, const struct config_listen *listen)
{
	if (listen->rules.n > 0 && is_local(listen->name))
		add_mistake(r, listen->line,
		    "the clients of listener \"local\" have no address: no rules "
		    "apply to it");
}

static void
check_addresses(const struct reader *r, const struct config_block *block,
    struct config_listen *listen)
{
	if (is_local(block->name)) {
		if (!has_address(block))
			preset_local_address(r, listen);
		check_local_address(r, listen);
		return;
	}
	if (!has_address(block))
		add_mistake(r, block->line, "\"address\" is not set");
	for (size_t i = 0; i < listen->address.n; i++)
		check_address(r, block, &listen->address.v[i]);
}

static void
read_listen(const struct reader *r, const struct config_block *block)
{
	struct config        *c = r->config;
	struct config_listen *listen = &c->listen[c->n_listen++];

	listen->line = block->line;
	listen->name = read_name(r, block);
	if (is_name(block->name))
		listener_add_mistake(
		    block->name, block->line, &c->arena, r->mistakes);
	setting_read_all(SCOPE_LISTEN, block->settings, block->line, listen,
	    &c->arena, r->mistakes);
	check_addresses(r, block, listen);
	check_rules(r, listen);
}

/* --- tls, filter and helper --- */

static void
read_tls(const struct reader *r, const struct config_block *block)
{
	struct config     *c = r->config;
	struct config_tls *tls = &c->tls[c->n_tls++];

	tls->line = block->line;
	if (block->name.n > 0)
		tls->name = read_name(r, block);
	setting_read_all(SCOPE_TLS, block->settings, block->line, tls, &c->arena,
	    r->mistakes);
}

/* Filters judge what comes in, and by POP3 nothing does. */
static void
check_filtered(const struct reader *r, const struct config_filter *filter)
{
	for (size_t i = 0; i < filter->listeners.n; i++) {
		struct bytes                  name = filter->listeners.v[i];
		const struct listener_policy *policy = listener_policy(name);

		if (policy && policy->protocol != LISTENER_SMTP)
			mistakes_add(r->mistakes, &r->config->arena, filter->line,
			    "no messages come in by listener \"%.*s\": no filter "
			    "can apply to it", BYTES_ARG(name));
	}
}

/* Who calls hi-q wants all of it judged. */
static void
check_no_listeners(const struct reader *r, const struct config_block *block)
{
	for (const struct config_setting *s = block->settings; s; s = s->next)
		if (bytes_equal(s->name, BYTES("listeners")))
			add_mistake(r, s->line,
			    "\"listeners\" belongs in ampel.conf: hi-q judges "
			    "whatever it is given");
}

static void
read_filter(const struct reader *r, const struct config_block *block)
{
	struct config        *c = r->config;
	struct config_filter *filter = &c->filter[c->n_filter++];

	filter->line = block->line;
	filter->name = read_name(r, block);
	config_filter_read(filter, block, &c->arena, r->mistakes);
	if (r->file == SCOPE_HIQ)
		check_no_listeners(r, block);
	else
		check_filtered(r, filter);
	if (c->n_filter == PIPELINE_STAGES_MAX + 1)
		mistakes_add(r->mistakes, &c->arena, block->line,
		    "there may be %d filters, not more", PIPELINE_STAGES_MAX);
}

/* A helper is a service, which commands call by its name. */
static bool
is_service_name(struct bytes name)
{
	return listener_find(name) != LISTENER_UNKNOWN ||
	    bytes_equal(name, BYTES("send"));
}

static void
read_helper(const struct reader *r, const struct config_block *block)
{
	struct config        *c = r->config;
	struct config_helper *helper = &c->helper[c->n_helper++];

	helper->line = block->line;
	helper->name = read_name(r, block);
	setting_read_all(SCOPE_HELPER, block->settings, block->line, helper,
	    &c->arena, r->mistakes);
	if (is_service_name(block->name))
		mistakes_add(r->mistakes, &c->arena, block->line,
		    "a helper cannot be called \"%.*s\": that is a service of ours",
		    BYTES_ARG(block->name));
}

/* --- route and dns --- */

static void
read_route(const struct reader *r, const struct config_block *block)
{
	config_route_read(r->config, block, r->mistakes);
}

static void
read_dns(const struct reader *r, const struct config_block *block)
{
	config_dns_read(r->config, block, r->mistakes);
}

/* --- blocks --- */

struct block_kind {
	const char *name;
	void      (*read)(const struct reader *r, const struct config_block *block);
};

static const struct block_kind block_kinds[] = {
	{ "listen", read_listen },
	{ "filter", read_filter },
	{ "helper", read_helper },
	{ "tls", read_tls },
	{ "route", read_route },
	{ "dns", read_dns },
};

enum { BLOCK_KINDS = sizeof block_kinds / sizeof block_kinds[0] };

static void
add_unknown_block(const struct reader *r, const struct config_block *block)
{
	struct suggestion near = suggestion_for(block->kind);
	char              text[SUGGESTION_TEXT];

	for (size_t i = 0; i < BLOCK_KINDS; i++)
		suggestion_offer(&near, block_kinds[i].name);
	mistakes_add(r->mistakes, &r->config->arena, block->line,
	    "unknown block \"%.*s\"%s",
	    BYTES_ARG(bytes_first(block->kind, SHOWN_MAX)),
	    suggestion_text(&near, text));
}

static void
read_block(const struct reader *r, const struct config_block *block)
{
	for (size_t i = 0; i < BLOCK_KINDS; i++) {
		const struct block_kind *kind = &block_kinds[i];

		if (!bytes_equal(block->kind, bytes_of(kind->name)))
			continue;
		if (r->file == SCOPE_HIQ && kind->read != read_filter)
			mistakes_add(r->mistakes, &r->config->arena, block->line,
			    "a block \"%s\" belongs in ampel.conf", kind->name);
		else
			kind->read(r, block);
		return;
	}
	add_unknown_block(r, block);
}

static size_t
count_blocks(const struct config_tree *tree, struct bytes kind)
{
	size_t n = 0;

	for (const struct config_block *b = tree->blocks; b; b = b->next)
		if (bytes_equal(b->kind, kind))
			n++;
	return n;
}

/* Room for the blocks of each kind. False: no memory. */
static bool
make_room(struct config *c, const struct config_tree *tree)
{
	c->listen = arena_alloc(&c->arena,
	    count_blocks(tree, BYTES("listen")) * sizeof *c->listen);
	c->filter = arena_alloc(&c->arena,
	    count_blocks(tree, BYTES("filter")) * sizeof *c->filter);
	c->helper = arena_alloc(&c->arena,
	    count_blocks(tree, BYTES("helper")) * sizeof *c->helper);
	c->tls = arena_alloc(
	    &c->arena, count_blocks(tree, BYTES("tls")) * sizeof *c->tls);
	c->route = arena_alloc(
	    &c->arena, count_blocks(tree, BYTES("route")) * sizeof *c->route);
	return c->listen && c->filter && c->helper && c->tls && c->route;
}

static void
read_file(struct config *c, const struct config_tree *tree,
    enum setting_scope file, struct mistakes *mistakes)
{
	struct reader r = { c, mistakes, file };

	*c = (struct config){ 0 };
	arena_init(&c->arena, MEMORY_MAX);
	if (!make_room(c, tree)) {
		add_mistake(&r, 0, "no memory");
		return;
	}
	setting_read_all(file, tree->settings, 0, c, &c->arena, mistakes);
	for (const struct config_block *b = tree->blocks; b; b = b->next)
		read_block(&r, b);
}

void
config_from_tree(
    struct config *c, const struct config_tree *tree, struct mistakes *mistakes)
{
	read_file(c, tree, SCOPE_FILE, mistakes);
}

void
config_from_hiq_tree(
    struct config *c, const struct config_tree *tree, struct mistakes *mistakes)
{
	read_file(c, tree, SCOPE_HIQ, mistakes);
}

void
config_finish(struct config *c)
{
	arena_finish(&c->arena);
}

bool
config_is_filtered(const struct config *c, struct bytes listener)
{
	for (size_t i = 0; i < c->n_filter; i++)
		for (size_t j = 0; j < c->filter[i].listeners.n; j++)
			if (bytes_equal(c->filter[i].listeners.v[j], listener))
				return true;
	return false;
}
