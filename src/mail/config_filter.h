/* A filter block: its kind, and how scores or exit codes become colours. */
#ifndef AMPEL_MAIL_CONFIG_FILTER_H
#define AMPEL_MAIL_CONFIG_FILTER_H

#include "mail/config.h"

struct buf;

void config_filter_read(struct config_filter *filter,
    const struct config_block *block, struct arena *arena,
    struct mistakes *mistakes);

/* "command": the setting that makes a filter of that kind. */
const char *config_filter_kind_name(enum filter_kind kind);
/* Whether the name is that of a kind, of this filter's or another. */
bool        config_filter_is_kind(struct bytes name);

/* The lines green, yellow and red that give the filter its thresholds and codes. */
void config_filter_add_colours(struct buf *b, const struct config_filter *filter);

#endif
