#include "mail/pipeline.h"

#include "base/buf.h"
#include "base/number.h"
#include "base/printable.h"

enum {
	REASON_MAX = 200,
	TEST_MAX = 100,
	TESTS_MAX = 2000,
	SUMMARY_MAX = 8000,
};

enum state {
	WAITING, /* has not run yet */
	SKIPPED, /* does not apply to this message */
	RUNNING,
	DONE,
};

struct stage {
	enum state          state;
	struct stage_result result; /* when DONE; its views are in the arena */
};

struct pipeline {
	struct arena               *arena;
	const struct config_filter *filters;
	const struct envelope      *envelope;
	uint64_t                    size_bytes;
	bool                        expired;
	size_t                      n;
	struct stage                stages[]; /* one for each filter */
};

static bool
applies(const struct config_filter *filter, struct bytes listener)
{
	for (size_t i = 0; i < filter->listeners.n; i++)
		if (bytes_equal(filter->listeners.v[i], listener))
			return true;
	return false;
}

struct pipeline *
pipeline_new(struct arena *arena, const struct config_filter *filters, size_t n,
    const struct envelope *envelope, uint64_t size_bytes)
{
	struct pipeline *p;

	if (n > PIPELINE_STAGES_MAX)
		return NULL;
	p = arena_alloc(arena, sizeof *p + n * sizeof p->stages[0]);
	if (p == NULL)
		return NULL;
	p->arena = arena;
	p->filters = filters;
	p->envelope = envelope;
	p->size_bytes = size_bytes;
	p->n = n;
	for (size_t i = 0; i < n; i++)
		if (!applies(&filters[i], envelope->listener))
			p->stages[i].state = SKIPPED;
	return p;
}

static bool
is_oversized(const struct pipeline *p, size_t i)
{
	return p->size_bytes > p->filters[i].max_size;
}

/* Red and error decide, unless the filter only runs along. */
static bool
decides(const struct pipeline *p, size_t i)
{
	enum colour colour = p->stages[i].result.colour;

	return p->stages[i].state == DONE && !p->filters[i].shadow &&
	    colour != COLOUR_GREEN && colour != COLOUR_YELLOW;
}

/* The first stage that decides or has not ended; p->n when there is none. */
static size_t
frontier(const struct pipeline *p)
{
	size_t i = 0;

	while (i < p->n && !decides(p, i) && p->stages[i].state != WAITING &&
	    p->stages[i].state != RUNNING)
		i++;
	return i;
}

/* A stage that need not run, since the message is too large for it. */
static void
pass_over(struct pipeline *p, size_t i)
{
	bool may_pass = p->filters[i].on_oversize == FILTER_PASS;

	p->stages[i].state = DONE;
	p->stages[i].result = (struct stage_result){
		.colour = may_pass ? COLOUR_GREEN : COLOUR_ERROR,
		.is_unscanned = true,
		.reason = BYTES_INIT("message too large for this filter"),
	};
}

/*
 * Whether this stage may be joined to a neighbour by a pipe. One whose failure
 * is forgiven runs alone, since its neighbours then need the message as it was
 * before; so does one whose output counts for nothing.
 */
static bool
is_joinable(const struct pipeline *p, size_t i)
{
	const struct config_filter *filter = &p->filters[i];

	return p->stages[i].state == WAITING && !is_oversized(p, i) &&
	    filter->kind == FILTER_COMMAND && !filter->shadow &&
	    filter->on_error == FILTER_DEFER;
}

bool
pipeline_next(struct pipeline *p, size_t *first, size_t *n)
{
	size_t i, end;

	while ((i = frontier(p)) < p->n && p->stages[i].state == WAITING &&
	    is_oversized(p, i))
		pass_over(p, i);
	if (p->expired || i == p->n || p->stages[i].state != WAITING)
		return false;
	end = i + 1;
	if (is_joinable(p, i))
		while (end < p->n && is_joinable(p, end))
			end++;
	*first = i;
	*n = end - i;
	for (; i < end; i++)
		p->stages[i].state = RUNNING;
	return true;
}

/* The views of a result, made fit for a header, a log and a reply. */

static struct bytes
copy_reason(struct arena *arena, struct bytes text)
{
	struct buf   b;
	struct bytes copy;

	buf_init(&b, REASON_MAX);
	printable_add(&b, text, REASON_MAX);
	copy = arena_copy(arena, bytes_trim(buf_bytes(&b)));
	if (b.failed)
		copy.p = NULL;
	buf_finish(&b);
	return copy;
}

