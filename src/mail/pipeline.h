/*
 * Which filters run on a message and what their verdicts come to: DESIGN section
 * 4, "Combining". Pure: a stage is run by somebody else, who reports its result.
 *
 *     while (pipeline_next(p, &first, &n))
 *             run stages first .. first + n - 1 together, then
 *             pipeline_result(p, stage, &result) for each, in any order
 *     pipeline_verdict(p, &verdict)
 */
#ifndef AMPEL_MAIL_PIPELINE_H
#define AMPEL_MAIL_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/config.h"
#include "mail/envelope.h"
#include "mail/verdict.h"

enum { PIPELINE_STAGES_MAX = 32 };

struct stage_result {
	enum colour  colour;         /* green, yellow, red or error */
	bool         has_score;
	int64_t      score_milli;
	int64_t      required_milli;
	bool         is_unscanned;   /* too large, or an error that may pass */
	struct bytes reason;         /* views are borrowed for the call */
	struct bytes tests;
	struct bytes marks;          /* header lines of its own ("header NAME: VALUE") */
};

struct pipeline;

/*
 * In arena, which outlives it, as do filters and envelope. NULL: no memory.
 * size_bytes is what a stage would see.
 */
struct pipeline *pipeline_new(struct arena *arena,
    const struct config_filter *filters, size_t n,
    const struct envelope *envelope, uint64_t size_bytes);

/*
 * The next stages to run: one, or several neighbouring command stages, which
 * run at once joined by pipes. Of several, none is a shadow and none may pass an
 * error: those run alone, and a shadow's output is for nobody. False when it is
 * decided: nothing more runs.
 */
bool pipeline_next(struct pipeline *p, size_t *first, size_t *n);
void pipeline_result(
    struct pipeline *p, size_t stage, const struct stage_result *result);

/* The time is up: what has no result yet is an error, whatever its on_error. */
void pipeline_expire(struct pipeline *p);

/*
 * The combined verdict; views live in the arena. An unfinished pipeline is
 * COLOUR_ERROR. A message for postmaster or abuse alone is never red.
 */
void pipeline_verdict(struct pipeline *p, struct verdict *out);

/* Whether the message, or some stage of it, went unscanned: it is marked so. */
bool pipeline_is_unscanned(const struct pipeline *p);

/* All header lines to put on top: verdict_add_marks and the stages' own. */
void pipeline_add_marks(
    const struct pipeline *p, const struct verdict *v, struct buf *b);

#endif
