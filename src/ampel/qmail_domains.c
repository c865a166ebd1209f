/* control/: me, locals, virtualdomains, rcpthosts and morercpthosts. */
#include <stdio.h>
#include <string.h>

#include "ampel/qmail_import.h"
#include "base/printable.h"
#include "mail/address.h"
#include "proto/constant_db.h"
#include "proto/qmail_control.h"

static const char locals_file[] = "control/locals";
static const char virtual_file[] = "control/virtualdomains";
static const char rcpthosts_file[] = "control/rcpthosts";
static const char more_file[] = "control/morercpthosts";
static const char more_db_file[] = "control/morercpthosts.cdb";

enum { SHOWN_MAX = 100, PREPEND_MAX = 300 };

/* A line of virtualdomains. Of several for one key, the last counts. */
struct virtual {
	struct bytes    key; /* lower case */
	struct bytes    prepend; /* empty: an exception, not ours */
	unsigned        line;
	struct virtual *next;
};

struct domains {
	struct qmail_import *import;
	struct table         by_key; /* struct virtual */
	struct virtual      *first;
	struct virtual     **end;
	bool                 is_open; /* without rcpthosts: to everybody */
	struct qmail_names   accepted; /* rcpthosts and morercpthosts */
	struct qmail_names   relayed;
};

/* "example.org", or ".example.org" for all below it. */
static bool
is_domain(struct bytes text)
{
	if (text.n > 0 && text.p[0] == '.')
		text = bytes_from(text, 1);
	return text.n > 0 && address_domain_is_valid(text);
}

/* --- me --- */

static bool
read_me(struct qmail_import *import, const char **why)
{
	struct bytes text;

	if (qmail_read(import, "control/me", QMAIL_CONTROL_MAX, &text, NULL) !=
	    QMAIL_FILE_READ) {
		*why = "control/me cannot be read: is that qmail's folder?";
		return false;
	}
	import->hostname = qmail_lower(import, qmail_control_line(text));
	if (import->hostname.n == 0 || import->hostname.p[0] == '[' ||
	    !address_domain_is_valid(import->hostname)) {
		*why = "control/me holds no host name";
		return false;
	}
	qmail_heading(import, "control/me");
	buf_addf(&import->conf, "hostname = \"%.*s\"\n",
	    BYTES_ARG(import->hostname));
	qmail_report_add(&import->carried, "control/me", 0, "hostname");
	return true;
}

/* --- locals --- */

static void
read_locals(struct qmail_import *import)
{
	struct bytes text, entry;
	unsigned     line = 0;

	if (qmail_read(import, locals_file, QMAIL_CONTROL_MAX, &text, NULL) ==
	    QMAIL_FILE_MISSING) {
		qmail_names_add(import, &import->locals, import->hostname);
		qmail_report_add(&import->carried, locals_file, 0,
		    "missing: control/me is the one domain (domains)");
		return;
	}
	while (qmail_control_next(&text, &entry, &line))
		if (address_domain_is_valid(entry))
			qmail_names_add(import, &import->locals,
			    qmail_lower(import, entry));
		else
			qmail_report_add(&import->left, locals_file, line,
			    "\"%.*s\" is no domain that mail can be sent to: "
			    "left out",
			    BYTES_ARG(bytes_first(entry, SHOWN_MAX)));
	qmail_report_add(&import->carried, locals_file, 0,
	    "%zu domains (domains)", import->locals.n);
}

static bool
is_local(const struct domains *d, struct bytes domain)
{
	return table_find(&d->import->locals.by_name, domain) != NULL;
}

/* --- virtualdomains --- */

/* It becomes part of a local part, and of the names of .qmail files. */
static bool
is_prepend(struct bytes text)
{
	return text.n <= PREPEND_MAX && printable_is(text) &&
	    bytes_find(text, ' ') == text.n && bytes_find(text, '/') == text.n;
}

/* Why a line cannot be carried over, or NULL. */
static const char *
judge_virtual(const struct domains *d, const struct virtual *v)
{
	struct address address = { .domain = v->key };
	bool           is_address = bytes_find(v->key, '@') < v->key.n;

	if (is_address ? !address_parse(v->key, &address)
	               : v->key.n > 0 && !is_domain(v->key))
		return "is neither an address nor a domain that mail can be sent "
		       "to: left out";
	if (!is_prepend(v->prepend))
		return "leads to what is no part of a name: left out";
	if (is_local(d, address.domain))
		return "is of control/locals, which comes first: the line did "
		       "nothing and is left out";
	if (bytes_equal(address.domain, d->import->hostname))
		return "is of control/me: Ampel takes mail for its hostname as for "
		       "a local domain; the line is left out";
	return NULL;
}

