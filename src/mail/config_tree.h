/*
 * A configuration as the grammar sees it: settings and blocks with their lines.
 * proto/config_text makes it from bytes, mail/config gives it meaning. Everything
 * lives in one arena and borrows from the text.
 */
#ifndef AMPEL_MAIL_CONFIG_TREE_H
#define AMPEL_MAIL_CONFIG_TREE_H

#include <stdbool.h>

#include "base/bytes.h"

/* One value of a setting; a list has several or none. */
struct config_value {
	struct bytes         text;
	bool                 is_string; /* it stood in quotes */
	unsigned             line;
	struct config_value *next;
};

struct config_setting {
	struct bytes           name;
	unsigned               line;
	bool                   is_list;
	struct config_value   *values; /* a single one unless is_list */
	struct config_setting *next;
};

struct config_block {
	struct bytes           kind;     /* "listen" */
	struct bytes           name;     /* "smtp"; empty when there is none */
	unsigned               line;
	struct config_setting *settings;
	struct config_block   *next;
};

struct config_tree {
	struct config_setting *settings; /* in the order of the file */
	struct config_block   *blocks;
};

#endif
