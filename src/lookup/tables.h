/*
 * The directory, made from ETC/passwd (or the system's own users), ETC/aliases, the lists
 * that these include, and qmail's files; made anew when one of them changes.
 */
#ifndef AMPEL_LOOKUP_TABLES_H
#define AMPEL_LOOKUP_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "mail/config.h"
#include "mail/directory.h"

struct tables;

/*
 * Read all. NULL with "file:line: text" lines in error when they are broken;
 * missing files are empty ones. config is not kept.
 */
struct tables *tables_open(const struct config *config, struct buf *error);
void           tables_close(struct tables *t);

/*
 * Read again what has changed, looking at most once a second. Broken files are
 * logged once, and what was read before is kept. True: the directory is another.
 */
bool tables_refresh(
    struct tables *t, const struct config *config, uint64_t now_ms);

/*
 * The same before somebody is told that there is no such user, who may have been
 * added a moment ago: this looks at most every 50 ms.
 */
bool tables_refresh_soon(
    struct tables *t, const struct config *config, uint64_t now_ms);

/* Until the next refresh that was true. */
const struct directory *tables_directory(const struct tables *t);

#endif
