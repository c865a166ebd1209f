#include "ampel/qmail_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

enum {
	TEXT_MAX = 4 * 1024 * 1024,
	LINE_MAX_BYTES = 1000,
	IN_A_ROW_MAX = 20,
};

static const char is_cut[] = "  and more: the list is cut here\n";

void
qmail_report_init(struct qmail_report *r)
{
	*r = (struct qmail_report){ .n = 0 };
	buf_init(&r->text, TEXT_MAX);
}

void
qmail_report_finish(struct qmail_report *r)
{
	buf_finish(&r->text);
}

/* Those that were only counted. */
static void
end_row(struct qmail_report *r)
{
	if (r->n > IN_A_ROW_MAX)
		buf_addf(&r->text, "  %s: and %zu more of these\n", r->file,
		    r->n - IN_A_ROW_MAX);
	r->file[0] = '\0';
	r->n = 0;
}

void
qmail_report_add(struct qmail_report *r, const char *file, unsigned line,
    const char *format, ...)
{
	char    text[LINE_MAX_BYTES], where[QMAIL_REPORT_FILE];
	va_list arguments;

	snprintf(where, sizeof where, "%s", file);
	if (strcmp(where, r->file) != 0 || r->format != format) {
		end_row(r);
		memcpy(r->file, where, sizeof where);
		r->format = format;
	}
	if (++r->n > IN_A_ROW_MAX)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buf_add_string(&r->text, "  ");
	printable_add(&r->text, bytes_of(where), sizeof where);
	if (line > 0)
		buf_addf(&r->text, ":%u", line);
	buf_add_string(&r->text, ": ");
	printable_add(&r->text, bytes_of(text), sizeof text);
	buf_add_char(&r->text, '\n');
}

struct bytes
qmail_report_text(struct qmail_report *r)
{
	end_row(r);
	if (r->text.failed) {
		/* what was kept ends with a part of a line */
		r->text.failed = false;
		while (r->text.len > 0 && (r->text.p[r->text.len - 1] != '\n' ||
		    r->text.max - r->text.len < sizeof is_cut))
			r->text.len--;
		buf_add_string(&r->text, is_cut);
	}
	return buf_bytes(&r->text);
}
