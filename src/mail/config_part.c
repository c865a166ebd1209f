#include "base/buf.h"
#include "mail/config.h"
#include "mail/config_filter.h"
#include "mail/listener.h"
#include "mail/setting.h"

/* The settings of one record that the part's program is told. */
static void
add_settings(struct buf *b, enum setting_scope scope, const void *record,
    enum config_part part, const char *indent)
{
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];

		if (s->scope == scope && (s->parts & (unsigned)part))
			value_add(b, s, record, indent);
	}
}

static void
add_listen(struct buf *b, const struct config_listen *listen, enum config_part part)
{
	buf_addf(b, "listen %.*s {\n", BYTES_ARG(listen->name));
	add_settings(b, SCOPE_LISTEN, listen, part, "\t");
	buf_add_string(b, "}\n");
}

/* Whether the listener is one that the part's program serves, or whose rules it knows. */
static bool
is_told(const struct config_listen *listen, enum config_part part)
{
	const struct listener_policy *policy = listener_policy(listen->name);
	enum config_part              server;

	if (policy == NULL)
		return false;
	if (part == PART_LOOKUP)
		return listen->rules.n > 0;
	server = policy->protocol == LISTENER_POP3 ? PART_POP3D : PART_SMTPD;
	return part == server;
}

/* As add_settings, but of the kinds only the one that the filter is of. */
static void
add_filter(struct buf *b, const struct config_filter *filter, enum config_part part)
{
	struct bytes kind = bytes_of(config_filter_kind_name(filter->kind));

	buf_addf(b, "filter %.*s {\n", BYTES_ARG(filter->name));
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];
		struct bytes          name = bytes_of(s->name);

		if (s->scope != SCOPE_FILTER || !(s->parts & (unsigned)part))
			continue;
		if (!config_filter_is_kind(name) || bytes_equal(name, kind))
			value_add(b, s, filter, "\t");
	}
	config_filter_add_colours(b, filter);
	buf_add_string(b, "}\n");
}

static void
add_route(struct buf *b, const struct config_route *route, enum config_part part)
{
	buf_addf(b, "route \"%.*s\" {\n", BYTES_ARG(route->domain));
	add_settings(b, SCOPE_ROUTE, route, part, "\t");
	buf_add_string(b, "}\n");
}

void
config_add_part(struct buf *b, const struct config *c, enum config_part part)
{
	add_settings(b, SCOPE_FILE, c, part, "");
	for (size_t i = 0; i < c->n_listen; i++)
		if (is_told(&c->listen[i], part))
			add_listen(b, &c->listen[i], part);
	for (size_t i = 0; part == PART_HIQ && i < c->n_filter; i++)
		add_filter(b, &c->filter[i], part);
	for (size_t i = 0; part == PART_REMOTE && i < c->n_route; i++)
		add_route(b, &c->route[i], part);
	if (part == PART_DNS && c->dns.line > 0) {
		buf_add_string(b, "dns {\n");
		add_settings(b, SCOPE_DNS, &c->dns, part, "\t");
		buf_add_string(b, "}\n");
	}
}
