/*
 * A text as record and as policy. What is taken of a record lies inside and can be a file's
 * name; a policy that is taken says the same when it is written down again, and names hosts
 * that its own patterns match.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/printable.h"
#include "proto/dns_record.h"
#include "proto/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool claim)
{
	if (!claim)
		abort();
}

static void
check_record(struct bytes text)
{
	struct bytes id;

	if (!sts_record_parse(text, &id))
		return;
	must(sts_is_record(text));
	must(id.n > 0 && id.n <= STS_ID_MAX);
	must(id.p > text.p && id.p + id.n <= text.p + text.n);
	for (size_t i = 0; i < id.n; i++)
		must(byte_is_alpha(id.p[i]) || byte_is_digit(id.p[i]));
}

static void
check_pattern(struct bytes pattern)
{
	bool         has_star = bytes_start(pattern, BYTES("*."));
	struct bytes domain = bytes_from(pattern, has_star ? 2 : 0);
	struct buf   host;

	must(dns_name_is_host(domain) && printable_is(pattern));
	for (size_t i = 0; i < pattern.n; i++)
		must(pattern.p[i] == byte_lower(pattern.p[i]));
	buf_init(&host, 1024);
	if (has_star) {
		must(!sts_pattern_matches(pattern, domain));
		buf_add_string(&host, "A.");
	}
	buf_add_bytes(&host, domain);
	must(sts_pattern_matches(pattern, buf_bytes(&host)));
	buf_clear(&host);
	buf_add_string(&host, "a.b.");
	buf_add_bytes(&host, domain);
	must(!sts_pattern_matches(pattern, buf_bytes(&host)));
	buf_finish(&host);
}

static void
write_down(const struct sts_policy *p, struct buf *text)
{
	static const char *const modes[] = { "none", "testing", "enforce" };

	buf_addf(text, "max_age: %llu\nmode: %s\n", (unsigned long long)p->max_age_s,
	    modes[p->mode]);
	for (size_t i = 0; i < p->n_patterns; i++)
		buf_addf(text, "mx: %.*s\r\n", BYTES_ARG(p->patterns[i]));
	buf_add_string(text, "version: STSv1");
}

static void
check_again(const struct sts_policy *p)
{
	struct sts_policy again;
	struct arena      arena;
	struct buf        text;
	const char       *mistake;

	buf_init(&text, 2 * STS_POLICY_MAX);
	arena_init(&arena, 2 * STS_POLICY_MAX);
	write_down(p, &text);
	must(sts_policy_parse(buf_bytes(&text), &arena, &again, &mistake));
	must(again.mode == p->mode && again.max_age_s == p->max_age_s &&
	    again.n_patterns == p->n_patterns);
	for (size_t i = 0; i < p->n_patterns; i++)
		must(bytes_equal(again.patterns[i], p->patterns[i]));
	arena_finish(&arena);
	buf_finish(&text);
}

static void
check_policy(struct bytes text)
{
	struct sts_policy policy;
	struct arena      arena;
	const char       *mistake;

	arena_init(&arena, 2 * STS_POLICY_MAX);
	if (sts_policy_parse(text, &arena, &policy, &mistake)) {
		must(mistake == NULL && text.n <= STS_POLICY_MAX);
		must(policy.mode == STS_NONE || policy.n_patterns > 0);
		must(policy.n_patterns <= STS_PATTERNS_MAX);
		must(policy.max_age_s <= STS_MAX_AGE_S);
		for (size_t i = 0; i < policy.n_patterns; i++)
			check_pattern(policy.patterns[i]);
		check_again(&policy);
	} else {
		must(mistake != NULL);
	}
	arena_finish(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = { (const char *)data, size };

	check_record(text);
	check_policy(text);
	return 0;
}
