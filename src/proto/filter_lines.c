#include "proto/filter_lines.h"

#include "base/number.h"
#include "base/printable.h"

enum {
	REASON_MAX = 200,
	TEST_MAX = 64,
	TESTS_MAX = 4096,
	NAME_MAX = 64,
	/* RFC 5322 section 2.1.1: a line has 998 characters at most. */
	LINE_MAX = 998,
};

void
filter_lines_init(struct filter_lines *f)
{
	*f = (struct filter_lines){ 0 };
	buf_init(&f->reason, REASON_MAX);
	buf_init(&f->tests, TESTS_MAX);
	buf_init(&f->marks, FILTER_MARKS_MAX);
}

void
filter_lines_finish(struct filter_lines *f)
{
	buf_finish(&f->reason);
	buf_finish(&f->tests);
	buf_finish(&f->marks);
}

static bool
read_score(struct filter_lines *f, struct bytes rest)
{
	f->has_score = number_parse_milli(rest, &f->score_milli);
	return f->has_score;
}

static bool
read_threshold(struct filter_lines *f, struct bytes rest)
{
	f->has_threshold = number_parse_milli(rest, &f->threshold_milli);
	return f->has_threshold;
}

/* "NAME [N]". The list is for people: when it is full, the rest is left out. */
static bool
read_test(struct filter_lines *f, struct bytes rest)
{
	size_t       end = bytes_find(rest, ' ');
	struct bytes name = bytes_first(rest, end);
	struct bytes number = bytes_trim(bytes_from(rest, end));
	int64_t      milli;

	if (name.n == 0 || name.n > TEST_MAX || !printable_is(name) ||
	    bytes_find(name, ',') < name.n || bytes_find(name, '=') < name.n)
		return false;
	if (number.n > 0 && !number_parse_milli(number, &milli))
		return false;
	if (f->tests.len > TESTS_MAX - 2 * TEST_MAX)
		return true;
	if (f->tests.len > 0)
		buf_add_char(&f->tests, ',');
	buf_add_bytes(&f->tests, name);
	if (number.n > 0) {
		buf_add_char(&f->tests, '=');
		number_add_milli(&f->tests, milli);
	}
	return !f->tests.failed;
}

static bool
read_reason(struct filter_lines *f, struct bytes rest)
{
	buf_clear(&f->reason);
	printable_add(&f->reason, rest, REASON_MAX);
	return !f->reason.failed;
}

/*
 * The fields that state our verdict are written by us alone: there is one of
 * each, and a filter speaks through its colour and its score.
 */
static bool
states_the_verdict(struct bytes name)
{
	static const struct bytes names[] = {
		BYTES_INIT("X-Ampel-Verdict"),
		BYTES_INIT("X-Spam-Flag"),
		BYTES_INIT("X-Spam-Status"),
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (bytes_equal_nocase(name, names[i]))
			return true;
	return false;
}

/* RFC 5322 section 2.2: printable characters without colon and blank. */
static bool
is_field_name(struct bytes name)
{
	return name.n > 0 && name.n <= NAME_MAX && printable_is(name) &&
	    bytes_find(name, ' ') == name.n && !states_the_verdict(name);
}

/* "NAME: VALUE" */
static bool
read_header(struct filter_lines *f, struct bytes rest)
{
	size_t       colon = bytes_find(rest, ':');
	struct bytes name = bytes_first(rest, colon);
	struct bytes value = bytes_trim(bytes_from(rest, colon + 1));

	if (colon == rest.n || !is_field_name(name) || !printable_is(value) ||
	    name.n + 2 + value.n > LINE_MAX)
		return false;
	if (f->marks.len + name.n + value.n + 3 > FILTER_MARKS_MAX)
		return false;
	buf_add_bytes(&f->marks, name);
	buf_add_string(&f->marks, ": ");
	buf_add_bytes(&f->marks, value);
	buf_add_char(&f->marks, '\n');
	return !f->marks.failed;
}

struct keyword {
	struct bytes name;
	bool       (*read)(struct filter_lines *f, struct bytes rest);
};

static bool
read_line(struct filter_lines *f, struct bytes line)
{
	static const struct keyword keywords[] = {
		{ BYTES_INIT("score"), read_score },
		{ BYTES_INIT("threshold"), read_threshold },
		{ BYTES_INIT("test"), read_test },
		{ BYTES_INIT("reason"), read_reason },
		{ BYTES_INIT("header"), read_header },
	};
	size_t       end = bytes_find(line, ' ');
	struct bytes name = bytes_first(line, end);
	struct bytes rest = bytes_trim(bytes_from(line, end));

	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (bytes_equal(name, keywords[i].name))
			return keywords[i].read(f, rest);
	return false;
}

void
filter_lines_read(struct filter_lines *f, struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > 0 && !read_line(f, line))
			f->garbled = true;
	}
}
