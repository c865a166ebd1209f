#include "proto/config_text.h"

/*
 * More than these nobody writes; they bound the search for what is set twice.
 * Lists may be as long as the text.
 */
enum { SETTINGS_MAX = 256, BLOCKS_MAX = 1024 };

enum { SHOWN_MAX = 60 }; /* bytes of the file that a mistake quotes */

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_UNCLOSED, /* a string without its closing quote */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_BAD,      /* a byte that may stand in strings and comments only */
};

struct token {
	enum token_kind kind;
	struct bytes    text;
	unsigned        line;
};

struct parser {
	struct bytes     rest; /* behind token */
	unsigned         line; /* where rest begins */
	struct token     token;
	struct arena    *arena;
	struct mistakes *mistakes;
	bool             no_memory;
};

/* --- bytes to tokens --- */

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

static bool
is_word(char c)
{
	switch (c) {
	case ' ': case '"': case '{': case '}': case ',': case '=': case '#':
		return false;
	default:
		return byte_is_print(c);
	}
}

/* Blanks, line ends, comments; control bytes have been reported by then. */
static void
skip_blanks(struct parser *p)
{
	size_t i = 0;

	while (i < p->rest.n) {
		char c = p->rest.p[i];

		if (c == '#') {
			while (i < p->rest.n && p->rest.p[i] != '\n')
				i++;
			continue;
		}
		if (c != ' ' && c != '\t' && c != '\n' && !is_control(c))
			break;
		if (c == '\n')
			p->line++;
		i++;
	}
	p->rest = bytes_from(p->rest, i);
}

/* The quote is at the front. The text is what stands between the quotes. */
static size_t
scan_string(struct bytes rest, struct token *token)
{
	size_t end = 1;

	while (end < rest.n && rest.p[end] != '"' && rest.p[end] != '\n')
		end++;
	token->text = bytes_from(bytes_first(rest, end), 1);
	if (end < rest.n && rest.p[end] == '"') {
		token->kind = TOKEN_STRING;
		return end + 1;
	}
	token->kind = TOKEN_UNCLOSED;
	return end;
}

static size_t
scan_word(struct bytes rest, struct token *token)
{
	size_t end = 0;

	while (end < rest.n && is_word(rest.p[end]))
		end++;
	token->kind = end > 0 ? TOKEN_WORD : TOKEN_BAD;
	if (end == 0)
		end = 1;
	token->text = bytes_first(rest, end);
	return end;
}

static size_t
scan_mark(struct bytes rest, struct token *token, enum token_kind kind)
{
	token->kind = kind;
	token->text = bytes_first(rest, 1);
	return 1;
}

static void
next(struct parser *p)
{
	struct token *token = &p->token;
	size_t        n;

	skip_blanks(p);
	*token = (struct token){ .kind = TOKEN_END, .line = p->line };
	if (p->rest.n == 0)
		return;
	switch (p->rest.p[0]) {
	case '"': n = scan_string(p->rest, token); break;
	case '{': n = scan_mark(p->rest, token, TOKEN_OPEN); break;
	case '}': n = scan_mark(p->rest, token, TOKEN_CLOSE); break;
	case '=': n = scan_mark(p->rest, token, TOKEN_EQUALS); break;
	case ',': n = scan_mark(p->rest, token, TOKEN_COMMA); break;
	default:  n = scan_word(p->rest, token); break;
	}
	p->rest = bytes_from(p->rest, n);
}

/* What follows the token that is being looked at. */
static struct token
peek(const struct parser *p)
{
	struct parser ahead = *p;

	next(&ahead);
	return ahead.token;
}

/* --- what tokens are called --- */

static bool
is_name(struct bytes b)
{
	if (b.n == 0 || !byte_is_alpha(b.p[0]))
		return false;
	for (size_t i = 1; i < b.n; i++)
		if (!byte_is_alpha(b.p[i]) && !byte_is_digit(b.p[i]) &&
		    b.p[i] != '-' && b.p[i] != '_')
			return false;
	return true;
}

static bool
is_text(enum token_kind kind)
{
	return kind == TOKEN_WORD || kind == TOKEN_STRING ||
	    kind == TOKEN_UNCLOSED;
}

