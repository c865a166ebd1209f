#include "proto/spamd.h"

#include "base/number.h"
#include "base/printable.h"

void
spamd_add_request(struct buf *b, uint64_t size_bytes)
{
	buf_add_string(b, "SYMBOLS SPAMC/1.5\r\nContent-length: ");
	buf_add_number(b, size_bytes);
	buf_add_string(b, "\r\n\r\n");
}

/* What the header lines have told so far. */
struct head {
	bool     has_spam;
	bool     has_length;
	uint64_t length;
};

static enum spamd_result
fail(struct spamd_reply *out, const char *why)
{
	*out = (struct spamd_reply){ .error = bytes_of(why) };
	return SPAMD_ERROR;
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

/* "SPAMD/1.1 0 EX_OK". An error code is followed by a text for people. */
static enum spamd_result
read_status(struct bytes line, struct spamd_reply *out)
{
	struct bytes text, code;
	uint64_t     number;

	if (!bytes_start(line, BYTES("SPAMD/")))
		return fail(out, "not a reply of spamd");
	text = bytes_trim(bytes_from(line, bytes_find(line, ' ')));
	code = bytes_first(text, bytes_find(text, ' '));
	if (!number_parse(code, 999, &number))
		return fail(out, "garbled status line");
	if (number == 0)
		return SPAMD_MORE;
	fail(out, "error code");
	if (printable_is(text))
		out->error = text;
	return SPAMD_ERROR;
}

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
parse_spam(struct bytes value, struct spamd_reply *out)
{
	struct bytes opinion, score;

	return bytes_split(&value, ';', &opinion) &&
	    parse_opinion(bytes_trim(opinion), &out->is_spam) &&
	    bytes_split(&value, '/', &score) &&
	    number_parse_milli(bytes_trim(score), &out->score_milli) &&
	    number_parse_milli(bytes_trim(value), &out->threshold_milli);
}

static enum spamd_result
read_field(struct bytes line, struct head *head, struct spamd_reply *out)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_trim(bytes_first(line, colon));
	struct bytes value = bytes_trim(bytes_from(line, colon + 1));

	if (colon == line.n)
		return fail(out, "garbled header line");
	if (bytes_equal_nocase(name, BYTES("Spam"))) {
		if (head->has_spam)
			return fail(out, "two Spam headers");
		if (!parse_spam(value, out))
			return fail(out, "garbled Spam header");
		head->has_spam = true;
	} else if (bytes_equal_nocase(name, BYTES("Content-length"))) {
		if (head->has_length)
			return fail(out, "two Content-length headers");
		if (!number_parse(value, SPAMD_REPLY_MAX, &head->length))
			return fail(out, "bad Content-length");
		head->has_length = true;
	}
	return SPAMD_MORE;
}

/* Without white space at both ends, line ends included. */
static struct bytes
trim_lines(struct bytes b)
{
	struct bytes before;

	do {
		before = b;
		b = bytes_trim(b);
		while (b.n > 0 && (b.p[b.n - 1] == '\n' || b.p[b.n - 1] == '\r'))
			b.n--;
	} while (b.n != before.n);
	return b;
}

/*
 * The body is the list of rules. With a Content-length it ends there, and what
 * is behind it does not matter; else it ends with the connection.
 */
static enum spamd_result
read_body(struct bytes body, bool at_end, const struct head *head,
    struct spamd_reply *out)
{
	if (!head->has_spam)
		return fail(out, "no Spam header");
	if (head->has_length ? body.n < head->length : !at_end)
		return SPAMD_MORE;
	if (head->has_length)
		body = bytes_first(body, (size_t)head->length);
	out->tests = trim_lines(body);
	return SPAMD_SCORE;
}

static enum spamd_result
read_reply(struct bytes rest, bool at_end, struct spamd_reply *out)
{
	struct head       head = { 0 };
	struct bytes      line;
	enum spamd_result result;

	if (!take_line(&rest, &line))
		return SPAMD_MORE;
	result = read_status(line, out);
	while (result == SPAMD_MORE && take_line(&rest, &line)) {
		if (line.n == 0)
			return read_body(rest, at_end, &head, out);
		result = read_field(line, &head, out);
	}
	return result;
}

enum spamd_result
spamd_read_reply(struct bytes received, bool at_end, struct spamd_reply *out)
{
	enum spamd_result result;

	*out = (struct spamd_reply){ 0 };
	result = read_reply(received, at_end, out);
	if (result != SPAMD_MORE)
		return result;
	if (at_end)
		return fail(out, "reply cut short");
	if (received.n >= SPAMD_REPLY_MAX)
		return fail(out, "reply too long");
	return SPAMD_MORE;
}
