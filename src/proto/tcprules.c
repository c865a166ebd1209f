#include "proto/tcprules_private.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

enum {
	ADDRESS_BYTES = 16,
	ADDRESS_BITS = 128,
	IPV4_AT = 12, /* in the form of network.h */
	KEY_MAX = 1024,
	SUFFIX_MAX = 255, /* what may stand behind a recipient */
	SHOWN = 60,
};

static bool
names_ask(struct bytes key)
{
	size_t at = bytes_find(key, '@');

	return bytes_start(key, BYTES("=")) ||
	    bytes_start(bytes_from(key, at + 1), BYTES("="));
}

/*
 * tcprules takes any key. One of CIDR is never asked for, and whoever wrote it believes that
 * it counts.
 */
static void
check_key(struct bytes key, struct bytes variables, struct arena *arena,
    struct mistakes *mistakes)
{
	bool is_for_strangers = key.n == 0 || bytes_equal(key, BYTES("="));

	if (is_for_strangers && tcprules_may_relay(variables))
		mistakes_add(mistakes, arena, 0, "\"%.*s\" %s", BYTES_ARG(key),
		    TCPRULES_OPEN_RELAY);
	if (bytes_find(key, '/') < key.n)
		mistakes_add(mistakes, arena, 0,
		    "the rule of \"%.*s\" never counts: tcprules knows no CIDR; "
		    "name the text instead of the cdb", BYTES_ARG(bytes_first(key, SHOWN)));
}

static void
read_db(struct tcprules *r, struct bytes content, struct arena *arena,
    struct mistakes *mistakes)
{
	struct bytes key, data;
	size_t       at = 0;

	r->is_db = true;
	if (!constant_db_open(&r->db, content)) {
		mistakes_add(mistakes, arena, 0, "this is no whole cdb of tcprules");
		return;
	}
	while (constant_db_next(&r->db, &at, &key, &data)) {
		char where[SHOWN + sizeof "the rule of \"\": "];

		snprintf(where, sizeof where, "the rule of \"%.*s\": ",
		    BYTES_ARG(bytes_first(key, SHOWN)));
		r->needs_name |= names_ask(key);
		check_key(key, data, arena, mistakes);
		tcprules_check_variables(data, 0, where, arena, mistakes);
	}
}

void
tcprules_read(struct tcprules *r, struct bytes content, struct arena *arena,
    struct mistakes *mistakes)
{
	*r = (struct tcprules){ .n = 0 };
	if (content.n > TCPRULES_FILE_MAX)
		mistakes_add(mistakes, arena, 0, "the file is too large");
	else if (constant_db_is(content))
		read_db(r, content, arena, mistakes);
	else
		tcprules_read_text(r, content, arena, mistakes);
}

bool
tcprules_needs_name(const struct tcprules *r)
{
	return r->needs_name;
}

/* --- the search in text --- */

/* The order of search, the last first. Within one of them the longer counts. */
enum rank {
	NO_MATCH,
	ANYBODY,
	NAMED,
	DOMAIN_OF_NAME,
	PART_OF_ADDRESS,
	NAME,
	ADDRESS,
	INFO_AT_NAME,
	INFO_AT_ADDRESS,
};

struct match {
	enum rank rank;
	size_t    length;
};

/* The client, and his address as bytes. */
struct wanted {
	const struct tcprules_client *client;
	uint8_t                       address[ADDRESS_BYTES];
	bool                          has_address;
};

static bool
octets_contain(const struct tcprule *rule, const uint8_t *address)
{
	if (!network_is_ipv4(address))
		return false;
	for (unsigned i = 0; i < rule->octets; i++)
		if (address[IPV4_AT + i] < rule->from[i] ||
		    address[IPV4_AT + i] > rule->to[i])
			return false;
	return true;
}

static struct match
match_address(const struct tcprule *rule, const struct wanted *w)
{
	bool         is_octets = rule->kind == TCPRULE_OCTETS;
	struct match m = { .length = is_octets
		? ADDRESS_BITS - 32 + 8 * rule->octets
		: rule->network.bits };

	if (w->has_address &&
	    (is_octets ? octets_contain(rule, w->address)
	               : network_contains(&rule->network, w->address)))
		m.rank = m.length == ADDRESS_BITS ? ADDRESS : PART_OF_ADDRESS;
	return m;
}

static bool
ends_with(struct bytes text, struct bytes end)
{
	return text.n >= end.n &&
	    bytes_equal(bytes_from(text, text.n - end.n), end);
}

static struct match
match_name(const struct tcprule *rule, struct bytes name)
{
	struct match m = { .length = rule->name.n };

	if (name.n == 0)
		return m;
	if (rule->kind == TCPRULE_NAMED)
		m.rank = NAMED;
	else if (rule->kind == TCPRULE_NAME && bytes_equal(name, rule->name))
		m.rank = NAME;
	else if (rule->kind == TCPRULE_DOMAIN && ends_with(name, rule->name))
		m.rank = DOMAIN_OF_NAME;
	return m;
}

static struct match
match_rule(const struct tcprule *rule, const struct wanted *w)
{
	struct match m = { .rank = ANYBODY };

	if (rule->kind == TCPRULE_OCTETS || rule->kind == TCPRULE_NETWORK)
		m = match_address(rule, w);
	else if (rule->kind != TCPRULE_ANYBODY)
		m = match_name(rule, w->client->name);
	if (!rule->has_info)
		return m;
	if (w->client->info.n == 0 || !bytes_equal(rule->info, w->client->info))
		return (struct match){ .rank = NO_MATCH };
	m.rank = m.rank == ADDRESS ? INFO_AT_ADDRESS
	    : m.rank == NAME       ? INFO_AT_NAME
	                           : NO_MATCH;
	return m;
}

