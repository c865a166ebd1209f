/*
 * What the players of transcripts share: the form of their lines, how the client's bytes
 * are cut, and what is compared. tests/transcripts/README has the form.
 */
#ifndef AMPEL_TESTS_PROTO_TRANSCRIPT_H
#define AMPEL_TESTS_PROTO_TRANSCRIPT_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/number.h"

/* How the client's bytes are cut. */
struct cut {
	size_t first;  /* the first piece; the rest follows in one; 0: no cut */
	size_t every;  /* pieces of that size; 0: as large as there is room */
	bool   is_late; /* questions are answered when no more input can come */
};

/* --- reading --- */

static uint64_t
setting_number(struct bytes value)
{
	uint64_t n;

	assert_true(number_parse(value, UINT32_MAX, &n));
	return n;
}

/* "C" is 1, "R*20" is 20. */
static uint64_t
times_of(struct bytes kind)
{
	size_t star = bytes_find(kind, '*');

	return star == kind.n ? 1 : setting_number(bytes_from(kind, star + 1));
}

static struct bytes
without_blank(struct bytes text)
{
	return text.n > 0 && text.p[0] == ' ' ? bytes_from(text, 1) : text;
}

static unsigned
hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char       *at = memchr(digits, byte_lower(c), 16);

	assert_non_null(at);
	return (unsigned)(at - digits);
}

static void
add_raw(struct buf *b, struct bytes text)
{
	static const char names[] = "rn0t\\", values[] = "\r\n\0\t\\";

	for (size_t i = 0; i < text.n; i++) {
		const char *at;

		if (text.p[i] != '\\') {
			buf_add_char(b, text.p[i]);
			continue;
		}
		assert_true(++i < text.n);
		if (text.p[i] == 'x') {
			assert_true(i + 2 < text.n);
			buf_add_char(b, (char)(hex(text.p[i + 1]) * 16 +
			                    hex(text.p[i + 2])));
			i += 2;
			continue;
		}
		at = memchr(names, text.p[i], 5);
		assert_non_null(at);
		buf_add_char(b, values[at - names]);
	}
}

/* --- comparing --- */

/* '*' in the pattern stands for one word. */
static bool
line_matches(struct bytes pattern, struct bytes line)
{
	size_t star = bytes_find(pattern, '*');

	if (star == pattern.n)
		return bytes_equal(pattern, line);
	if (!bytes_start(line, bytes_first(pattern, star)))
		return false;
	pattern = bytes_from(pattern, star + 1);
	line = bytes_from(line, star);
	while (line.n > 0 && line.p[0] != ' ' && line.p[0] != '\r')
		line = bytes_from(line, 1);
	return bytes_equal(pattern, line);
}

static void
check_lines(const char *name, struct bytes want, struct bytes got)
{
	struct bytes want_line, got_line;

	while (bytes_split(&want, '\n', &want_line)) {
		if (!bytes_split(&got, '\n', &got_line))
			got_line = BYTES("(nothing)");
		if (!line_matches(want_line, got_line))
			fail_msg("%s: expected: %.*s\ngot: %.*s", name,
			    BYTES_ARG(want_line), BYTES_ARG(got_line));
	}
	if (got.n > 0)
		fail_msg("%s: more came: %.*s", name, BYTES_ARG(got));
}

/*
 * Long ones, with much filling, are cut at every position in the first and last
 * kilobyte and at some between.
 */
static size_t
next_position(size_t at, size_t len)
{
	if (len > 8192 && at > 1024 && at + 1024 < len)
		return at + 997;
	return at + 1;
}

/* How many there are with that ending; check is given the name and the path of each. */
static size_t
for_each_transcript(const char *tests, const char *ending,
    void (*check)(const char *name, const char *path))
{
	char           path[4096];
	DIR           *folder;
	struct dirent *entry;
	size_t         n = 0, end = strlen(ending);

	snprintf(path, sizeof path, "%s/transcripts", tests);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len < end || strcmp(entry->d_name + len - end, ending) != 0)
			continue;
		snprintf(path, sizeof path, "%s/transcripts/%s", tests,
		    entry->d_name);
		check(entry->d_name, path);
		n++;
	}
	closedir(folder);
	return n;
}

#endif
