/* control/: me, locals, virtualdomains, rcpthosts and morercpthosts. */
#include "ampel/qmail_import.h"
#include "ampel/qmail_virtual.h"
#include "mail/address.h"
#include "proto/constant_db.h"
#include "proto/qmail_control.h"

static const char locals_file[] = "control/locals";
static const char virtual_file[] = "control/virtualdomains";
static const char rcpthosts_file[] = "control/rcpthosts";
static const char more_file[] = "control/morercpthosts";
static const char more_db_file[] = "control/morercpthosts.cdb";

enum { SHOWN_MAX = 100 };

struct domains {
	struct qmail_import  *import;
	struct qmail_virtuals virtuals;
	bool                  is_open;  /* without rcpthosts: to everybody */
	struct qmail_names    accepted; /* rcpthosts and morercpthosts */
	struct qmail_names    relayed;
};

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
		    "missing: control/me alone is in domains");
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
	    "domains: %zu", import->locals.n);
}

static bool
is_local(const struct domains *d, struct bytes domain)
{
	return table_find(&d->import->locals.by_name, domain) != NULL;
}

/* --- rcpthosts --- */

static bool
is_ours(const struct domains *d, struct bytes domain)
{
	const struct qmail_virtual *v =
	    qmail_virtuals_find(&d->virtuals, domain);

	return is_local(d, domain) ||
	    bytes_equal(domain, d->import->hostname) ||
	    (v != NULL && v->prepend.n > 0);
}

static void
accept_entry(struct domains *d, const char *file, unsigned line, struct bytes entry)
{
	struct bytes domain = qmail_lower(d->import, entry);

	if (!qmail_is_domain(domain)) {
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
		accept_entry(d, file, line, entry);
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
		accept_entry(d, more_db_file, 0, key);
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

/* Not ours, in the midst of what is; but strangers could send there. */
static void
relay_exceptions(struct domains *d)
{
	for (const struct qmail_virtual *v = d->virtuals.first; v != NULL; v = v->next)
		if (v->prepend.n == 0 && v->key.n > 0 &&
		    is_accepted(d, qmail_virtual_domain(v)))
			qmail_names_add(d->import, &d->relayed, qmail_virtual_domain(v));
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
	    "relay_domains: %zu of %zu, the others are delivered here",
	    d->relayed.n, d->accepted.n);
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
compare_domains(const struct domains *d)
{
	const struct qmail_names   *locals = &d->import->locals;
	const struct qmail_virtual *v;

	for (size_t i = 0; i < locals->n; i++)
		compare_domain(d, locals_file, locals->v[i]);
	for (v = d->virtuals.first; v != NULL; v = v->next)
		if (v->prepend.n > 0)
			compare_domain(d, virtual_file, qmail_virtual_domain(v));
}

static void
compare(const struct domains *d)
{
	const struct qmail_import *import = d->import;

	if (!d->is_open)
		compare_domains(d);
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

	if (!read_me(import, why))
		return false;
	read_locals(import);
	qmail_virtuals_read(&d.virtuals, import);
	read_rcpthosts(&d);
	compare(&d);
	write_settings(&d);
	qmail_virtuals_finish(&d.virtuals);
	qmail_names_finish(&d.accepted);
	qmail_names_finish(&d.relayed);
	return true;
}
