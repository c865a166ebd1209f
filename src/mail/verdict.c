#include "mail/verdict.h"

#include <string.h>

#include "base/buf.h"
#include "base/number.h"

/*
 * RFC 5322 section 2.1.1: lines should have 78 characters at most and must not
 * have more than 998, so a word that fits nowhere is cut.
 */
enum { LINE = 78, TAB = 8, WORD_MAX = 256 };

const char *
colour_name(enum colour colour)
{
	static const char *const names[] = {
		[COLOUR_NONE] = "none",
		[COLOUR_GREEN] = "green",
		[COLOUR_YELLOW] = "yellow",
		[COLOUR_RED] = "red",
		[COLOUR_ERROR] = "error",
	};

	return names[colour];
}

enum colour
verdict_colour(int64_t score_milli, int64_t yellow_milli, int64_t red_milli)
{
	if (score_milli >= red_milli)
		return COLOUR_RED;
	if (score_milli >= yellow_milli)
		return COLOUR_YELLOW;
	return COLOUR_GREEN;
}

/* A header field that is being written. */
struct field {
	struct buf *b;
	size_t      column;
};

static void
add_text(struct field *f, struct bytes text)
{
	buf_add_bytes(f->b, text);
	f->column += text.n;
}

/*
 * Put a word with its head and tail behind what is there, or on the next line if it
 * does not fit; the fold then stands for the glue.
 */
static void
add_word(struct field *f, const char *glue, const char *head, struct bytes word,
    const char *tail)
{
	size_t n;

	word = bytes_first(word, WORD_MAX);
	n = strlen(glue) + strlen(head) + word.n + strlen(tail);
	if (f->column > TAB && f->column + n > LINE) {
		buf_add_string(f->b, "\n\t");
		f->column = TAB;
	} else {
		add_text(f, bytes_of(glue));
	}
	add_text(f, bytes_of(head));
	add_text(f, word);
	add_text(f, bytes_of(tail));
}

static void
add_verdict(struct buf *b, const struct verdict *v)
{
	struct field f = { .b = b };
	struct bytes rest = v->summary, word;

	add_text(&f, BYTES("X-Ampel-Verdict: "));
	add_text(&f, bytes_of(colour_name(v->colour)));
	if (rest.n > 0)
		add_text(&f, BYTES(";"));
	while (bytes_split(&rest, ' ', &word))
		add_word(&f, " ", "", word, "");
	buf_add_char(b, '\n');
}

static void
add_score(struct buf *b, const struct verdict *v)
{
	buf_add_string(b, " score=");
	number_add_milli(b, v->score_milli);
	if (v->required_milli == 0)
		return;
	buf_add_string(b, " required=");
	number_add_milli(b, v->required_milli);
}

/* The form that SpamAssassin gave it, which mail programs know. */
static void
add_spam_status(struct buf *b, const struct verdict *v)
{
	size_t       start = b->len;
	struct field f = { .b = b };
	struct bytes rest = v->tests.n > 0 ? v->tests : BYTES("none");
	struct bytes word;
	const char  *glue = " ", *head = "tests=";

	buf_add_string(b, "X-Spam-Status: Yes,");
	if (v->has_score)
		add_score(b, v);
	f.column = b->len - start;
	while (bytes_split(&rest, ',', &word)) {
		add_word(&f, glue, head, word, rest.n > 0 ? "," : "");
		glue = head = "";
	}
	buf_add_char(b, '\n');
}

void
verdict_add_marks(struct buf *b, const struct verdict *v)
{
	if (v->colour == COLOUR_NONE)
		return;
	add_verdict(b, v);
	if (v->colour != COLOUR_YELLOW)
		return;
	buf_add_string(b, "X-Spam-Flag: YES\n");
	add_spam_status(b, v);
}
