#include "proto/sts_cached.h"

#include "base/number.h"

/* "ampel-policy 1 example.net 20160831085700Z 1700000000000" */
static const struct bytes format = BYTES_INIT("ampel-policy 1");

static const char *const modes[] = {
	[STS_NONE] = "none",
	[STS_TESTING] = "testing",
	[STS_ENFORCE] = "enforce",
};

void
sts_cached_add(
    struct buf *b, struct bytes domain, const struct sts_cached *cached)
{
	const struct sts_policy *policy = &cached->policy;

	buf_addf(b, "%.*s %.*s %.*s %llu\n", BYTES_ARG(format), BYTES_ARG(domain),
	    BYTES_ARG(cached->id), (unsigned long long)cached->fetched_ms);
	buf_addf(b, "version: STSv1\nmode: %s\nmax_age: %llu\n",
	    modes[policy->mode], (unsigned long long)policy->max_age_s);
	for (size_t i = 0; i < policy->n_patterns; i++)
		buf_addf(b, "mx: %.*s\n", BYTES_ARG(policy->patterns[i]));
}

/* Our line, without its end. */
static bool
read_head(struct bytes line, struct bytes domain, struct sts_cached *out)
{
	struct bytes name, id;

	if (!bytes_start(line, format))
		return false;
	line = bytes_from(line, format.n);
	return bytes_split(&line, ' ', &name) && name.n == 0 &&
	    bytes_split(&line, ' ', &name) && bytes_equal(name, domain) &&
	    bytes_split(&line, ' ', &id) && (out->id = id).n > 0 &&
	    id.n <= STS_ID_MAX && number_parse(line, INT64_MAX, &out->fetched_ms);
}

bool
sts_cached_parse(struct bytes text, struct bytes domain, struct arena *arena,
    struct sts_cached *out)
{
	struct bytes head;
	const char  *mistake;

	*out = (struct sts_cached){ 0 };
	return bytes_split(&text, '\n', &head) && read_head(head, domain, out) &&
	    sts_policy_parse(text, arena, &out->policy, &mistake);
}

/*
 * A clock that was wrong may have written a time that is still to come: it then counts as
 * fetched now, and a day old, so that the next who asks has it fetched anew.
 */
bool
sts_cached_is_valid(const struct sts_cached *cached, uint64_t now_ms)
{
	return cached->fetched_ms > now_ms ||
	    now_ms - cached->fetched_ms < cached->policy.max_age_s * 1000;
}

static bool
is_within(uint64_t then_ms, uint64_t ms, uint64_t now_ms)
{
	return then_ms <= now_ms && now_ms - then_ms < ms;
}

enum sts_step
sts_step_of(const struct sts_cached *cached, struct bytes announced,
    uint64_t failed_ms, uint64_t now_ms)
{
	bool is_new =
	    announced.n > 0 && !(cached && bytes_equal(announced, cached->id));

	if (failed_ms != 0 && is_within(failed_ms, STS_RETRY_MS, now_ms))
		return STS_ANSWER;
	if (is_new)
		return STS_FETCH;
	if (cached && !is_within(cached->fetched_ms, STS_REFRESH_MS, now_ms))
		return STS_REFRESH;
	return STS_ANSWER;
}