/* A mistake at line: what was expected, and the token that stands there. */
static void
expected(struct parser *p, unsigned line, const char *what)
{
	struct bytes shown = bytes_first(p->token.text, SHOWN_MAX);

	if (p->token.kind == TOKEN_END)
		mistakes_add(p->mistakes, p->arena, line,
		    "expected %s, not the end of the file", what);
	else if (p->token.kind == TOKEN_BAD)
		mistakes_add(p->mistakes, p->arena, line,
		    "byte 0x%02x may stand only in strings and comments",
		    (unsigned)(unsigned char)shown.p[0]);
	else
		mistakes_add(p->mistakes, p->arena, line,
		    "expected %s, not \"%.*s\"", what, BYTES_ARG(shown));
}

static void *
allocate(struct parser *p, size_t n)
{
	void *memory = arena_alloc(p->arena, n);

	if (memory == NULL)
		p->no_memory = true;
	return memory;
}

/* --- values --- */

/* The token as a value behind *tail. */
static struct config_value **
take_value(struct parser *p, struct config_value **tail)
{
	struct config_value *value = allocate(p, sizeof *value);

	if (p->token.kind == TOKEN_UNCLOSED)
		mistakes_add(p->mistakes, p->arena, p->token.line,
		    "the string has no closing quote on its line");
	if (value == NULL) {
		next(p);
		return tail;
	}
	*value = (struct config_value){
		.text = p->token.text,
		.is_string = p->token.kind != TOKEN_WORD,
		.line = p->token.line,
	};
	*tail = value;
	next(p);
	return &value->next;
}

/*
 * Whether the list must have ended before this token, its closing brace forgotten: a
 * setting begins, or a name stands first on its line with no comma before it.
 */
static bool
is_behind_list(const struct parser *p, bool after_comma, unsigned last_line)
{
	if (p->token.kind == TOKEN_END)
		return true;
	if (p->token.kind != TOKEN_WORD || !is_name(p->token.text))
		return false;
	if (peek(p).kind == TOKEN_EQUALS)
		return true;
	return !after_comma && p->token.line != last_line;
}

/*
 * The open brace was taken. Everything up to the closing one belongs to the list; a
 * list inside is reported and read as if its braces were not there.
 */
static void
parse_list(struct parser *p, struct config_value **tail, unsigned opened)
{
	unsigned depth = 1, last_line = opened;
	bool     after_comma = true;

	while (!is_behind_list(p, after_comma, last_line)) {
		struct token token = p->token;

		last_line = token.line;
		if (is_text(token.kind)) {
			if (!after_comma)
				expected(p, token.line, "\",\" or \"}\"");
			tail = take_value(p, tail);
			after_comma = false;
			continue;
		}
		if (token.kind == TOKEN_COMMA && after_comma)
			expected(p, token.line, "a value");
		else if (token.kind == TOKEN_OPEN)
			mistakes_add(p->mistakes, p->arena, token.line,
			    "a list cannot hold a list");
		else if (token.kind == TOKEN_EQUALS || token.kind == TOKEN_BAD)
			expected(p, token.line, "a value");
		next(p);
		if (token.kind == TOKEN_OPEN)
			depth++;
		else if (token.kind == TOKEN_CLOSE && --depth == 0)
			return;
		after_comma = token.kind != TOKEN_CLOSE;
	}
	mistakes_add(p->mistakes, p->arena, opened,
	    "the list that begins here has no closing \"}\"");
}

/* --- after a mistake --- */

/* Up to the brace that closes the one at the token, or to the end. */
static void
skip_braces(struct parser *p)
{
	size_t depth = 0;

	do {
		if (p->token.kind == TOKEN_OPEN)
			depth++;
		else if (p->token.kind == TOKEN_CLOSE)
			depth--;
		next(p);
	} while (depth > 0 && p->token.kind != TOKEN_END);
}

/*
 * Go on at the next line. A closing brace on this one is left for whom it closes; a
 * list or block that opens on it is passed over whole.
 */
