#include "proto/tcprules_private.h"

#include <string.h>

#include "base/number.h"

enum { OCTETS = 4, SHOWN = 60 };

static const char no_memory[] = "finds no memory";

/* The text as a whole. */
struct reader {
	struct tcprules *rules;
	struct tcprule **end; /* where the next one hangs */
	struct arena    *arena;
	struct mistakes *mistakes;
	unsigned         line;
};

/* Always false. */
static bool
fail(struct reader *r, struct bytes what, const char *why)
{
	mistakes_add(r->mistakes, r->arena, r->line, "\"%.*s\" %s",
	    BYTES_ARG(bytes_first(what, SHOWN)), why);
	return false;
}

/* --- whom it is for --- */

/* Without zeros in front: some read these as octal. */
static bool
read_number(struct bytes text, uint8_t *out)
{
	uint64_t number;

	if (!number_parse(text, UINT8_MAX, &number) ||
	    (text.n > 1 && text.p[0] == '0'))
		return false;
	*out = (uint8_t)number;
	return true;
}

/* "7" or "3-9". */
static bool
read_octet(struct bytes text, uint8_t *from, uint8_t *to)
{
	size_t dash = bytes_find(text, '-');

	return read_number(bytes_first(text, dash), from) &&
	    read_number(dash < text.n ? bytes_from(text, dash + 1) : text, to) &&
	    *from <= *to;
}

/* Four octets, or fewer and a dot behind each. */
static bool
read_octets(struct tcprule *rule, struct bytes text)
{
	struct bytes part;

	rule->kind = TCPRULE_OCTETS;
	while (rule->octets < OCTETS) {
		size_t dot = bytes_find(text, '.');

		part = bytes_first(text, dot);
		if (!read_octet(part, &rule->from[rule->octets], &rule->to[rule->octets]))
			return false;
		rule->octets++;
		if (dot == text.n)
			return rule->octets == OCTETS;
		text = bytes_from(text, dot + 1);
		if (text.n == 0)
			return rule->octets < OCTETS;
	}
	return false;
}

static bool
read_network(struct tcprule *rule, struct bytes text)
{
	rule->kind = TCPRULE_NETWORK;
	return !bytes_start(text, BYTES("[")) && network_parse(text, &rule->network);
}

static bool
read_name(struct tcprule *rule, struct bytes text)
{
	rule->name = text;
	if (text.n == 0)
		rule->kind = TCPRULE_NAMED;
	else if (text.p[0] == '.')
		rule->kind = TCPRULE_DOMAIN;
	else
		rule->kind = TCPRULE_NAME;
	return bytes_find(text, ' ') == text.n && bytes_find(text, '=') == text.n &&
	    !bytes_equal(text, BYTES("."));
}

static bool
read_client(struct tcprule *rule, struct bytes text)
{
	if (text.n == 0) {
		rule->kind = TCPRULE_ANYBODY;
		return true;
	}
	if (text.p[0] == '=')
		return read_name(rule, bytes_from(text, 1));
	if (bytes_find(text, ':') < text.n || bytes_find(text, '/') < text.n)
		return read_network(rule, text);
	return read_octets(rule, text);
}

/* Whether the search ever asks for it together with what ident says. */
static bool
is_one_client(const struct tcprule *rule)
{
	return rule->kind == TCPRULE_NAME ||
	    (rule->kind == TCPRULE_OCTETS && rule->octets == OCTETS) ||
	    (rule->kind == TCPRULE_NETWORK && rule->network.bits == 128);
}

/* Names have no case; those that are compared with it are in lower case. */
static struct bytes
lower_copy(struct arena *arena, struct bytes text)
{
	char *copy = arena_string(arena, text);

	for (size_t i = 0; copy && i < text.n; i++)
		copy[i] = byte_lower(copy[i]);
	return (struct bytes){ copy, text.n };
}

static bool
read_address(struct reader *r, struct tcprule *rule, struct bytes text)
{
	size_t       at = bytes_find_last(text, '@');
	struct bytes client = at == text.n ? text : bytes_from(text, at + 1);

	rule->has_info = at < text.n;
	if (rule->has_info)
		rule->info = bytes_first(text, at);
	client = lower_copy(r->arena, client);
	if (client.p == NULL)
		return fail(r, text, no_memory);
	if (!read_client(rule, client))
		return fail(r, text,
		    "is no address; expected one like 192.0.2.1, 192.0.2., "
		    "192.0.2.3-9, 192.0.2.0/24, 2001:db8::/32, =host or =.domain, "
		    "or nothing");
	if (rule->has_info && !is_one_client(rule))
		return fail(r, text,
		    "never counts; behind \"@\" one whole address or =host is expected");
	r->rules->needs_name |= rule->kind >= TCPRULE_NAME;
	return true;
}

/* --- what it says --- */

