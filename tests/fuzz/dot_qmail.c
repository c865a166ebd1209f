/*
 * .qmail files and their names. The first byte splits the rest into a dash and ext, or says
 * that only addresses may stand there. What is read holds: each text is a part of the content,
 * on the line of its number, without a NUL; with a blank at its end only that of a Maildir,
 * "./x /"; where only addresses may be, nothing else is. Each name is one file in the home and
 * begins with ".qmail"; what it leaves out stands at the end of ext.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/dot_qmail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
number_at(struct bytes content, const char *p)
{
	unsigned number = 1;

	for (const char *c = content.p; c < p; c++)
		number += *c == '\n';
	return number;
}

static void
check_line(const struct dot_qmail_line *line, struct bytes content,
    bool forward_only)
{
	struct bytes text = line->text;
	char         last = text.n > 0 ? text.p[text.n - 1] : 'x';

	if (text.p < content.p || text.p + text.n > content.p + content.n)
		abort();
	if (number_at(content, text.p) != line->number)
		abort();
	if (bytes_find(text, '\0') != text.n || bytes_find(text, '\n') != text.n)
		abort();
	/* before a '/' a blank is a part of the name */
	if (line->kind != DOT_QMAIL_MAILDIR && (last == ' ' || last == '\t'))
		abort();
	if (forward_only && line->kind != DOT_QMAIL_FORWARD)
		abort();
	if (line->kind == DOT_QMAIL_MAILDIR && last == '/')
		abort();
}

static void
check_lines(struct bytes content, bool forward_only)
{
	struct dot_qmail q;
	struct arena     arena;

	arena_init(&arena, 4 * DOT_QMAIL_MAX);
	if (dot_qmail_read(&q, content, forward_only, &arena) == DOT_QMAIL_OK)
		for (size_t i = 0; i < q.n; i++)
			check_line(&q.lines[i], content, forward_only);
	arena_finish(&arena);
}

static void
check_names(struct bytes dash, struct bytes ext)
{
	char         name[256];
	struct bytes matched;
	unsigned     step = 0;
	size_t       n = 0, shorter = 0;

	while (dot_qmail_next_name(dash, ext, &step, name, &matched)) {
		if (n++ > ext.n + 1 || strlen(name) > 255 ||
		    strchr(name, '/') != NULL || strncmp(name, ".qmail", 6) != 0)
			abort();
		if (matched.n > ext.n || matched.n < shorter ||
		    matched.p + matched.n != ext.p + ext.n)
			abort();
		shorter = matched.n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = { (const char *)data + 1, size - 1 };
	size_t       cut;

	if (size == 0)
		return 0;
	cut = data[0] % 8;
	check_lines(text, data[0] >= 128);
	check_names(bytes_first(text, cut), bytes_from(text, cut));
	return 0;
}
