/*
 * What a filter writes on descriptor 3. Whatever it is, what we take from it can
 * stand in a header section, in a log and in a reply; and reading the lines one
 * by one comes to the same as reading them at once.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/printable.h"
#include "proto/filter_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_marks(struct bytes marks)
{
	struct bytes line;

	if (marks.n > 0 && marks.p[marks.n - 1] != '\n')
		abort();
	while (bytes_split(&marks, '\n', &line)) {
		struct bytes name = bytes_first(line, bytes_find(line, ':'));

		if (name.n == 0 || name.n == line.n || line.n > 998 ||
		    bytes_find(name, ' ') < name.n || !printable_is(line))
			abort();
		if (bytes_equal_nocase(name, BYTES("X-Ampel-Verdict")))
			abort();
	}
}

static void
check(const struct filter_lines *f)
{
	struct bytes tests = buf_bytes(&f->tests);
	struct bytes reason = buf_bytes(&f->reason);

	if (f->reason.failed || f->tests.failed || f->marks.failed)
		abort();
	if (!printable_is(tests) || bytes_find(tests, ' ') < tests.n)
		abort();
	if (!printable_is(reason) || reason.n > 200)
		abort();
	check_marks(buf_bytes(&f->marks));
}

static bool
is_same(const struct filter_lines *a, const struct filter_lines *b)
{
	return a->has_score == b->has_score && a->garbled == b->garbled &&
	    (!a->has_score || a->score_milli == b->score_milli) &&
	    a->has_threshold == b->has_threshold &&
	    (!a->has_threshold || a->threshold_milli == b->threshold_milli) &&
	    bytes_equal(buf_bytes(&a->reason), buf_bytes(&b->reason)) &&
	    bytes_equal(buf_bytes(&a->tests), buf_bytes(&b->tests)) &&
	    bytes_equal(buf_bytes(&a->marks), buf_bytes(&b->marks));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes        rest = { (const char *)data, size };
	struct bytes        line;
	struct filter_lines whole, pieces;

	filter_lines_init(&whole);
	filter_lines_init(&pieces);
	filter_lines_read(&whole, rest);
	while (bytes_split(&rest, '\n', &line))
		filter_lines_read(&pieces, line);
	check(&whole);
	if (!is_same(&whole, &pieces))
		abort();
	filter_lines_finish(&whole);
	filter_lines_finish(&pieces);
	return 0;
}