static void
recover(struct parser *p, unsigned line)
{
	bool after_equals = false;

	while (p->token.line == line && p->token.kind != TOKEN_END &&
	    p->token.kind != TOKEN_CLOSE) {
		struct config_value *dropped = NULL;

		if (p->token.kind == TOKEN_OPEN && after_equals) {
			next(p);
			parse_list(p, &dropped, line);
			return;
		}
		if (p->token.kind == TOKEN_OPEN) {
			skip_braces(p);
			return;
		}
		after_equals = p->token.kind == TOKEN_EQUALS;
		next(p);
	}
}

/* --- settings and blocks --- */

/* Where to append, or NULL: it stands there already, or there are too many. */
static struct config_setting **
place_for_setting(struct parser *p, struct config_setting **at, struct token name)
{
	size_t n = 0;

	for (; *at; at = &(*at)->next, n++) {
		if (!bytes_equal((*at)->name, name.text))
			continue;
		mistakes_add(p->mistakes, p->arena, name.line,
		    "\"%.*s\" is set twice; first at line %u",
		    BYTES_ARG(bytes_first(name.text, SHOWN_MAX)), (*at)->line);
		return NULL;
	}
	if (n < SETTINGS_MAX)
		return at;
	mistakes_add(p->mistakes, p->arena, name.line,
	    "more than %d settings in one place", SETTINGS_MAX);
	return NULL;
}

/* The name was taken, the equals sign is the token. */
static void
parse_setting(struct parser *p, struct config_setting **list, struct token name)
{
	struct config_setting   dropped = { 0 }, *setting = NULL;
	struct config_setting **place = place_for_setting(p, list, name);
	unsigned                line = p->token.line;

	if (place) {
		setting = allocate(p, sizeof *setting);
		*place = setting;
	}
	if (setting == NULL)
		setting = &dropped;
	setting->name = name.text;
	setting->line = name.line;
	next(p);
	if (p->token.kind == TOKEN_OPEN && p->token.line == line) {
		setting->is_list = true;
		next(p);
		parse_list(p, &setting->values, line);
	} else if (is_text(p->token.kind) && p->token.line == line) {
		take_value(p, &setting->values);
	} else {
		mistakes_add(p->mistakes, p->arena, line,
		    "\"%.*s\" has no value behind its \"=\"",
		    BYTES_ARG(bytes_first(name.text, SHOWN_MAX)));
		recover(p, line);
	}
}

/* Whether a block begins at the token: inside another one, that one was not closed. */
static bool
begins_block(const struct parser *p)
{
	struct parser ahead = *p;

	if (ahead.token.kind != TOKEN_WORD || !is_name(ahead.token.text))
		return false;
	next(&ahead);
	if (is_text(ahead.token.kind))
		next(&ahead);
	return ahead.token.kind == TOKEN_OPEN;
}

/* The open brace was taken: settings up to the closing one. */
static void
parse_body(struct parser *p, struct config_block *block)
{
	while (p->token.kind != TOKEN_CLOSE) {
		struct token token = p->token;

		if (token.kind == TOKEN_END || begins_block(p)) {
			mistakes_add(p->mistakes, p->arena, block->line,
			    "the block that begins here has no closing \"}\"");
			return;
		}
		if (token.kind != TOKEN_WORD || !is_name(token.text)) {
			expected(p, token.line, "the name of a setting or \"}\"");
			recover(p, token.line);
			continue;
		}
		next(p);
		if (p->token.kind == TOKEN_EQUALS) {
			parse_setting(p, &block->settings, token);
			continue;
		}
		mistakes_add(p->mistakes, p->arena, token.line,
		    "expected \"=\" behind \"%.*s\"",
		    BYTES_ARG(bytes_first(token.text, SHOWN_MAX)));
		recover(p, token.line);
	}
	next(p);
}

static struct config_block **
place_for_block(struct parser *p, struct config_block **at,
    const struct config_block *block)
{
	size_t n = 0;

	for (; *at; at = &(*at)->next, n++) {
		if (!bytes_equal((*at)->kind, block->kind) ||
		    !bytes_equal((*at)->name, block->name))
			continue;
		mistakes_add(p->mistakes, p->arena, block->line,
		    "block \"%.*s%s%.*s\" is there twice; first at line %u",
		    BYTES_ARG(bytes_first(block->kind, SHOWN_MAX)),
		    block->name.n > 0 ? " " : "",
		    BYTES_ARG(bytes_first(block->name, SHOWN_MAX)),
		    (*at)->line);
		return NULL;
	}
	if (n < BLOCKS_MAX)
		return at;
	mistakes_add(p->mistakes, p->arena, block->line,
	    "more than %d blocks", BLOCKS_MAX);
	return NULL;
}

