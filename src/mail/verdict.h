/*
 * What the filters think of a message, and how that is written into its header
 * section, into the log and onto the wire.
 */
#ifndef AMPEL_MAIL_VERDICT_H
#define AMPEL_MAIL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct buf;

enum colour {
	COLOUR_NONE = 0, /* not judged */
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_RED,
	COLOUR_ERROR,    /* the judge failed: defer, never green */
};

const char *colour_name(enum colour colour);

/*
 * The combined verdict that travels in the envelope. Later parts read it there
 * and never from a header field.
 */
struct verdict {
	enum colour  colour;
	bool         has_score;
	int64_t      score_milli;    /* of the stage that decided or scored last */
	int64_t      required_milli; /* its yellow threshold; 0: not known */
	int64_t      red_milli;
	struct bytes stage;          /* which filter decided; empty: none did */
	struct bytes reason;         /* printable ASCII, one line */
	struct bytes tests;          /* "NAME,NAME"; printable ASCII, no blanks */
	struct bytes summary;        /* "spamassassin=2.1/5/7 house=green", all stages */
};

/* score < yellow green, < red yellow, else red: red exactly is red. */
enum colour verdict_colour(
    int64_t score_milli, int64_t yellow_milli, int64_t red_milli);

/*
 * The header lines that a judged message gets on top (LF line ends):
 * X-Ampel-Verdict always; X-Spam-Flag and X-Spam-Status when yellow. A long list
 * of tests is folded. Nothing for a message that was not judged.
 */
void verdict_add_marks(struct buf *b, const struct verdict *v);

#endif
