/*
 * One line of the log, told to a person: what happened to a message, in a sentence.
 */
#ifndef AMPEL_AMPEL_STORY_H
#define AMPEL_AMPEL_STORY_H

#include "base/buf.h"
#include "proto/log_line.h"

/* "accepted from <a@example.net> ..."; an event that has no sentence: its fields. */
void story_add(struct buf *b, const struct log_line *line);

/* The same as a JSON object. */
void story_add_json(struct buf *b, const struct log_line *line);

#endif
