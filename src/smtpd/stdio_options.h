/* What stands on the command line of ampel-smtpd --stdio. */
#ifndef AMPEL_SMTPD_STDIO_OPTIONS_H
#define AMPEL_SMTPD_STDIO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "mail/listener.h"

extern const char stdio_usage[];

struct stdio_options {
	struct bytes                  name;   /* of the policy */
	const struct listener_policy *policy; /* smtp or smtps */
	const char                   *control;
	bool                          control_is_named;
	char                        **checker; /* and its arguments; ends with NULL */
};

/* False: why says it in one line (size bytes). Borrows from argv. */
bool stdio_options_parse(struct stdio_options *o, int argc, char **argv,
    char *why, size_t size);

#endif
