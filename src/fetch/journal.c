#include "fetch/journal.h"

#include "io/log.h"
#include "service/event.h"

enum { MINUTE_MS = 60 * 1000 };

static const struct bytes modes[] = {
	[STS_NONE] = BYTES_INIT("none"),
	[STS_TESTING] = BYTES_INIT("testing"),
	[STS_ENFORCE] = BYTES_INIT("enforce"),
};

/* Whether one more line may be written. */
static bool
may_write(struct journal *j, uint64_t now_ms)
{
	if (j->minute_ms == 0 || now_ms - j->minute_ms >= MINUTE_MS) {
		if (j->n_lines > JOURNAL_LINES_MAX)
			log_text("%u more lines in that minute",
			    j->n_lines - JOURNAL_LINES_MAX);
		*j = (struct journal){ .minute_ms = now_ms };
	}
	return ++j->n_lines <= JOURNAL_LINES_MAX;
}

void
journal_policy(struct journal *j, uint64_t now_ms, struct bytes domain,
    const struct sts_cached *old, const struct sts_cached *cached)
{
	struct event e;

	if (!may_write(j, now_ms))
		return;
	e = event_begin("policy", NULL);
	event_text(&e, "domain", domain);
	event_text(&e, "mode", modes[cached->policy.mode]);
	event_text(&e, "policy", cached->id);
	event_number(&e, "hosts", cached->policy.n_patterns);
	event_number(&e, "max_age", cached->policy.max_age_s);
	if (old && !bytes_equal(old->id, cached->id)) {
		event_text(&e, "old_mode", modes[old->policy.mode]);
		event_text(&e, "old_policy", old->id);
	}
	event_end(&e);
}

void
journal_failure(struct journal *j, uint64_t now_ms, struct bytes domain,
    const struct sts_cached *kept, struct bytes why)
{
	struct event e;

	if (!may_write(j, now_ms))
		return;
	e = event_begin("policy-failed", NULL);
	event_text(&e, "domain", domain);
	if (kept) {
		event_text(&e, "kept_mode", modes[kept->policy.mode]);
		event_text(&e, "kept_policy", kept->id);
	}
	event_text(&e, "why", why);
	event_end(&e);
}