/* The kind was taken; the token is the block's name or its open brace. */
static void
parse_block(struct parser *p, struct config_tree *tree, struct token kind)
{
	struct config_block   head = { .kind = kind.text, .line = kind.line };
	struct config_block **place, *block = NULL;

	if (p->token.kind != TOKEN_OPEN) {
		head.name = p->token.text;
		if (p->token.kind == TOKEN_UNCLOSED ||
		    (p->token.kind == TOKEN_WORD && !is_name(head.name)))
			expected(p, kind.line, "a name or a string");
		next(p);
	}
	if (p->token.kind != TOKEN_OPEN) {
		mistakes_add(p->mistakes, p->arena, kind.line,
		    "expected \"=\" behind \"%.*s\", or a block: %.*s NAME { ... }",
		    BYTES_ARG(bytes_first(kind.text, SHOWN_MAX)),
		    BYTES_ARG(bytes_first(kind.text, SHOWN_MAX)));
		recover(p, kind.line);
		return;
	}
	next(p);
	place = place_for_block(p, &tree->blocks, &head);
	if (place) {
		block = allocate(p, sizeof *block);
		*place = block;
	}
	if (block)
		*block = head;
	parse_body(p, block ? block : &head);
}

/* A setting or a block of the file. */
static void
parse_item(struct parser *p, struct config_tree *tree)
{
	struct token token = p->token;

	if (token.kind == TOKEN_CLOSE) {
		mistakes_add(p->mistakes, p->arena, token.line,
		    "this \"}\" closes nothing");
		next(p);
		return;
	}
	if (token.kind != TOKEN_WORD || !is_name(token.text)) {
		expected(p, token.line, "the name of a setting or of a block");
		recover(p, token.line);
		return;
	}
	next(p);
	if (p->token.kind == TOKEN_EQUALS) {
		parse_setting(p, &tree->settings, token);
	} else if (p->token.kind == TOKEN_OPEN ||
	    (is_text(p->token.kind) && p->token.line == token.line)) {
		parse_block(p, tree, token);
	} else {
		mistakes_add(p->mistakes, p->arena, token.line,
		    "expected \"=\" or \"{\" behind \"%.*s\"",
		    BYTES_ARG(bytes_first(token.text, SHOWN_MAX)));
		recover(p, token.line);
	}
}

/* A control byte is a mistake wherever it stands; the first of a line is named. */
static void
check_bytes(struct parser *p, struct bytes text)
{
	struct bytes line;

	for (unsigned number = 1; bytes_split(&text, '\n', &line); number++) {
		/* the CR of CRLF; a last line without LF has none */
		if (text.p > line.p + line.n && line.n > 0 &&
		    line.p[line.n - 1] == '\r')
			line.n--;
		for (size_t i = 0; i < line.n; i++) {
			if (!is_control(line.p[i]))
				continue;
			mistakes_add(p->mistakes, p->arena, number,
			    "control byte 0x%02x", (unsigned)line.p[i]);
			break;
		}
	}
}

bool
config_text_parse(struct bytes text, struct arena *arena,
    struct config_tree *tree, struct mistakes *mistakes)
{
	struct parser p = {
		.rest = text, .line = 1, .arena = arena, .mistakes = mistakes,
	};

	*tree = (struct config_tree){ 0 };
	if (text.n > CONFIG_TEXT_MAX) {
		mistakes_add(mistakes, arena, 0, "larger than %d bytes",
		    CONFIG_TEXT_MAX);
		return false;
	}
	check_bytes(&p, text);
	next(&p);
	while (p.token.kind != TOKEN_END)
		parse_item(&p, tree);
	if (p.no_memory)
		mistakes_add(mistakes, arena, 0, "too large for the memory");
	return !mistakes_any(mistakes);
}
