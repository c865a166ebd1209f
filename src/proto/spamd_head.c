#include "proto/spamd_head.h"

#include "base/number.h"
#include "base/printable.h"

enum { CODE_MAX = 999 };

/* What is being read, and where it goes. */
struct reading {
	struct spamd_head *head;
	uint64_t           length_max;
	struct bytes      *error;
};

static bool
fail(struct reading *r, const char *why)
{
	*r->error = bytes_of(why);
	return false;
}

/* Take one whole line, without its line end. */
static bool
take_line(struct bytes *rest, struct bytes *line)
{
	if (bytes_find(*rest, '\n') == rest->n)
		return false;
	bytes_split(rest, '\n', line);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

/* --- the status line --- */

/* "SPAMD/1.1 0 EX_OK". An error code is followed by a text for people. */
static bool
read_status(struct reading *r, struct bytes line)
{
	size_t       blank = bytes_find(line, ' ');
	struct bytes text, code;

	if (!bytes_start(line, BYTES("SPAMD/")))
		return fail(r, "not a reply of spamd");
	text = bytes_trim(bytes_from(line, blank));
	code = bytes_first(text, bytes_find(text, ' '));
	if (!number_parse(code, CODE_MAX, &r->head->code))
		return fail(r, "garbled status line");
	r->head->version = bytes_from(bytes_first(line, blank), 6);
	if (r->head->code == 0)
		return true;
	fail(r, "error code");
	if (printable_is(text))
		*r->error = text;
	return false;
}

/* --- the header fields --- */

static bool
parse_opinion(struct bytes text, bool *is_spam)
{
	*is_spam = bytes_equal_nocase(text, BYTES("true")) ||
	    bytes_equal_nocase(text, BYTES("yes"));
	return *is_spam || bytes_equal_nocase(text, BYTES("false")) ||
	    bytes_equal_nocase(text, BYTES("no"));
}

/* "True ; 1004.2 / 5.0" */
static bool
parse_spam(struct bytes value, struct spamd_head *head)
{
	struct bytes opinion, score;

	return bytes_split(&value, ';', &opinion) &&
	    parse_opinion(bytes_trim(opinion), &head->is_spam) &&
	    bytes_split(&value, '/', &score) &&
	    number_parse_milli(bytes_trim(score), &head->score_milli) &&
	    number_parse_milli(bytes_trim(value), &head->threshold_milli);
}

static bool
read_spam(struct reading *r, struct bytes value)
{
	if (r->head->has_spam)
		return fail(r, "two Spam headers");
	if (!parse_spam(value, r->head))
		return fail(r, "garbled Spam header");
	r->head->has_spam = true;
	return true;
}

static bool
read_length(struct reading *r, struct bytes value)
{
	if (r->head->has_length)
		return fail(r, "two Content-length headers");
	if (!number_parse(value, r->length_max, &r->head->length))
		return fail(r, "bad Content-length");
	r->head->has_length = true;
	return true;
}

static bool
read_changed(struct reading *r, struct bytes value)
{
	(void)value; /* "local", "local,remote": what, not whether */
	r->head->has_changed = true;
	return true;
}

static const struct {
	struct bytes name;
	bool       (*read)(struct reading *r, struct bytes value);
} fields[] = {
	{ BYTES_INIT("Spam"), read_spam },
	{ BYTES_INIT("Content-length"), read_length },
	{ BYTES_INIT("DidSet"), read_changed },
	{ BYTES_INIT("DidRemove"), read_changed },
};

static bool
read_field(struct reading *r, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_trim(bytes_first(line, colon));
	struct bytes value = bytes_trim(bytes_from(line, colon + 1));

	if (colon == line.n)
		return fail(r, "garbled header line");
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (bytes_equal_nocase(name, fields[i].name))
			return fields[i].read(r, value);
	return true;
}

/* --- both --- */

enum spamd_head_result
spamd_head_read_status(
    struct bytes *rest, struct spamd_head *out, struct bytes *error)
{
	struct reading r = { .head = out, .error = error };
	struct bytes   line;

	*out = (struct spamd_head){ 0 };
	if (!take_line(rest, &line))
		return SPAMD_HEAD_MORE;
	return read_status(&r, line) ? SPAMD_HEAD_WHOLE : SPAMD_HEAD_ERROR;
}

enum spamd_head_result
spamd_head_read(struct bytes *rest, uint64_t length_max, struct spamd_head *out,
    struct bytes *error)
{
	struct reading r = { out, length_max, error };
	struct bytes   line;
	enum spamd_head_result result =
	    spamd_head_read_status(rest, out, error);

	if (result != SPAMD_HEAD_WHOLE)
		return result;
	while (take_line(rest, &line)) {
		if (line.n == 0)
			return SPAMD_HEAD_WHOLE;
		if (!read_field(&r, line))
			return SPAMD_HEAD_ERROR;
	}
	return SPAMD_HEAD_MORE;
}
