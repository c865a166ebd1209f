#include "mail/header.h"

/* ftext of RFC 5322 section 3.6.8: what a field name is made of. */
static bool
is_name_byte(char c)
{
	return byte_is_print(c) && c != ' ' && c != ':';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t
count_front(struct bytes text, bool (*is_one)(char))
{
	size_t n = 0;

	while (n < text.n && is_one(text.p[n]))
		n++;
	return n;
}

/* Its LF included, where there is one. */
static size_t
line_length(struct bytes text)
{
	size_t n = bytes_find(text, '\n');

	return n < text.n ? n + 1 : n;
}

/* The first line and those that continue it. */
static size_t
field_length(struct bytes text)
{
	size_t n = line_length(text);

	while (n < text.n && is_blank(text.p[n]))
		n += line_length(bytes_from(text, n));
	return n;
}

bool
header_next(struct bytes *rest, struct header_field *field)
{
	size_t       name = count_front(*rest, is_name_byte);
	size_t       colon = name +
	    count_front(bytes_from(*rest, name), is_blank);
	struct bytes raw;

	/* blanks before the colon: the obsolete syntax of section 4.5 */
	if (name == 0 || colon == rest->n || rest->p[colon] != ':')
		return false;
	raw = bytes_first(*rest, field_length(*rest));
	*field = (struct header_field){
		.name = bytes_first(raw, name),
		.value = bytes_from(raw, colon + 1),
		.raw = raw,
	};
	if (raw.p[raw.n - 1] == '\n')
		field->value.n--;
	*rest = bytes_from(*rest, raw.n);
	return true;
}

bool
header_is_ours(struct bytes name)
{
	if (name.n > HEADER_NAME)
		return false;
	return bytes_equal_nocase(name, BYTES("X-Ampel-Verdict")) ||
	    bytes_start_nocase(name, BYTES("X-Spam-"));
}

static bool
is_hop(struct bytes name)
{
	return bytes_equal_nocase(name, BYTES("Received")) ||
	    bytes_equal_nocase(name, BYTES("Delivered-To"));
}

/*
 * Where the filter stands. The front of a line is held back while it may turn out to be a
 * field of ours, or no field at all: in NAME, and in BLANKS.
 */
enum state {
	LINE,        /* at the start of a line of the header section */
	NAME,        /* in a name, all of it held */
	LONG_NAME,   /* in a name that is too long to be anybody's */
	BLANKS,      /* behind a name, held with it */
	LONG_BLANKS, /* behind a name, more than can be held */
	VALUE,       /* from the colon to the end of the line */
	BODY,
	STATES,
};
_Static_assert(LINE == 0, "a zeroed filter is at the start of a message");

static void
release(struct header_filter *f, struct buf *out)
{
	buf_add(out, f->name, f->held);
	f->held = 0;
}

static void
hold(struct header_filter *f, char c)
{
	f->name[f->held++] = c;
}

static struct bytes
name_of(const struct header_filter *f)
{
	return (struct bytes){ f->name, f->name_len };
}

/* What the section lacks, once. */
static bool
add_missing(struct header_filter *f, struct buf *out)
{
	bool has_added = false;

	for (size_t i = 0; i < HEADER_ADDITIONS; i++) {
		if (f->missing[i].name.n == 0)
			continue;
		buf_add_bytes(out, f->missing[i].field);
		f->missing[i] = (struct header_addition){ .name = { NULL, 0 } };
		has_added = true;
	}
	return has_added;
}

/* The line that begins with what is held ends the section, or is taken for its end. */
static void
end_section(struct header_filter *f, bool is_empty_line, struct buf *out)
{
	if (add_missing(f, out) && !f->has_begun && !is_empty_line)
		buf_add_char(out, '\n');
	release(f, out);
}

/* A colon has come. */
static void
begin_field(struct header_filter *f)
{
	struct bytes name = name_of(f);

	if (is_hop(name))
		f->hops++;
	for (size_t i = 0; i < HEADER_ADDITIONS; i++)
		if (bytes_equal_nocase(name, f->missing[i].name))
			f->missing[i] = (struct header_addition){ .name = { NULL, 0 } };
	f->state = VALUE;
}

static void
begin_dropping(struct header_filter *f)
{
	f->held = 0;
	f->dropping = true;
	f->dropped++;
	f->state = VALUE;
}

/*
 * The functions take_* take bytes off the front of a piece, which is not empty,
 * and say how many. Those that take none change the state.
 */

static size_t
take_line(struct header_filter *f, struct bytes piece, struct buf *out)
{
	(void)out;
	if (is_blank(piece.p[0])) {
		f->state = VALUE; /* continued, or dropped on */
		return 0;
	}
	f->dropping = false;
	f->name_len = 0;
	f->state = NAME;
	return 0;
}

static size_t
take_name(struct header_filter *f, struct bytes piece, struct buf *out)
{
	char c = piece.p[0];

	if (is_name_byte(c) && f->name_len < HEADER_NAME) {
		hold(f, c);
		f->name_len++;
		return 1;
	}
	if (is_name_byte(c)) {
		end_section(f, false, out);
		f->state = LONG_NAME;
	} else if (f->name_len > 0) {
		f->state = BLANKS;
	} else {
		end_section(f, c == '\n', out);
		f->state = BODY;
	}
	return 0;
}

static size_t
take_long_name(struct header_filter *f, struct bytes piece, struct buf *out)
{
	size_t n = count_front(piece, is_name_byte);

	buf_add(out, piece.p, n);
	if (n < piece.n)
		f->state = LONG_BLANKS;
	return n;
}

/*
 * More blanks than there is room for are no accident: then a line of ours goes, whether
 * a colon follows or not.
 */
static size_t
take_blanks(struct header_filter *f, struct bytes piece, struct buf *out)
{
	char c = piece.p[0];
	bool is_ours = !f->keeps_ours && header_is_ours(name_of(f));

	if (is_blank(c) && f->held < HEADER_NAME) {
		hold(f, c);
		return 1;
	}
	if (is_ours && (c == ':' || is_blank(c))) {
		begin_dropping(f);
	} else if (c == ':') {
		release(f, out);
		begin_field(f);
	} else {
		end_section(f, false, out);
		f->state = is_blank(c) ? LONG_BLANKS : BODY;
	}
	return 0;
}

static size_t
take_long_blanks(struct header_filter *f, struct bytes piece, struct buf *out)
{
	size_t n = count_front(piece, is_blank);

	buf_add(out, piece.p, n);
	if (n == piece.n)
		return n;
	if (piece.p[n] == ':')
		begin_field(f);
	else
		f->state = BODY;
	return n;
}

static size_t
take_value(struct header_filter *f, struct bytes piece, struct buf *out)
{
	size_t n = line_length(piece);

	if (!f->dropping)
		buf_add(out, piece.p, n);
	f->has_begun = true;
	if (piece.p[n - 1] == '\n')
		f->state = LINE;
	return n;
}

static size_t
take_body(struct header_filter *f, struct bytes piece, struct buf *out)
{
	(void)f;
	buf_add_bytes(out, piece);
	return piece.n;
}

void
header_filter_feed(struct header_filter *f, struct bytes piece, struct buf *out)
{
	static size_t (*const take[STATES])(
	    struct header_filter *, struct bytes, struct buf *) = {
		[LINE] = take_line,
		[NAME] = take_name,
		[LONG_NAME] = take_long_name,
		[BLANKS] = take_blanks,
		[LONG_BLANKS] = take_long_blanks,
		[VALUE] = take_value,
		[BODY] = take_body,
	};

	while (piece.n > 0)
		piece = bytes_from(piece, take[f->state](f, piece, out));
}

void
header_filter_end(struct header_filter *f, struct buf *out)
{
	if (f->state != VALUE) /* the line has no end, so nothing can stand behind it */
		end_section(f, f->held == 0, out);
}
