/* control/smtproutes: route blocks. */
#include "ampel/qmail_import.h"
#include "mail/route.h"
#include "proto/qmail_control.h"

static const char routes_file[] = "control/smtproutes";

enum { SHOWN_MAX = 100, SMTP_PORT = 25, SMTPS_PORT = 465 };

/* A line. Of several for one key, the last counts. */
struct route_line {
	struct bytes       key;   /* lower case; empty: all */
	struct bytes       relay; /* empty: as DNS says */
	unsigned           line;
	struct route_line *next;
};

struct routes {
	struct qmail_import *import;
	struct table         by_key; /* struct route_line */
	struct route_line   *first;
	struct route_line  **end;
	size_t               n;
};

static void
leave_out(const struct routes *r, const struct route_line *line, const char *why)
{
	qmail_report_add(&r->import->left, routes_file, line->line,
	    "\"%.*s\" %s: left out", BYTES_ARG(bytes_first(line->key, SHOWN_MAX)),
	    why);
}

/*
 * "host", "host:port", or as patches have it "[2001:db8::1]:port", as a hop of ampel.conf: in
 * brackets, since qmail asked for no MX of it.
 */
static bool
add_hop(struct buf *b, struct bytes relay, struct hop *hop)
{
	if (relay.p[0] == '[') {
		buf_add_bytes(b, relay);
	} else {
		size_t       colon = bytes_find(relay, ':');
		struct bytes port = bytes_from(relay, colon + 1);

		buf_addf(b, "[%.*s]", BYTES_ARG(bytes_first(relay, colon)));
		if (port.n > 0)
			buf_addf(b, ":%.*s", BYTES_ARG(port));
	}
	return hop_parse(buf_bytes(b), hop);
}

static void
write_relay(struct routes *r, const struct route_line *line)
{
	struct bytes key = line->key.n > 0 ? line->key : BYTES("*");
	struct hop   hop = { .port = SMTP_PORT };
	struct buf   to;

	buf_init(&to, 512);
	if (line->relay.n > 0 && !add_hop(&to, line->relay, &hop)) {
		leave_out(r, line,
		    bytes_find(line->relay, ' ') < line->relay.n
		        ? "has words behind the relay, of a patch; a route block "
		          "has user and password_file for AUTH"
		        : "names no relay that Ampel understands");
	} else {
		r->n++;
		buf_addf(&r->import->conf, "route \"%.*s\" { ", BYTES_ARG(key));
		if (to.len > 0)
			buf_addf(&r->import->conf, "to = \"%s\" ",
			    buf_string(&to));
		buf_add_string(&r->import->conf, "}\n");
	}
	if (hop.port == SMTPS_PORT)
		qmail_report_add(&r->import->left, routes_file, line->line,
		    "on port 465 Ampel begins with TLS, qmail did not");
	buf_finish(&to);
}

/* What would be written without any effect, as it stood there. */
static bool
is_idle(const struct routes *r, const struct route_line *line)
{
	if (table_find(&r->import->locals.by_name, line->key))
		leave_out(r, line, "is a local domain, so it did nothing");
	else if (line->key.n == 0 && line->relay.n == 0)
		leave_out(r, line, "says what holds without it");
	else if (line->key.n > 0 && !route_domain_is_valid(line->key))
		leave_out(r, line, "is no domain that mail can be sent to");
	else
		return false;
	return true;
}

static void
add_line(struct routes *r, struct bytes entry, unsigned number)
{
	struct route_line *line = arena_alloc(&r->import->arena, sizeof *line);
	struct route_line *other;
	struct bytes       key;

	if (line == NULL) {
		r->import->has_no_memory = true;
		return;
	}
	line->line = number;
	if (!qmail_control_pair(entry, &key, &line->relay)) {
		line->key = entry;
		leave_out(r, line, "has no colon: qmail passed it over, too");
		return;
	}
	line->key = qmail_lower(r->import, key);
	other = table_find(&r->by_key, line->key);
	if (other != NULL) {
		qmail_report_add(&r->import->left, routes_file, other->line,
		    "\"%.*s\" stands again in line %u, and that one counted",
		    BYTES_ARG(bytes_first(line->key, SHOWN_MAX)), number);
		other->relay = line->relay;
		other->line = number;
		return;
	}
	if (table_add(&r->by_key, line->key, line) == TABLE_NO_MEMORY)
		r->import->has_no_memory = true;
	*r->end = line;
	r->end = &line->next;
}

void
qmail_routes(struct qmail_import *import)
{
	struct routes r = { .import = import };
	struct bytes  text, entry;
	unsigned      line = 0;

	r.end = &r.first;
	if (qmail_read(import, routes_file, QMAIL_CONTROL_MAX, &text, NULL) !=
	    QMAIL_FILE_READ)
		return;
	while (qmail_control_next(&text, &entry, &line))
		add_line(&r, entry, line);
	if (r.first != NULL)
		qmail_heading(import, "%s", routes_file);
	for (const struct route_line *l = r.first; l != NULL; l = l->next)
		if (!is_idle(&r, l))
			write_relay(&r, l);
	if (r.n > 0)
		qmail_report_add(&import->carried, routes_file, 0,
		    "route: %zu", r.n);
	table_finish(&r.by_key);
}
