/*
 * What an import tells the administrator: one line for each thing, with the file that
 * it is about. Files may be anybody's: what is shown of them is made printable, and
 * bounded.
 */
#ifndef AMPEL_AMPEL_QMAIL_REPORT_H
#define AMPEL_AMPEL_QMAIL_REPORT_H

#include <stddef.h>

#include "base/buf.h"

enum { QMAIL_REPORT_FILE = 256 };

/* One section. */
struct qmail_report {
	struct buf  text;
	/* Private: the last line's file and kind, and how many of these there were in a row. */
	char        file[QMAIL_REPORT_FILE];
	const char *format;
	size_t      n;
};

void qmail_report_init(struct qmail_report *r);
void qmail_report_finish(struct qmail_report *r);

/*
 * "  FILE:LINE: TEXT", without the line when it is 0. Of many in a row about one file,
 * with one format, only the first are kept; the others are counted.
 */
void qmail_report_add(struct qmail_report *r, const char *file, unsigned line,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* After the last one. Empty: there was nothing to say. */
struct bytes qmail_report_text(struct qmail_report *r);

#endif
