#include "mail/verdict.h"

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

/*
 * A list in a header field whose last line began at byte start of b. Each word
 * but the last is followed by sep; the field is folded between words, where a
 * blank that separates them gives way to the fold.
 */
static void
add_folded(struct buf *b, size_t start, struct bytes list, char sep)
{
	struct bytes word;
	size_t       column = b->len - start;

	while (bytes_split(&list, sep, &word)) {
		bool is_last = list.n == 0;

		word = bytes_first(word, WORD_MAX);
		if (column > TAB && column + word.n + !is_last > LINE) {
			if (b->len > 0 && b->p[b->len - 1] == ' ')
				b->len--;
			buf_add_string(b, "\n\t");
			column = TAB;
		}
		buf_add_bytes(b, word);
		if (!is_last)
			buf_add_char(b, sep);
		column += word.n + 1;
	}
}

static void
add_verdict(struct buf *b, const struct verdict *v)
{
	size_t start = b->len;

	buf_addf(b, "X-Ampel-Verdict: %s", colour_name(v->colour));
	if (v->summary.n > 0) {
		buf_add_string(b, "; ");
		add_folded(b, start, v->summary, ' ');
	}
	buf_add_char(b, '\n');
}

/* The form that SpamAssassin gave it, which mail programs know. */
static void
add_spam_status(struct buf *b, const struct verdict *v)
{
	size_t start = b->len;

	buf_add_string(b, "X-Spam-Status: Yes,");
	if (v->has_score) {
		buf_add_string(b, " score=");
		number_add_milli(b, v->score_milli);
		if (v->required_milli != 0) {
			buf_add_string(b, " required=");
			number_add_milli(b, v->required_milli);
		}
	}
	buf_add_string(b, " tests=");
	if (v->tests.n > 0)
		add_folded(b, start, v->tests, ',');
	else
		buf_add_string(b, "none");
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
