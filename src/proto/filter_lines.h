/*
 * What a program used as a filter may write on descriptor 3 (DESIGN section 4):
 *
 *     score N          threshold N      test NAME [N]
 *     reason TEXT      header NAME: VALUE
 */
#ifndef AMPEL_PROTO_FILTER_LINES_H
#define AMPEL_PROTO_FILTER_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { FILTER_LINES_MAX = 64 * 1024, FILTER_MARKS_MAX = 8 * 1024 };

struct filter_lines {
	bool       has_score;
	int64_t    score_milli;
	bool       has_threshold;
	int64_t    threshold_milli;
	struct buf reason; /* printable, one line; the last one counts */
	struct buf tests;  /* "NAME=N,NAME": printable without blanks */
	struct buf marks;  /* header lines, LF, each checked: printable, no fold */
	bool       garbled; /* a line was none of these */
};

void filter_lines_init(struct filter_lines *f);
void filter_lines_finish(struct filter_lines *f);
/* All that the program wrote. A last line without LF counts. */
void filter_lines_read(struct filter_lines *f, struct bytes text);

#endif
