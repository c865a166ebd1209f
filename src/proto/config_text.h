/*
 * The grammar of ampel.conf, DESIGN section 9: bytes to a tree with lines.
 *
 *     file    = { setting | block }
 *     setting = NAME "=" value
 *     block   = NAME [ NAME | STRING ] "{" { setting } "}"
 *     value   = STRING | WORD | "{" [ value { "," value } [ "," ] ] "}"
 *
 * A NAME is letters, digits, '-' and '_', first a letter. A WORD is any run of
 * printable ASCII without blanks, quotes, braces, commas, '=' and '#'. A STRING stands in
 * double quotes on one line, has no escapes and no control bytes. '#' starts
 * a comment outside strings. Lists do not nest. A value begins on the line of its
 * '='. A setting, or a block of one kind and name, that is there twice is a mistake;
 * the tree has the first. Lines end with LF or CRLF.
 *
 * All mistakes are found, not the first only: after one, reading goes on at the
 * next line. The tree then holds all that was understood.
 */
#ifndef AMPEL_PROTO_CONFIG_TEXT_H
#define AMPEL_PROTO_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "mail/config_tree.h"
#include "mail/mistakes.h"

enum { CONFIG_TEXT_MAX = 16 * 1024 * 1024 };

/*
 * The tree borrows from text and lives in arena; so do the mistakes' texts.
 * True when there was no mistake and memory sufficed.
 */
bool config_text_parse(struct bytes text, struct arena *arena,
    struct config_tree *tree, struct mistakes *mistakes);

#endif
