#include "proto/spamc.h"

#include "proto/spamd_head.h"

enum body {
	BODY_NONE = 0, /* what there is of one means nothing */
	BODY_TEXT,
	BODY_MAIL,     /* never empty: that would pass for a message */
};

/* How each command is asked, and what its reply must have. */
static const struct {
	const char *verb;
	const char *fields; /* of TELL */
	bool        has_score;
	enum body   body;
} commands[] = {
	[SPAMC_PROCESS] = { "PROCESS", "", true, BODY_MAIL },
	[SPAMC_HEADERS] = { "HEADERS", "", true, BODY_MAIL },
	[SPAMC_CHECK] = { "CHECK", "", true, BODY_NONE },
	[SPAMC_SYMBOLS] = { "SYMBOLS", "", true, BODY_TEXT },
	[SPAMC_REPORT] = { "REPORT", "", true, BODY_TEXT },
	[SPAMC_REPORT_IF_SPAM] = { "REPORT_IFSPAM", "", true, BODY_TEXT },
	[SPAMC_TELL_SPAM] = { "TELL",
	    "Message-class: spam\r\nSet: local\r\n", false, BODY_NONE },
	[SPAMC_TELL_HAM] = { "TELL",
	    "Message-class: ham\r\nSet: local\r\n", false, BODY_NONE },
	[SPAMC_TELL_FORGET] = { "TELL",
	    "Remove: local\r\n", false, BODY_NONE },
	[SPAMC_PING] = { "PING", "", false, BODY_NONE },
};

void
spamc_add_request(struct buf *b, const struct spamc_request *request)
{
	buf_add_string(b, commands[request->command].verb);
	/* These names are matched by case. */
	buf_add_string(b, " SPAMC/1.5\r\n");
	if (request->command != SPAMC_PING) {
		buf_add_string(b, commands[request->command].fields);
		if (request->user.n > 0) {
			buf_add_string(b, "User: ");
			buf_add_bytes(b, request->user);
			buf_add_string(b, "\r\n");
		}
		if (request->is_compressed)
			buf_add_string(b, "Compress: zlib\r\n");
		buf_add_string(b, "Content-length: ");
		buf_add_number(b, request->size_bytes);
		buf_add_string(b, "\r\n");
	}
	buf_add_string(b, "\r\n");
}

static bool
fail(struct spamc_reply *out, uint64_t code, struct bytes why)
{
	*out = (struct spamc_reply){ .code = code, .error = why };
	return false;
}

/*
 * What the command needs is there, and nothing is missing or left over. Behind the
 * others spamd sends empty lines, counted or not.
 */
static bool
check_whole(const struct spamd_head *head, enum spamc_command command,
    struct spamc_reply *out)
{
	enum body body = commands[command].body;

	if (commands[command].has_score && !head->has_spam)
		return fail(out, 0, BYTES("no Spam header"));
	if (body != BODY_NONE && !head->has_length)
		return fail(out, 0, BYTES("no Content-length"));
	if (out->body.n < head->length)
		return fail(out, 0, BYTES("reply cut short"));
	if (body != BODY_NONE && out->body.n > head->length)
		return fail(out, 0, BYTES("reply longer than its Content-length"));
	if (body == BODY_MAIL && out->body.n == 0)
		return fail(out, 0, BYTES("reply without a message"));
	if (body == BODY_NONE)
		out->body = bytes_first(out->body, 0);
	return true;
}

bool
spamc_reply_read(struct bytes received, enum spamc_command command,
    struct spamc_reply *out)
{
	struct bytes           rest = received, error = { NULL, 0 };
	struct spamd_head      head;
	enum spamd_head_result result;

	if (command == SPAMC_PING)
		result = spamd_head_read_status(&rest, &head, &error);
	else
		result = spamd_head_read(&rest, UINT64_MAX, &head, &error);
	if (result == SPAMD_HEAD_MORE)
		return fail(out, 0, received.n == 0
		    ? BYTES("no reply") : BYTES("reply cut short"));
	if (result == SPAMD_HEAD_ERROR)
		return fail(out, head.code, error);
	*out = (struct spamc_reply){
		.is_spam = head.is_spam,
		.score_milli = head.score_milli,
		.threshold_milli = head.threshold_milli,
		.has_changed = head.has_changed,
		.version = head.version,
		.body = rest,
	};
	return check_whole(&head, command, out);
}
