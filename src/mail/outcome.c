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

struct outcome
outcome_of(enum outcome_kind kind, struct status status, struct bytes text)
{
	return (struct outcome){ .kind = kind, .status = status, .text = text };
}
