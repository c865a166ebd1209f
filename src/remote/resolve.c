#include "remote/resolve_inside.h"

#include <stdlib.h>

#include "io/clock.h"

uint64_t
resolve_random(void)
{
	uint64_t number;

	random_fill(&number, sizeof number);
	return number;
}

void
resolve_forget(struct resolving *q)
{
	if (q == NULL)
		return;
	dns_forget(q->question);
	policy_forget(q->policy);
	for (size_t i = 0; i < ANSWERS; i++)
		dns_forget(q->questions[i]);
	free(q);
}

void
resolve_finish(struct resolving *q)
{
	resolved *done = q->done;
	void     *context = q->context;

	q->is_over = true;
	if (q->is_starting)
		return;
	free(q);
	done(context);
}

struct resolving *
resolve_begun(struct resolving *q)
{
	q->is_starting = false;
	if (!q->is_over)
		return q;
	free(q);
	return NULL;
}

struct resolving *
resolve_begin(const struct resolver *r, const struct itinerary *to,
    struct plan *plan, resolved *done, void *context)
{
	struct resolving *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->resolver = r;
	q->to = to;
	q->plan = plan;
	q->done = done;
	q->context = context;
	q->is_starting = true;
	return q;
}

void
resolve_set_problem(struct problem *p, const struct itinerary *to,
    enum dns_result result, struct status none, struct bytes text,
    const char *what, struct bytes name)
{
	/* what we were told by our own administrator is no reason to bounce */
	enum problem_kind kind = to->is_routed ? PROBLEM_OURS : PROBLEM_PERMANENT;

	p->host[0] = '\0';
	if (result == DNS_BOGUS)
		problem_set(p, PROBLEM_OURS, STATUS(4, 7, 0),
		    "DNSSEC validation failed: %s of %.*s", what, BYTES_ARG(name));
	else if (result == DNS_TRY_LATER)
		problem_set(p, PROBLEM_OURS, STATUS(4, 4, 3),
		    "no answer from DNS: %s of %.*s%s%.*s", what, BYTES_ARG(name),
		    text.n > 0 ? ": " : "", BYTES_ARG(text));
	else
		problem_set(p, kind, none, "there are no %s of %.*s", what,
		    BYTES_ARG(name));
}