static void
add_virtual(struct domains *d, struct virtual *v)
{
	struct virtual *other = table_find(&d->by_key, v->key);

	if (other != NULL) {
		qmail_report_add(&d->import->left, virtual_file, other->line,
		    "\"%.*s\" stands again in line %u, and that one counted",
		    BYTES_ARG(bytes_first(v->key, SHOWN_MAX)), v->line);
		other->prepend = v->prepend;
		other->line = v->line;
		return;
	}
	if (table_add(&d->by_key, v->key, v) == TABLE_NO_MEMORY)
		d->import->has_no_memory = true;
	*d->end = v;
	d->end = &v->next;
}

static void
read_virtual_line(struct domains *d, struct bytes entry, unsigned line)
{
	struct virtual *v = arena_alloc(&d->import->arena, sizeof *v);
	const char     *why;

	if (v == NULL) {
		d->import->has_no_memory = true;
		return;
	}
	v->line = line;
	if (!qmail_control_pair(entry, &v->key, &v->prepend)) {
		why = "has no colon: qmail passed it over, too";
	} else {
		v->key = qmail_lower(d->import, v->key);
		why = judge_virtual(d, v);
	}
	if (why != NULL)
		qmail_report_add(&d->import->left, virtual_file, line,
		    "\"%.*s\" %s", BYTES_ARG(bytes_first(v->key, SHOWN_MAX)),
		    why);
	else
		add_virtual(d, v);
}

static void
read_virtual(struct domains *d)
{
	struct qmail_import *import = d->import;
	struct buf          *b = &import->files[QMAIL_VIRTUALDOMAINS];
	struct bytes         text, entry;
	unsigned             line = 0;
	size_t               n = 0;

	if (qmail_read(import, virtual_file, QMAIL_CONTROL_MAX, &text, NULL) !=
	    QMAIL_FILE_READ)
		return;
	while (qmail_control_next(&text, &entry, &line))
		read_virtual_line(d, entry, line);
	for (const struct virtual *v = d->first; v != NULL; v = v->next, n++)
		buf_addf(b, "%.*s:%.*s\n", BYTES_ARG(v->key),
		    BYTES_ARG(v->prepend));
	if (n > 0)
		qmail_report_add(&import->carried, virtual_file, 0,
		    "%zu lines, in the file virtualdomains (virtual_domains)", n);
}

/* What qmail found for a domain, or for ".suffix"; NULL: nothing. */
static const struct virtual *
find_virtual(const struct domains *d, struct bytes domain)
{
	const struct virtual *v = table_find(&d->by_key, domain);

	for (size_t at = 1; v == NULL && at < domain.n; at++)
		if (domain.p[at] == '.')
			v = table_find(&d->by_key, bytes_from(domain, at));
	return v != NULL ? v : table_find(&d->by_key, BYTES(""));
}

static bool
is_ours(const struct domains *d, struct bytes domain)
{
	const struct virtual *v = find_virtual(d, domain);

	return is_local(d, domain) ||
	    bytes_equal(domain, d->import->hostname) ||
	    (v != NULL && v->prepend.n > 0);
}

/* --- rcpthosts --- */

static void
accept(struct domains *d, const char *file, unsigned line, struct bytes entry)
{
	struct bytes domain = qmail_lower(d->import, entry);

	if (!is_domain(domain)) {
		qmail_report_add(&d->import->left, file, line,
		    "\"%.*s\" is no domain that mail can be sent to: left out",
		    BYTES_ARG(bytes_first(entry, SHOWN_MAX)));
		return;
	}
	if (qmail_names_add(d->import, &d->accepted, domain) &&
	    !is_ours(d, domain))
		qmail_names_add(d->import, &d->relayed, domain);
}

static void
accept_list(struct domains *d, const char *file, struct bytes text)
{
	struct bytes entry;
	unsigned     line = 0;

	while (qmail_control_next(&text, &entry, &line))
		accept(d, file, line, entry);
}

static void
accept_db(struct domains *d, struct bytes content)
{
	struct constant_db db;
	struct bytes       key, data;
	size_t             at = 0;

	if (!constant_db_open(&db, content)) {
		qmail_report_add(&d->import->left, more_db_file, 0,
		    "is no constant database: nothing of it is carried over");
		return;
	}
	while (constant_db_next(&db, &at, &key, &data))
		accept(d, more_db_file, 0, key);
}

/* qmail-smtpd reads the database, qmail-newmrh makes it from the text. */
static void
read_more(struct domains *d)
{
	struct qmail_import *import = d->import;
	struct stat          text_st, db_st;
	struct bytes         content;
	bool                 has_text = qmail_stat(import, more_file, &text_st);

	if (qmail_read(import, more_db_file, QMAIL_CONTROL_MAX, &content,
	        &db_st) == QMAIL_FILE_READ) {
		accept_db(d, content);
		qmail_report_add(&import->carried, more_db_file, 0,
		    "with control/rcpthosts");
		if (has_text && text_st.st_mtime > db_st.st_mtime)
			qmail_report_add(&import->left, more_file, 0,
			    "is newer than its database, which is what qmail "
			    "used: what was changed in it since is not in "
			    "relay_domains");
	} else if (qmail_read(import, more_file, QMAIL_CONTROL_MAX, &content,
	               NULL) == QMAIL_FILE_READ) {
		accept_list(d, more_file, content);
		qmail_report_add(&import->left, more_file, 0,
		    "qmail did not know it, since qmail-newmrh had made no "
		    "database of it; Ampel now takes mail for its domains: look "
		    "at relay_domains");
	}
}

