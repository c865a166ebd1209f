#include "proto/dot_qmail.h"

#include <string.h>

enum { NAME_BYTES = 256, LINES_AT_FIRST = 16 };

static const struct bytes prefix = BYTES_INIT(".qmail");
static const struct bytes default_name = BYTES_INIT("default");

/* --- lines --- */

struct reader {
	struct dot_qmail *q;
	struct arena     *arena;
	size_t            room;         /* places that q->lines has */
	bool              forward_only;
};

static struct bytes
trim_end(struct bytes line)
{
	while (line.n > 0 &&
	    (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	return line;
}

/* A place for one more; what was outgrown stays in the arena until its end. */
static struct dot_qmail_line *
add_line(struct reader *r)
{
	struct dot_qmail *q = r->q;

	if (q->n == r->room) {
		size_t room = r->room ? 2 * r->room : LINES_AT_FIRST;
		struct dot_qmail_line *lines =
		    arena_alloc(r->arena, room * sizeof *lines);

		if (lines == NULL)
			return NULL;
		if (q->n > 0)
			memcpy(lines, q->lines, q->n * sizeof *lines);
		q->lines = lines;
		r->room = room;
	}
	return &q->lines[q->n++];
}

static struct dot_qmail_line
file_line(struct bytes path)
{
	struct dot_qmail_line line = { .kind = DOT_QMAIL_MBOX, .text = path };

	if (path.p[path.n - 1] == '/')
		line.kind = DOT_QMAIL_MAILDIR;
	while (line.text.n > 0 && line.text.p[line.text.n - 1] == '/')
		line.text.n--;
	return line;
}

/* What a line that is not empty says. False: it does nothing here. */
static bool
understand(struct reader *r, struct bytes text, struct dot_qmail_line *line)
{
	switch (text.p[0]) {
	case '#':
		return false;
	case '+': /* other words were kept for later, and none came */
		if (bytes_equal(text, BYTES("+list")))
			r->forward_only = true;
		return false;
	case '|':
		*line = (struct dot_qmail_line){ DOT_QMAIL_PROGRAM,
			bytes_from(text, 1), 0 };
		return true;
	case '.':
	case '/':
		*line = file_line(text);
		return true;
	case '&':
		text = bytes_from(text, 1);
		break;
	default:
		break;
	}
	*line = (struct dot_qmail_line){ DOT_QMAIL_FORWARD, text, 0 };
	return true;
}

static enum dot_qmail_result
read_line(struct reader *r, struct bytes text, unsigned number)
{
	struct dot_qmail_line line, *place;

	r->q->mistake = number;
	if (bytes_find(text, '\0') != text.n)
		return DOT_QMAIL_MISTAKE;
	text = trim_end(text);
	if (text.n == 0)
		return number == 1 ? DOT_QMAIL_BLANK : DOT_QMAIL_OK;
	if (!understand(r, text, &line))
		return DOT_QMAIL_OK;
	if ((r->forward_only && line.kind != DOT_QMAIL_FORWARD) ||
	    r->q->n == DOT_QMAIL_LINES_MAX)
		return DOT_QMAIL_MISTAKE;
	line.number = number;
	place = add_line(r);
	if (place == NULL)
		return DOT_QMAIL_NO_MEMORY;
	*place = line;
	return DOT_QMAIL_OK;
}

enum dot_qmail_result
dot_qmail_read(struct dot_qmail *q, struct bytes content, bool forward_only,
    struct arena *arena)
{
	struct reader r = { .q = q, .arena = arena, .forward_only = forward_only };
	struct bytes  line;

	*q = (struct dot_qmail){ 0 };
	for (unsigned number = 1; bytes_split(&content, '\n', &line); number++) {
		enum dot_qmail_result result = read_line(&r, line, number);

		if (result != DOT_QMAIL_OK)
			return result;
	}
	q->mistake = 0;
	return DOT_QMAIL_OK;
}

/* --- names --- */

/* False: it does not fit, and the name stays as it was. */
static bool
append(char name[NAME_BYTES], size_t *n, struct bytes text)
{
	if (text.n >= NAME_BYTES - *n)
		return false;
	if (text.n > 0)
		memcpy(name + *n, text.p, text.n);
	*n += text.n;
	return true;
}

/* As a part of a file's name; no way leads upwards, for there are no dots in it. */
static void
make_safe(char *ext, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ext[i] = ext[i] == '.' ? ':' : byte_lower(ext[i]);
}

static bool
make_name(char name[NAME_BYTES], struct bytes dash, struct bytes ext,
    struct bytes end)
{
	size_t n = 0;
	bool   fits = append(name, &n, prefix) && append(name, &n, dash) &&
	    append(name, &n, ext) && append(name, &n, end);

	if (!fits || memchr(name, '/', n) || memchr(name, '\0', n))
		return false;
	make_safe(name + prefix.n + dash.n, ext.n);
	name[n] = '\0';
	return true;
}

/*
 * Steps: 0 is the name itself, 1 + k the one where "default" stands for the last k bytes of
 * ext, if those are whole parts.
 */
bool
dot_qmail_next_name(struct bytes dash, struct bytes ext, unsigned *step,
    char name[NAME_BYTES], struct bytes *matched)
{
	/* the plain name has no default: it would be ".qmaildefault" */
	bool   is_plain = dash.n == 0 && ext.n == 0;
	size_t kept;

	if (*step == 0) {
		++*step;
		*matched = bytes_from(ext, ext.n);
		if (make_name(name, dash, ext, BYTES("")))
			return true;
	}
	while (!is_plain && *step <= ext.n + 1) {
		kept = ext.n - (*step)++ + 1;
		if (kept > 0 && ext.p[kept - 1] != '-')
			continue;
		*matched = bytes_from(ext, kept);
		if (make_name(name, dash, bytes_first(ext, kept), default_name))
			return true;
	}
	return false;
}