static bool
separates_tests(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next name of a list whose names are apart by commas or white space. */
static bool
next_test(struct bytes *rest, struct bytes *name)
{
	size_t n = 0;

	while (rest->n > 0 && separates_tests(rest->p[0]))
		*rest = bytes_from(*rest, 1);
	while (n < rest->n && !separates_tests(rest->p[n]))
		n++;
	*name = bytes_first(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}

static struct bytes
copy_tests(struct arena *arena, struct bytes text)
{
	struct buf   b;
	struct bytes name, copy;

	buf_init(&b, TESTS_MAX + 1 + TEST_MAX);
	while (b.len < TESTS_MAX && next_test(&text, &name)) {
		if (b.len > 0)
			buf_add_char(&b, ',');
		printable_add(&b, name, TEST_MAX);
	}
	copy = arena_copy(arena, buf_bytes(&b));
	if (b.failed)
		copy.p = NULL;
	buf_finish(&b);
	return copy;
}

/* False: no memory. */
static bool
copy_views(struct arena *arena, struct stage_result *r)
{
	r->reason = copy_reason(arena, r->reason);
	r->tests = copy_tests(arena, r->tests);
	r->marks = arena_copy(arena, r->marks);
	return r->reason.p && r->tests.p && r->marks.p;
}

/*
 * An error that may pass is green but unscanned; it says nothing else. Anything
 * that is no verdict at all is an error.
 */
static void
settle(struct stage_result *r, enum filter_policy on_error)
{
	if (r->colour == COLOUR_NONE)
		r->colour = COLOUR_ERROR;
	if (r->colour != COLOUR_ERROR)
		return;
	r->has_score = false;
	r->tests = BYTES("");
	r->marks = BYTES("");
	if (on_error != FILTER_PASS)
		return;
	r->colour = COLOUR_GREEN;
	r->is_unscanned = true;
}

void
pipeline_result(
    struct pipeline *p, size_t stage, const struct stage_result *result)
{
	struct stage *s;

	if (stage >= p->n || p->stages[stage].state != RUNNING)
		return;
	s = &p->stages[stage];
	s->state = DONE;
	s->result = *result;
	if (!copy_views(p->arena, &s->result))
		s->result = (struct stage_result){
			.colour = COLOUR_ERROR,
			.reason = BYTES_INIT("out of memory"),
		};
	settle(&s->result, p->filters[stage].on_error);
}

static void
run_out_of_time(struct stage *s)
{
	s->state = DONE;
	s->result = (struct stage_result){
		.colour = COLOUR_ERROR,
		.reason = BYTES_INIT("the time for all filters is up"),
	};
}

void
pipeline_expire(struct pipeline *p)
{
	size_t i = frontier(p);

	p->expired = true;
	if (i < p->n && p->stages[i].state == WAITING)
		run_out_of_time(&p->stages[i]);
	for (; i < p->n; i++)
		if (p->stages[i].state == RUNNING)
			run_out_of_time(&p->stages[i]);
}

/* 2100 is 2.1, 5000 is 5: short, for a line with many of them. */
static void
add_short_milli(struct buf *b, int64_t milli)
{
	number_add_milli(b, milli);
	if (milli % 1000 == 0 && b->len >= 2)
		b->len -= 2;
}

static void
add_scores(struct buf *b, const struct config_filter *filter,
    const struct stage_result *r)
{
	add_short_milli(b, r->score_milli);
	if (r->required_milli != 0 || filter->has_scores) {
		buf_add_char(b, '/');
		add_short_milli(b, r->required_milli);
	}
	if (filter->has_scores) {
		buf_add_char(b, '/');
		add_short_milli(b, filter->red_milli);
	}
}

/* "house=green", "spamassassin=2.1/5/7", "clamav=unscanned", ... */
static void
add_summary(struct buf *b, const struct config_filter *filter,
    const struct stage_result *r)
{
	bool says_colour = !r->has_score || !filter->has_scores;

	if (b->len > 0)
		buf_add_char(b, ' ');
	if (filter->shadow)
		buf_add_string(b, "shadow:");
	printable_add(b, filter->name, TEST_MAX);
	buf_add_char(b, '=');
	if (r->is_unscanned) {
		buf_add_string(b, "unscanned");
		return;
	}
	if (says_colour)
		buf_add_string(b, colour_name(r->colour));
	if (says_colour && r->has_score)
		buf_add_char(b, ':');
	if (r->has_score)
		add_scores(b, filter, r);
}

/* p NULL: no memory. */
static struct bytes
summary(const struct pipeline *p)
{
	struct buf   b;
	struct bytes copy;

	buf_init(&b, SUMMARY_MAX);
	for (size_t i = 0; i < p->n; i++)
		if (p->stages[i].state == DONE)
			add_summary(&b, &p->filters[i], &p->stages[i].result);
	copy = arena_copy(p->arena, buf_bytes(&b));
	if (b.failed)
		copy.p = NULL;
	buf_finish(&b);
	return copy;
}

/* Why it was red, for somebody who got no reason from the filter itself. */
static struct bytes
red_reason(struct arena *arena, const struct config_filter *filter,
    const struct stage_result *r)
{
	struct buf   b;
	struct bytes copy;

	if (!r->has_score || !filter->has_scores)
		return filter->name;
	buf_init(&b, REASON_MAX);
	buf_add_string(&b, "score ");
	number_add_milli(&b, r->score_milli);
	buf_add_string(&b, ", limit ");
	number_add_milli(&b, filter->red_milli);
	copy = arena_copy(arena, buf_bytes(&b));
	buf_finish(&b);
	return copy.n > 0 ? copy : filter->name;
}

/* The verdict speaks with the words of that stage. */
static void
speak_as(const struct pipeline *p, size_t i, struct verdict *out)
{
	const struct stage_result  *r = &p->stages[i].result;
	const struct config_filter *filter = &p->filters[i];

	out->has_score = r->has_score;
	out->score_milli = r->score_milli;
	out->required_milli = r->required_milli;
	out->red_milli = filter->has_scores ? filter->red_milli : 0;
	out->tests = r->tests;
	out->reason = r->reason;
	if (r->colour == COLOUR_RED && r->reason.n == 0)
		out->reason = red_reason(p->arena, filter, r);
}

/*
 * Nobody decided. One yellow makes the message yellow; the last stage of that
 * colour speaks, one with a score before one without.
 */
static void
speak_together(const struct pipeline *p, struct verdict *out)
{
	size_t speaker = p->n;

	for (size_t i = 0; i < p->n; i++) {
		const struct stage_result *r = &p->stages[i].result;

		if (p->stages[i].state != DONE)
			continue;
		if (out->colour == COLOUR_NONE)
			out->colour = COLOUR_GREEN;
		if (p->filters[i].shadow)
			continue;
		if (r->colour == COLOUR_YELLOW && out->colour != COLOUR_YELLOW) {
			out->colour = COLOUR_YELLOW;
			speaker = i;
		}
		if (r->colour == out->colour && r->has_score)
			speaker = i;
	}
	if (speaker < p->n)
		speak_as(p, speaker, out);
}

/*
 * RFC 5321 section 4.5.1: postmaster must be reachable, and RFC 2142 wants
 * abuse to be told of abuse, which quotes it.
 */
static bool
is_for_postmaster_alone(const struct envelope *e)
{
	for (size_t i = 0; i < e->n_recipients; i++) {
		struct bytes address = e->recipients[i].address;
		struct bytes local =
		    bytes_first(address, bytes_find_last(address, '@'));

		if (!bytes_equal_nocase(local, BYTES("postmaster")) &&
		    !bytes_equal_nocase(local, BYTES("abuse")))
			return false;
	}
	return e->n_recipients > 0;
}

void
pipeline_verdict(struct pipeline *p, struct verdict *out)
{
	size_t i = frontier(p);

	*out = (struct verdict){ .summary = summary(p) };
	if (out->summary.p == NULL) {
		out->colour = COLOUR_ERROR;
		out->reason = BYTES("out of memory");
	} else if (i == p->n) {
		speak_together(p, out);
	} else if (!decides(p, i)) {
		out->colour = COLOUR_ERROR;
		out->reason = BYTES("not all filters have ended");
	} else {
		speak_as(p, i, out);
		out->colour = p->stages[i].result.colour;
		out->stage = p->filters[i].name;
	}
	if (out->colour == COLOUR_RED && is_for_postmaster_alone(p->envelope))
		out->colour = COLOUR_YELLOW;
}

bool
pipeline_is_unscanned(const struct pipeline *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->stages[i].state == DONE && !p->filters[i].shadow &&
		    p->stages[i].result.is_unscanned)
			return true;
	return false;
}

void
pipeline_add_marks(
    const struct pipeline *p, const struct verdict *v, struct buf *b)
{
	verdict_add_marks(b, v);
	for (size_t i = 0; i < p->n; i++)
		if (p->stages[i].state == DONE && !p->filters[i].shadow)
			buf_add_bytes(b, p->stages[i].result.marks);
}
