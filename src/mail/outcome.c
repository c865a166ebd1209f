#include "mail/outcome.h"

const char *
outcome_name(enum outcome_kind kind)
{
	static const char *const names[] = {
		[OUTCOME_DEFERRED] = "deferred",
		[OUTCOME_DELIVERED] = "delivered",
		[OUTCOME_FAILED] = "failed",
		[OUTCOME_EXPANDED] = "expanded",
	};

	return names[kind];
}
