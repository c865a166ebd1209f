/*
 * The files of `rules`, of the server and of its listeners, as they were when somebody connected
 * last: a file that has changed is read again. One that is broken then is logged once, and
 * what was read before is kept.
 */
#ifndef AMPEL_LOOKUP_RULES_H
#define AMPEL_LOOKUP_RULES_H

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/config.h"
#include "proto/tcprules.h"

struct rules;

/*
 * Read all. NULL with "file:line: text" lines in error when one is broken or missing. config is
 * not kept.
 */
struct rules *rules_open(const struct config *config, struct buf *error);
void          rules_close(struct rules *r); /* NULL is allowed */

/*
 * The rules of a listener, its own before those of the server; allowing everybody when it has
 * none. Until the next call.
 */
const struct tcprules *rules_of(
    struct rules *r, const struct config *config, struct bytes listener);

#endif
