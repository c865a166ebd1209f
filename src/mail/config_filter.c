#include "mail/config_filter.h"

#include "base/buf.h"
#include "base/number.h"
#include "mail/setting.h"

enum { YELLOW_MILLI = 5000, RED_MILLI = 7000, SPAMD_MAX_SIZE = 500 * 1024 };

/* What is being read. */
struct reader {
	struct config_filter      *filter;
	const struct config_block *block;
	struct arena              *arena;
	struct mistakes           *mistakes;
};

/* --- the kind --- */

struct kind {
	const char      *name;
	enum filter_kind kind; /* means nothing for those that are not there yet */
};

static const struct kind kinds[] = {
	{ "command", FILTER_COMMAND },
	{ "check", FILTER_CHECK },
	{ "spamd", FILTER_SPAMD },
	{ "rspamd", FILTER_SPAMD },
	{ "clamd", FILTER_SPAMD },
	{ "milter", FILTER_SPAMD },
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind *
find_kind(struct bytes name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (bytes_equal(name, bytes_of(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

const char *
config_filter_kind_name(enum filter_kind kind)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "";
}

bool
config_filter_is_kind(struct bytes name)
{
	return find_kind(name) != NULL;
}

static void
read_kind(const struct reader *r)
{
	const struct kind *found = NULL;

	for (const struct config_setting *s = r->block->settings; s; s = s->next) {
		const struct kind *kind = find_kind(s->name);

		if (kind && found)
			mistakes_add(r->mistakes, r->arena, s->line,
			    "the filter is \"%s\" already, it cannot also be "
			    "\"%s\"", found->name, kind->name);
		else if (kind)
			found = kind;
	}
	if (found)
		r->filter->kind = found->kind;
	else
		mistakes_add(r->mistakes, r->arena, r->block->line,
		    "the filter has no kind: set command, check or spamd");
}

/* --- the colours --- */

/* code: what an exit code means unless a list says otherwise; -1: none does. */
struct colour_setting {
	const char *name;
	enum colour colour;
	int         code;
};

static const struct colour_setting colour_settings[] = {
	{ "green", COLOUR_GREEN, 0 },
	{ "yellow", COLOUR_YELLOW, -1 },
	{ "red", COLOUR_RED, 1 },
};

enum { COLOURS = sizeof colour_settings / sizeof colour_settings[0] };

/* That one's threshold; green has none. */
static int64_t *
threshold(struct config_filter *filter, enum colour colour)
{
	if (colour == COLOUR_YELLOW)
		return &filter->yellow_milli;
	return colour == COLOUR_RED ? &filter->red_milli : NULL;
}

static const struct config_setting *
find_written(const struct reader *r, const char *name)
{
	for (const struct config_setting *s = r->block->settings; s; s = s->next)
		if (bytes_equal(s->name, bytes_of(name)))
			return s;
	return NULL;
}

static const char *
name_of(enum colour colour)
{
	for (size_t i = 0; i < COLOURS; i++)
		if (colour_settings[i].colour == colour)
			return colour_settings[i].name;
	return "";
}

static void
claim_code(const struct reader *r, uint64_t code, enum colour colour, unsigned line)
{
	uint8_t *place = &r->filter->code_colour[code];

	if (*place == COLOUR_ERROR)
		*place = (uint8_t)colour;
	else if (*place != colour)
		mistakes_add(r->mistakes, r->arena, line,
		    "exit code %u cannot be both %s and %s", (unsigned)code,
		    name_of((enum colour)*place), name_of(colour));
}

static void
read_codes(const struct reader *r, const struct config_setting *written,
    enum colour colour)
{
	for (const struct config_value *v = written->values; v; v = v->next) {
		uint64_t code;

		if (number_parse(v->text, UINT8_MAX, &code))
			claim_code(r, code, colour, v->line);
		else
			mistakes_add(r->mistakes, r->arena, v->line,
			    "\"%s\" wants exit codes from 0 to 255, not \"%.*s\"",
			    name_of(colour),
			    BYTES_ARG(bytes_first(v->text, 60)));
	}
}

static void
read_score(const struct reader *r, const struct config_setting *written,
    enum colour colour)
{
	int64_t                   *milli = threshold(r->filter, colour);
	const struct config_value *value = written->values;

	if (written->is_list || milli == NULL) {
		mistakes_add(r->mistakes, r->arena, written->line,
		    milli ? "\"%s\" wants a score such as 5.0, not a list"
		          : "\"%s\" wants a list of exit codes such as { 0 }",
		    name_of(colour));
		return;
	}
	r->filter->has_scores = true;
	if (value && !number_parse_milli(value->text, milli))
		mistakes_add(r->mistakes, r->arena, value->line,
		    "\"%s\" wants a score such as 5.0, not \"%.*s\"",
		    name_of(colour),
		    BYTES_ARG(bytes_first(value->text, 60)));
}

/*
 * Lists are exit codes of a program, a plain number is the threshold of a score. A
 * code that has a meaning by itself loses it only to a list of the same colour, so
 * that nobody makes 0 yellow and forgets who is green then.
 */
static void
read_colours(const struct reader *r)
{
	bool     is_program = r->filter->kind != FILTER_SPAMD;
	unsigned last_line = r->block->line;

	for (size_t i = 0; i < 256; i++)
		r->filter->code_colour[i] = COLOUR_ERROR;
	for (size_t i = 0; i < COLOURS; i++) {
		const struct colour_setting *s = &colour_settings[i];
		const struct config_setting *written = find_written(r, s->name);

		if (written == NULL)
			continue;
		if (is_program && written->is_list)
			read_codes(r, written, s->colour);
		else
			read_score(r, written, s->colour);
		last_line = written->line;
	}
	for (size_t i = 0; i < COLOURS; i++) {
		const struct colour_setting *s = &colour_settings[i];
		const struct config_setting *written = find_written(r, s->name);

		if (s->code >= 0 && !(written && written->is_list))
			claim_code(r, (uint64_t)s->code, s->colour, last_line);
	}
	if (r->filter->has_scores &&
	    r->filter->red_milli <= r->filter->yellow_milli)
		mistakes_add(r->mistakes, r->arena, last_line,
		    "\"red\" must be larger than \"yellow\"");
}

void
config_filter_read(struct config_filter *filter, const struct config_block *block,
    struct arena *arena, struct mistakes *mistakes)
{
	struct reader r = { filter, block, arena, mistakes };

	setting_read_all(SCOPE_FILTER, block->settings, block->line, filter,
	    arena, mistakes);
	read_kind(&r);
	filter->has_scores = filter->kind == FILTER_SPAMD;
	filter->yellow_milli = YELLOW_MILLI;
	filter->red_milli = RED_MILLI;
	read_colours(&r);
	if (filter->kind == FILTER_SPAMD && find_written(&r, "max_size") == NULL)
		filter->max_size = SPAMD_MAX_SIZE;
}

/* Whether only the code has that colour which has it by itself. */
static bool
is_usual(const struct config_filter *filter, const struct colour_setting *s)
{
	for (int code = 0; code < 256; code++)
		if ((filter->code_colour[code] == s->colour) != (code == s->code))
			return false;
	return true;
}

static void
add_codes(struct buf *b, const struct config_filter *filter, enum colour colour)
{
	const char *separator = " ";

	buf_add_char(b, '{');
	for (unsigned code = 0; code < 256; code++) {
		if (filter->code_colour[code] != colour)
			continue;
		buf_add_string(b, separator);
		buf_add_number(b, code);
		separator = ", ";
	}
	buf_add_string(b, " }");
}

void
config_filter_add_colours(struct buf *b, const struct config_filter *filter)
{
	const int64_t milli[] = {
		[COLOUR_YELLOW] = filter->yellow_milli,
		[COLOUR_RED] = filter->red_milli,
	};

	for (size_t i = 0; i < COLOURS; i++) {
		const struct colour_setting *s = &colour_settings[i];
		bool has_list = !is_usual(filter, s);

		if (!has_list &&
		    (!filter->has_scores || s->colour == COLOUR_GREEN))
			continue;
		buf_addf(b, "\t%s = ", s->name);
		if (has_list)
			add_codes(b, filter, s->colour);
		else
			number_add_milli(b, milli[s->colour]);
		buf_add_char(b, '\n');
	}
}
