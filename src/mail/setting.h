/*
 * The table of settings: the one place that knows which there are, of what type, with
 * which preset and limits, and which program is told.
 */
#ifndef AMPEL_MAIL_SETTING_H
#define AMPEL_MAIL_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "mail/config_tree.h"
#include "mail/mistakes.h"
#include "mail/value.h"

struct arena;

enum setting_scope {
	SCOPE_FILE, /* in no block */
	SCOPE_HIQ,  /* the same of hi-q.conf, the file of hi-q(8) */
	SCOPE_LISTEN,
	SCOPE_TLS,
	SCOPE_FILTER,
	SCOPE_HELPER,
	SCOPE_ROUTE,
	SCOPE_DNS,
	SCOPES
};

struct setting {
	enum setting_scope scope;
	const char        *name;
	enum value_type    type;
	size_t             offset; /* in struct config or the block's own struct */
	/* As it would be written. "" is unset; NULL is that too, but the setting is
	 * required, or its absence means something. */
	const char        *preset;
	/* Of the number, in its unit; of a list, how many values. A size whose max
	 * is UINT64_MAX may be "none". */
	uint64_t           min, max;
	unsigned           parts;  /* enum config_part bits */
	bool               required;
};

/* All rows, SCOPE by SCOPE, each in the order of the manual page. */
extern const struct setting setting_table[];
extern const size_t         setting_count;

const struct setting *setting_find(enum setting_scope scope, struct bytes name);

/*
 * Fill a record with the presets, then with what is written, and say what is unknown
 * or missing. line is that of the block, 0 for the file.
 */
void setting_read_all(enum setting_scope scope,
    const struct config_setting *written, unsigned line, void *record,
    struct arena *arena, struct mistakes *mistakes);

#endif