static bool
is_better(struct match a, struct match b)
{
	return a.rank > b.rank ||
	    (a.rank == b.rank && a.rank != NO_MATCH && a.length > b.length);
}

static bool
find_in_text(const struct tcprules *r, const struct tcprules_client *client,
    struct bytes *variables)
{
	struct wanted         w = { .client = client };
	struct match          best = { .rank = NO_MATCH };
	const struct tcprule *found = NULL;

	w.has_address = network_parse_address(client->address, w.address);
	for (const struct tcprule *rule = r->first; rule; rule = rule->next) {
		struct match m = match_rule(rule, &w);

		if (is_better(m, best)) {
			best = m;
			found = rule;
		}
	}
	if (found)
		*variables = found->variables;
	return found != NULL;
}

/* --- the search in a cdb --- */

/* The key of three parts; one that is too long is in no cdb of ours. */
static bool
find_key(const struct tcprules *r, struct bytes front, struct bytes mark,
    struct bytes back, struct bytes *data)
{
	const struct bytes parts[] = { front, mark, back };
	char               key[KEY_MAX];
	size_t             n = 0;

	for (size_t i = 0; i < 3; i++) {
		if (parts[i].n > sizeof key - n)
			return false;
		if (parts[i].n > 0)
			memcpy(key + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	return constant_db_find(&r->db, (struct bytes){ key, n }, data);
}

static bool
find_part_of_address(
    const struct tcprules *r, struct bytes address, struct bytes *data)
{
	for (size_t n = address.n; n > 0; n--)
		if (address.p[n - 1] == '.' &&
		    constant_db_find(&r->db, bytes_first(address, n), data))
			return true;
	return false;
}

static bool
find_domain(const struct tcprules *r, struct bytes name, struct bytes *data)
{
	for (size_t at = 0; at < name.n; at++)
		if (name.p[at] == '.' &&
		    find_key(r, BYTES("="), BYTES(""), bytes_from(name, at), data))
			return true;
	return false;
}

static bool
find_in_db(const struct tcprules *r, const struct tcprules_client *client,
    struct bytes *data)
{
	const struct bytes none = BYTES(""), equals = BYTES("=");
	struct bytes       info = client->info, name = client->name;
	struct bytes       address = client->address;

	return (info.n > 0 && find_key(r, info, BYTES("@"), address, data)) ||
	    (info.n > 0 && name.n > 0 &&
	        find_key(r, info, BYTES("@="), name, data)) ||
	    constant_db_find(&r->db, address, data) ||
	    (name.n > 0 && find_key(r, equals, none, name, data)) ||
	    find_part_of_address(r, address, data) ||
	    (name.n > 0 && find_domain(r, name, data)) ||
	    (name.n > 0 && constant_db_find(&r->db, equals, data)) ||
	    constant_db_find(&r->db, none, data);
}

/* --- the answer --- */

/* As tcpserver does: every part ends with a NUL. One that lost it still denies. */
static bool
denies(struct bytes variables)
{
	struct bytes part;

	while (bytes_split(&variables, '\0', &part))
		if (bytes_start(part, BYTES("D")))
			return true;
	return false;
}

void
tcprules_find(const struct tcprules *r, const struct tcprules_client *client,
    struct tcprules_answer *out)
{
	*out = (struct tcprules_answer){ .allowed = true };
	out->is_found = r->is_db ? find_in_db(r, client, &out->variables)
	                         : find_in_text(r, client, &out->variables);
	if (out->is_found)
		out->allowed = !denies(out->variables);
}

/* "+NAME=value" */
static bool
split_variable(struct bytes part, struct bytes *name, struct bytes *value)
{
	size_t equals = bytes_find(part, '=');

	if (!bytes_start(part, BYTES("+")) || equals == part.n)
		return false;
	*name = bytes_from(bytes_first(part, equals), 1);
	*value = bytes_from(part, equals + 1);
	return true;
}

bool
tcprules_variable(const struct tcprules_answer *answer, struct bytes name,
    struct bytes *value)
{
	struct bytes rest = answer->variables;
	struct bytes part, its_name, its_value;
	bool         is_set = false;

	while (bytes_split(&rest, '\0', &part))
		if (split_variable(part, &its_name, &its_value) &&
		    bytes_equal(its_name, name)) {
			*value = its_value;
			is_set = true;
		}
	return is_set;
}

bool
tcprules_size(const struct tcprules_answer *answer, uint64_t *out_bytes)
{
	struct bytes value;

	return tcprules_variable(answer, BYTES("DATABYTES"), &value) &&
	    number_parse(value, UINT64_MAX, out_bytes);
}

bool
tcprules_may_relay(struct bytes variables)
{
	const struct tcprules_answer answer = { .variables = variables };
	struct bytes                 value;

	return !denies(variables) &&
	    tcprules_variable(&answer, BYTES("RELAYCLIENT"), &value);
}

void
tcprules_check_variables(struct bytes variables, unsigned line, const char *where,
    struct arena *arena, struct mistakes *mistakes)
{
	struct bytes part, name, value;
	uint64_t     number;

	while (bytes_split(&variables, '\0', &part)) {
		if (!split_variable(part, &name, &value))
			continue;
		if (bytes_equal(name, BYTES("DATABYTES")) &&
		    !number_parse(value, UINT64_MAX, &number))
			mistakes_add(mistakes, arena, line,
			    "%sDATABYTES is \"%.*s\"; expected a number of bytes",
			    where, BYTES_ARG(bytes_first(value, SHOWN)));
		if (bytes_equal(name, BYTES("RELAYCLIENT")) && value.n > SUFFIX_MAX)
			mistakes_add(mistakes, arena, line,
			    "%sRELAYCLIENT is longer than %d bytes", where, SUFFIX_MAX);
	}
}