static bool
is_accepted(const struct domains *d, struct bytes domain)
{
	bool is = table_find(&d->accepted.by_name, domain) != NULL;

	for (size_t at = 1; !is && at < domain.n; at++)
		is = domain.p[at] == '.' &&
		    table_find(&d->accepted.by_name, bytes_from(domain, at));
	return is;
}

/* What a line of virtualdomains is about, without the user of "user@domain". */
static struct bytes
domain_of(const struct virtual *v)
{
	size_t at = bytes_find_last(v->key, '@');

	return at < v->key.n ? bytes_from(v->key, at + 1) : v->key;
}

/* Not ours, in the midst of what is; but strangers could send there. */
static void
relay_exceptions(struct domains *d)
{
	for (const struct virtual *v = d->first; v != NULL; v = v->next)
		if (v->prepend.n == 0 && v->key.n > 0 &&
		    is_accepted(d, domain_of(v)))
			qmail_names_add(d->import, &d->relayed, domain_of(v));
}

static void
read_rcpthosts(struct domains *d)
{
	struct qmail_import *import = d->import;
	struct bytes         text;

	if (qmail_read(import, rcpthosts_file, QMAIL_CONTROL_MAX, &text, NULL) ==
	    QMAIL_FILE_MISSING) {
		d->is_open = true;
		qmail_report_add(&import->left, rcpthosts_file, 0,
		    "missing: this was an open relay: anybody could send to "
		    "anybody; Ampel takes mail from strangers only for the "
		    "domains of control/locals and control/virtualdomains: add "
		    "others to relay_domains");
		return;
	}
	accept_list(d, rcpthosts_file, text);
	read_more(d);
	relay_exceptions(d);
	qmail_report_add(&import->carried, rcpthosts_file, 0,
	    "%zu domains, of which %zu are not delivered here (relay_domains)",
	    d->accepted.n, d->relayed.n);
}

/* --- what is now other than it was --- */

static void
compare_domain(const struct domains *d, const char *file, struct bytes domain)
{
	if (domain.n == 0)
		qmail_report_add(&d->import->left, file, 0,
		    "the line without a key makes every domain ours: strangers "
		    "could send to those of control/rcpthosts alone, now they "
		    "can to all");
	else if (!is_accepted(d, domain))
		qmail_report_add(&d->import->left, file, 0,
		    "\"%.*s\" is not in control/rcpthosts: strangers could not "
		    "send there, now they can", BYTES_ARG(domain));
}

static void
compare(const struct domains *d)
{
	const struct qmail_import *import = d->import;

	for (size_t i = 0; !d->is_open && i < import->locals.n; i++)
		compare_domain(d, locals_file, import->locals.v[i]);
	for (const struct virtual *v = d->first; v && !d->is_open; v = v->next)
		if (v->prepend.n > 0)
			compare_domain(d, virtual_file, domain_of(v));
	if (!is_local(d, import->hostname))
		qmail_report_add(&d->import->left, locals_file, 0,
		    "does not have \"%.*s\": Ampel takes mail for its own "
		    "hostname as for a local domain", BYTES_ARG(import->hostname));
}

static void
write_settings(struct domains *d)
{
	struct qmail_import *import = d->import;

	qmail_heading(import, "control/locals");
	qmail_add_list(import, "domains", import->locals.v, import->locals.n);
	if (import->files[QMAIL_VIRTUALDOMAINS].len > 0) {
		qmail_heading(import, "control/virtualdomains");
		buf_addf(&import->conf, "virtual_domains = \"%s/%s\"\n",
		    import->beside, qmail_beside_name(QMAIL_VIRTUALDOMAINS));
	}
	if (d->relayed.n > 0) {
		qmail_heading(import, "control/rcpthosts and morercpthosts, "
		    "without what is delivered here:\n"
		    "# others' domains, whose mail is passed on");
		qmail_add_list(
		    import, "relay_domains", d->relayed.v, d->relayed.n);
	}
}

bool
qmail_domains(struct qmail_import *import, const char **why)
{
	struct domains d = { .import = import };

	d.end = &d.first;
	if (!read_me(import, why))
		return false;
	read_locals(import);
	read_virtual(&d);
	read_rcpthosts(&d);
	compare(&d);
	write_settings(&d);
	table_finish(&d.by_key);
	qmail_names_finish(&d.accepted);
	qmail_names_finish(&d.relayed);
	return true;
}
