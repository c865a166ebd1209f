#include "ampel/qmail_virtual.h"

#include "base/printable.h"
#include "mail/address.h"
#include "proto/qmail_control.h"

static const char file[] = "control/virtualdomains";

enum { SHOWN_MAX = 100, PREPEND_MAX = 300 };

struct bytes
qmail_virtual_domain(const struct qmail_virtual *line)
{
	size_t at = bytes_find_last(line->key, '@');

	return at < line->key.n ? bytes_from(line->key, at + 1) : line->key;
}

/* --- a line --- */

static bool
is_key(struct bytes key)
{
	struct address address;

	if (bytes_find(key, '@') < key.n)
		return address_parse(key, &address);
	return key.n == 0 || qmail_is_domain(key);
}

/* It becomes part of a local part, and of the names of .qmail files. */
static bool
is_prepend(struct bytes text)
{
	return text.n <= PREPEND_MAX && printable_is(text) &&
	    bytes_find(text, ' ') == text.n && bytes_find(text, '/') == text.n;
}

/* Why a line cannot be carried over, or NULL. */
static const char *
judge(const struct qmail_import *import, const struct qmail_virtual *line)
{
	struct bytes domain = qmail_virtual_domain(line);

	if (!is_key(line->key))
		return "is neither an address nor a domain that mail can be sent "
		       "to: left out";
	if (!is_prepend(line->prepend))
		return "leads to what is no part of a name: left out";
	if (table_find(&import->locals.by_name, domain))
		return "is of control/locals, which comes first: the line did "
		       "nothing and is left out";
	if (bytes_equal(domain, import->hostname))
		return "is of control/me: Ampel takes mail for its hostname as for "
		       "a local domain; the line is left out";
	return NULL;
}

static void
add(struct qmail_virtuals *v, struct qmail_virtual *line)
{
	struct qmail_virtual *other = table_find(&v->by_key, line->key);

	if (other != NULL) {
		qmail_report_add(&v->import->left, file, other->line,
		    "\"%.*s\" stands again in line %u, and that one counted",
		    BYTES_ARG(bytes_first(line->key, SHOWN_MAX)), line->line);
		other->prepend = line->prepend;
		other->line = line->line;
		return;
	}
	if (table_add(&v->by_key, line->key, line) == TABLE_NO_MEMORY)
		v->import->has_no_memory = true;
	if (v->last != NULL)
		v->last->next = line;
	else
		v->first = line;
	v->last = line;
}

static void
read_line(struct qmail_virtuals *v, struct bytes entry, unsigned number)
{
	struct qmail_virtual *line = arena_alloc(&v->import->arena, sizeof *line);
	const char           *why;

	if (line == NULL) {
		v->import->has_no_memory = true;
		return;
	}
	line->line = number;
	if (!qmail_control_pair(entry, &line->key, &line->prepend)) {
		why = "has no colon: qmail passed it over, too";
	} else {
		line->key = qmail_lower(v->import, line->key);
		why = judge(v->import, line);
	}
	if (why != NULL)
		qmail_report_add(&v->import->left, file, number, "\"%.*s\" %s",
		    BYTES_ARG(bytes_first(line->key, SHOWN_MAX)), why);
	else
		add(v, line);
}

/* --- all of them --- */

void
qmail_virtuals_read(struct qmail_virtuals *v, struct qmail_import *import)
{
	struct buf  *copy = &import->files[QMAIL_VIRTUALDOMAINS];
	struct bytes text, entry;
	unsigned     number = 0;
	size_t       n = 0;

	v->import = import;
	if (qmail_read(import, file, QMAIL_CONTROL_MAX, &text, NULL) !=
	    QMAIL_FILE_READ)
		return;
	while (qmail_control_next(&text, &entry, &number))
		read_line(v, entry, number);
	for (const struct qmail_virtual *l = v->first; l != NULL; l = l->next, n++)
		buf_addf(copy, "%.*s:%.*s\n", BYTES_ARG(l->key),
		    BYTES_ARG(l->prepend));
	if (n > 0)
		qmail_report_add(&import->carried, file, 0,
		    "virtual_domains: %zu, in the file virtualdomains", n);
}

void
qmail_virtuals_finish(struct qmail_virtuals *v)
{
	table_finish(&v->by_key);
}

const struct qmail_virtual *
qmail_virtuals_find(const struct qmail_virtuals *v, struct bytes domain)
{
	const struct qmail_virtual *found = table_find(&v->by_key, domain);

	for (size_t at = 1; found == NULL && at < domain.n; at++)
		if (domain.p[at] == '.')
			found = table_find(&v->by_key, bytes_from(domain, at));
	return found != NULL ? found : table_find(&v->by_key, BYTES(""));
}
