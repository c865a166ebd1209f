/* control/virtualdomains: which domains are whose. */
#ifndef AMPEL_AMPEL_QMAIL_VIRTUAL_H
#define AMPEL_AMPEL_QMAIL_VIRTUAL_H

#include "ampel/qmail_import.h"

/* A line. Of several for one key the last counts, in the place of the first. */
struct qmail_virtual {
	struct bytes          key;     /* "user@dom", "dom", ".suffix" or empty; lower case */
	struct bytes          prepend; /* empty: an exception, not ours */
	unsigned              line;
	struct qmail_virtual *next;
};

/* Zeroed has none. */
struct qmail_virtuals {
	struct qmail_import  *import;
	struct table          by_key;
	struct qmail_virtual *first;
	struct qmail_virtual *last;
};

/*
 * After the locals, which come first. Those that hold are copied to the file
 * QMAIL_VIRTUALDOMAINS.
 */
void qmail_virtuals_read(struct qmail_virtuals *v, struct qmail_import *import);
void qmail_virtuals_finish(struct qmail_virtuals *v);

/* What qmail found for a domain, or for ".suffix"; NULL: nothing. */
const struct qmail_virtual *qmail_virtuals_find(
    const struct qmail_virtuals *v, struct bytes domain);
/* What a line is about, without the user of "user@domain". */
struct bytes qmail_virtual_domain(const struct qmail_virtual *line);

#endif