/* Off the front of *rest: ,NAME="value" with any byte as the quotes. */
static bool
take_variable(struct reader *r, struct bytes *rest, struct bytes *name,
    struct bytes *value)
{
	struct bytes text = bytes_from(*rest, 1);
	size_t       equals = bytes_find(text, '='), end;

	*name = bytes_first(text, equals);
	text = bytes_from(text, equals + 1);
	if (rest->p[0] != ',' || name->n == 0 || text.n == 0 ||
	    bytes_find(*name, ',') < name->n)
		return fail(r, *rest, "is no variable; expected ,NAME=\"value\"");
	end = bytes_find(bytes_from(text, 1), text.p[0]);
	if (end == text.n - 1)
		return fail(r, *rest,
		    "does not end; expected the quote before the value behind it too");
	*value = bytes_first(bytes_from(text, 1), end);
	*rest = bytes_from(text, end + 2);
	return true;
}

static char *
append(char *at, struct bytes text)
{
	if (text.n > 0)
		memcpy(at, text.p, text.n);
	return at + text.n;
}

/* They take no more room than what they are made of: two quotes become "+" and NUL. */
static bool
read_variables(struct reader *r, struct tcprule *rule, bool denies, struct bytes rest)
{
	char        *room = arena_alloc(r->arena, sizeof "D" + rest.n);
	char        *at = room;
	struct bytes name, value;

	if (room == NULL)
		return fail(r, rest, no_memory);
	if (denies)
		at = append(at, (struct bytes){ "D", sizeof "D" });
	while (rest.n > 0) {
		if (!take_variable(r, &rest, &name, &value))
			return false;
		at = append(at, BYTES("+"));
		at = append(at, name);
		at = append(at, BYTES("="));
		at = append(at, value);
		*at++ = '\0';
	}
	rule->variables = (struct bytes){ room, (size_t)(at - room) };
	tcprules_check_variables(rule->variables, r->line, "", r->arena, r->mistakes);
	return true;
}

/* --- a line --- */

/* More clients than anybody has hosts of his own. */
static bool
is_for_strangers(const struct tcprule *rule)
{
	switch (rule->kind) {
	case TCPRULE_ANYBODY:
	case TCPRULE_NAMED:
		return true;
	case TCPRULE_OCTETS:
		return rule->octets == 1 && rule->from[0] != rule->to[0];
	case TCPRULE_NETWORK:
		return network_is_wide(&rule->network);
	case TCPRULE_NAME:
	case TCPRULE_DOMAIN:
		break;
	}
	return false;
}

/* "allow" or "deny" at the front of text. */
static size_t
instruction_length(struct bytes text)
{
	if (bytes_start(text, BYTES("allow")))
		return sizeof "allow" - 1;
	return bytes_start(text, BYTES("deny")) ? sizeof "deny" - 1 : 0;
}

/*
 * The colon in front of the instruction: the first that has one behind it, so that the address
 * may have colons. line.n: none.
 */
static size_t
find_instruction(struct bytes line)
{
	for (size_t at = 0; at < line.n; at++) {
		struct bytes text = bytes_from(line, at + 1);
		size_t       n = instruction_length(text);

		if (line.p[at] == ':' && n > 0 && (n == text.n || text.p[n] == ','))
			return at;
	}
	return line.n;
}

static void
read_rule(struct reader *r, struct bytes line)
{
	size_t          colon = find_instruction(line);
	struct bytes    text = bytes_from(line, colon + 1);
	struct tcprule *rule;

	if (colon == line.n) {
		fail(r, line, "is no rule; expected ADDRESS:allow or ADDRESS:deny, "
		              "then nothing or ,NAME=\"value\"");
		return;
	}
	rule = arena_alloc(r->arena, sizeof *rule);
	if (rule == NULL) {
		fail(r, line, no_memory);
		return;
	}
	if (!read_address(r, rule, bytes_first(line, colon)) ||
	    !read_variables(r, rule, text.p[0] == 'd',
	        bytes_from(text, instruction_length(text))))
		return;
	if (is_for_strangers(rule) && tcprules_may_relay(rule->variables))
		fail(r, bytes_first(line, colon), TCPRULES_OPEN_RELAY);
	*r->end = rule;
	r->end = &rule->next;
	r->rules->n++;
}

static struct bytes
without_end_blanks(struct bytes line)
{
	while (line.n > 0 && (line.p[line.n - 1] == ' ' ||
	    line.p[line.n - 1] == '\t' || line.p[line.n - 1] == '\r'))
		line.n--;
	return line;
}

void
tcprules_read_text(struct tcprules *r, struct bytes content, struct arena *arena,
    struct mistakes *mistakes)
{
	struct reader reader = {
		.rules = r, .end = &r->first, .arena = arena, .mistakes = mistakes,
	};
	struct bytes line;

	while (bytes_split(&content, '\n', &line)) {
		reader.line++;
		line = without_end_blanks(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (bytes_find(line, '\0') < line.n)
			fail(&reader, line, "goes on behind a NUL; expected text");
		else
			read_rule(&reader, line);
	}
}
