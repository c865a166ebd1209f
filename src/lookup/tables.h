/*
 * The directory, made from ETC/passwd (or the system's own users), ETC/aliases
 * and the lists that these include, and made anew when one of them changes.
 */
#ifndef AMPEL_LOOKUP_TABLES_H
#define AMPEL_LOOKUP_TABLES_H

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
 * Read again what has changed, when the last look at the files is age_ms old. True:
 * there are new tables. Broken files are logged once, and what was read before is
 * kept.
 */
enum {
	TABLES_AGE_MS = 1000,
	TABLES_AGE_UNKNOWN_MS = 50, /* who is not there may just have been added */
};
bool tables_refresh(struct tables *t, const struct config *config,
    uint64_t now_ms, uint64_t age_ms);

/* Until the next refresh. */
const struct directory *tables_directory(const struct tables *t);

#endif
