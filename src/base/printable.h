/*
 * Text from strangers, made fit for a reply line, a log or a terminal:
 * printable ASCII, one line, bounded.
 */
#ifndef AMPEL_BASE_PRINTABLE_H
#define AMPEL_BASE_PRINTABLE_H

#include <stdbool.h>

#include "base/bytes.h"

struct buf;

/* Whether every byte is in 0x20..0x7e. */
bool printable_is(struct bytes text);

/*
 * At most max bytes of text: runs of blanks, tabs and line ends become one
 * blank, any other byte outside 0x20..0x7e becomes '?'.
 */
void printable_add(struct buf *b, struct bytes text, size_t max);

/*
 * As a log value: bare when it holds only letters, digits and -_.:/@+=<>[],~
 * and is not empty, else in double quotes with " and \ escaped by \ .
 */
void printable_add_value(struct buf *b, struct bytes text, size_t max);

#endif
