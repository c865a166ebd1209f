#include "proto/spamd.h"

#include "proto/spamd_head.h"

void
spamd_add_request(struct buf *b, uint64_t size_bytes)
{
	buf_add_string(b, "SYMBOLS SPAMC/1.5\r\nContent-length: ");
	buf_add_number(b, size_bytes);
	buf_add_string(b, "\r\n\r\n");
}

static enum spamd_result
fail(struct spamd_reply *out, struct bytes why)
{
	*out = (struct spamd_reply){ .error = why };
	return SPAMD_ERROR;
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
read_body(struct bytes body, bool at_end, const struct spamd_head *head,
    struct spamd_reply *out)
{
	if (!head->has_spam)
		return fail(out, BYTES("no Spam header"));
	if (head->has_length ? body.n < head->length : !at_end)
		return SPAMD_MORE;
	if (head->has_length)
		body = bytes_first(body, (size_t)head->length);
	*out = (struct spamd_reply){
		.score_milli = head->score_milli,
		.threshold_milli = head->threshold_milli,
		.is_spam = head->is_spam,
		.tests = trim_lines(body),
	};
	return SPAMD_SCORE;
}

static enum spamd_result
read_reply(struct bytes rest, bool at_end, struct spamd_reply *out)
{
	struct spamd_head head;
	struct bytes      error;

	switch (spamd_head_read(&rest, SPAMD_REPLY_MAX, &head, &error)) {
	case SPAMD_HEAD_MORE:
		break;
	case SPAMD_HEAD_WHOLE:
		return read_body(rest, at_end, &head, out);
	case SPAMD_HEAD_ERROR:
		return fail(out, error);
	}
	return SPAMD_MORE;
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
		return fail(out, BYTES("reply cut short"));
	if (received.n >= SPAMD_REPLY_MAX)
		return fail(out, BYTES("reply too long"));
	return SPAMD_MORE;
}
