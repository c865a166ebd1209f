#include "proto/aliases.h"

#include <string.h>

/* The file as a whole, and the list of targets that is being read. */
struct reader {
	struct arena    *arena;
	struct mistakes *mistakes;
	unsigned         line;
	bool             failed;   /* a mistake was added */
	struct bytes    *targets;
	size_t           n_targets;
	size_t           room;     /* places that targets has */
};

static void
fail(struct reader *r, unsigned line, const char *text)
{
	mistakes_add(r->mistakes, r->arena, line, "%s", text);
	r->failed = true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_printable(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!byte_is_print(text.p[i]) && text.p[i] != '\t')
			return false;
	return true;
}

/* A copy in which "\x" is x. */
static bool
unescape(struct reader *r, struct bytes quoted, struct bytes *out)
{
	char *copy = arena_alloc(r->arena, quoted.n + 1);

	if (copy == NULL) {
		fail(r, 0, "no memory for the aliases");
		return false;
	}
	*out = (struct bytes){ copy, 0 };
	for (size_t i = 0; i < quoted.n; i++) {
		if (quoted.p[i] == '\\' && i + 1 < quoted.n)
			i++;
		copy[out->n++] = quoted.p[i];
	}
	return true;
}

/* The position of the quote that ends a string; text begins behind its first. */
static size_t
find_quote(struct bytes text)
{
	size_t at = 0;

	while (at < text.n && text.p[at] != '"')
		at += text.p[at] == '\\' ? 2 : 1;
	return at < text.n ? at : text.n;
}

/*
 * How far a word goes: up to stop, or to a comment, outside of quotes. False: a
 * quote is not closed.
 */
static bool
word_length(struct bytes text, char stop, size_t *length)
{
	size_t at = 0;

	while (at < text.n && text.p[at] != stop) {
		if (text.p[at] == '#' && (at == 0 || is_blank(text.p[at - 1])))
			break;
		if (text.p[at] == '"') {
			at += 1 + find_quote(bytes_from(text, at + 1));
			if (at >= text.n)
				return false;
		}
		at++;
	}
	*length = at;
	return true;
}

/*
 * Take a word off *rest. Quotes go when they enclose the whole of it; those of
 * an address ("a b"@example.org) stay.
 */
static bool
read_word(struct reader *r, struct bytes *rest, char stop, struct bytes *word)
{
	size_t length;

	if (!word_length(*rest, stop, &length)) {
		fail(r, r->line, "a quote is not closed on its line");
		return false;
	}
	*word = bytes_trim(bytes_first(*rest, length));
	*rest = bytes_from(*rest, length);
	if (!is_printable(*word)) {
		fail(r, r->line, "a byte is not printable ASCII");
		return false;
	}
	if (word->n < 2 || word->p[0] != '"' ||
	    find_quote(bytes_from(*word, 1)) != word->n - 2)
		return true;
	return unescape(r, bytes_first(bytes_from(*word, 1), word->n - 2), word);
}

static bool
add_target(struct reader *r, struct bytes target)
{
	if (r->n_targets == r->room) {
		size_t        room = r->room ? r->room * 2 : 4;
		struct bytes *targets =
		    arena_alloc(r->arena, room * sizeof *targets);

		if (targets == NULL) {
			fail(r, 0, "no memory for the aliases");
			return false;
		}
		if (r->n_targets > 0)
			memcpy(targets, r->targets,
			    r->n_targets * sizeof *targets);
		r->targets = targets;
		r->room = room;
	}
	r->targets[r->n_targets++] = target;
	return true;
}

/* Targets by commas, to the end of the line or a comment. */
static bool
read_targets(struct reader *r, struct bytes rest)
{
	struct bytes target;

	for (;;) {
		if (!read_word(r, &rest, ',', &target))
			return false;
		if (target.n > 0 && !add_target(r, target))
			return false;
		if (rest.n == 0 || rest.p[0] != ',')
			return true;
		rest = bytes_from(rest, 1);
	}
}

/* The next line that is neither empty nor a comment, without its line end. */
static bool
next_line(struct reader *r, struct bytes *rest, struct bytes *line)
{
	while (bytes_split(rest, '\n', line)) {
		struct bytes content;

		r->line++;
		if (line->n > 0 && line->p[line->n - 1] == '\r')
			line->n--;
		content = bytes_trim(*line);
		if (content.n > 0 && content.p[0] != '#')
			return true;
	}
	return false;
}

/* "name:" and the first targets. NULL: a mistake was added. */
static struct alias *
begin_alias(struct reader *r, struct bytes line)
{
	struct alias *alias = arena_alloc(r->arena, sizeof *alias);
	struct bytes  rest = line;

	if (alias == NULL) {
		fail(r, 0, "no memory for the aliases");
		return NULL;
	}
	r->targets = NULL;
	r->n_targets = r->room = 0;
	alias->line = r->line;
	if (!read_word(r, &rest, ':', &alias->name))
		return NULL;
	if (rest.n == 0 || rest.p[0] != ':' || alias->name.n == 0) {
		fail(r, r->line, "expected \"name: target, target\"");
		return NULL;
	}
	return read_targets(r, bytes_from(rest, 1)) ? alias : NULL;
}

/* No more lines of it come. */
static void
end_alias(struct reader *r, struct alias *alias)
{
	if (alias == NULL)
		return;
	alias->targets = r->targets;
	alias->n_targets = r->n_targets;
	/* mail for nobody would vanish */
	if (alias->n_targets == 0)
		fail(r, alias->line, "the alias has no target");
}

static bool
is_small_enough(struct reader *r, struct bytes text)
{
	if (text.n <= ALIASES_MAX)
		return true;
	fail(r, 0, "the file is larger than 16M");
	return false;
}

struct alias *
aliases_parse(struct bytes text, struct arena *arena, struct mistakes *mistakes)
{
	struct reader  r = { .arena = arena, .mistakes = mistakes };
	struct alias  *first = NULL, *alias = NULL;
	struct alias **last = &first;
	struct bytes   line;
	bool           has_begun = false;

	if (!is_small_enough(&r, text))
		return NULL;
	while (next_line(&r, &text, &line)) {
		if (!is_blank(line.p[0])) {
			end_alias(&r, alias);
			alias = begin_alias(&r, line);
			has_begun = true;
			if (alias == NULL)
				continue;
			*last = alias;
			last = &alias->next;
		} else if (alias != NULL) {
			read_targets(&r, line);
		} else if (!has_begun) {
			fail(&r, r.line, "a continuation line without an alias "
			    "before it");
			has_begun = true;
		}
	}
	end_alias(&r, alias);
	return first;
}

bool
aliases_parse_list(struct bytes text, struct arena *arena,
    struct mistakes *mistakes, struct bytes **targets, size_t *n)
{
	struct reader r = { .arena = arena, .mistakes = mistakes };
	struct bytes  line;

	if (is_small_enough(&r, text))
		while (next_line(&r, &text, &line))
			read_targets(&r, line);
	*targets = r.targets;
	*n = r.n_targets;
	return !r.failed;
}

bool
alias_is_include(struct bytes target, struct bytes *path)
{
	static const struct bytes mark = BYTES_INIT(":include:");

	if (!bytes_start_nocase(target, mark))
		return false;
	*path = bytes_trim(bytes_from(target, mark.n));
	return true;
}
