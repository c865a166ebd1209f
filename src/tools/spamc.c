/*
 * ampel-spamc(8): the client of spamd, with spamc's interface and three colours. In
 * a pipeline stdout is mail, so nothing else is ever printed there, and nothing at
 * all before the whole reply is here.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/number.h"
#include "io/file.h"
#include "tools/spamc_complain.h"
#include "tools/spamc_compress.h"
#include "tools/spamc_connect.h"
#include "tools/spamc_exchange.h"
#include "tools/spamc_message.h"
#include "tools/spamc_options.h"

enum {
	EXIT_SPAM = 1,
	EXIT_TOO_BIG = 98, /* spamc's, of -L alone */
	SPAMD_TIMEOUT = 79,
	LINE_MAX_BYTES = 1024,
	HEAD_MAX = 4096,
};

static struct {
	struct spamc_options options;
	struct buf           message;
	struct buf           compressed;
	struct buf           received;
	struct spamc_reply   reply;
} job;

/* What stands on stdout when spamd has not answered. NULL: the message itself. */
static const char *const no_answer[] = {
	[SPAMC_PROCESS] = NULL,
	[SPAMC_HEADERS] = NULL,
	[SPAMC_CHECK] = "0/0\n",
	[SPAMC_SYMBOLS] = "\n",
	[SPAMC_REPORT] = "0/0\n",
	[SPAMC_REPORT_IF_SPAM] = "0/0\n",
	[SPAMC_TELL_SPAM] = "",
	[SPAMC_TELL_HAM] = "",
	[SPAMC_TELL_FORGET] = "",
	[SPAMC_PING] = "",
};

static bool
is_telling(void)
{
	return job.options.command == SPAMC_TELL_SPAM ||
	    job.options.command == SPAMC_TELL_HAM ||
	    job.options.command == SPAMC_TELL_FORGET;
}

/* --- stdout --- */

static bool
put(struct bytes bytes)
{
	if (file_write_all(STDOUT_FILENO, bytes) == 0)
		return true;
	spamc_complain(EX_IOERR, "stdout: %s", strerror(errno));
	return false;
}

/* What was made up in b, which ends here. */
static bool
put_line(struct buf *b)
{
	bool is_put = !b->failed && put(buf_bytes(b));

	buf_finish(b);
	return is_put;
}

/* The text with more fields, which end here, on top. */
static bool
put_with_fields(struct bytes text, struct buf *fields)
{
	size_t top = spamc_message_top(text);
	bool   is_put = !fields->failed && put(bytes_first(text, top)) &&
	    put(buf_bytes(fields)) && put(bytes_from(text, top));

	buf_finish(fields);
	return is_put;
}

/* --- without an answer --- */

/*
 * A failure. Without -x the message goes on as it came, as spamc does it; else the
 * code tells, and no mail. -Z prints nothing at all, for 0/0 reads as green.
 */
static int
fall_back(int code)
{
	const char *instead = no_answer[job.options.command];
	bool        is_strict = job.options.is_strict || is_telling() ||
	    job.options.command == SPAMC_PING;
	bool        is_put = true;

	if (instead && !job.options.has_red)
		is_put = put(bytes_of(instead));
	else if (!is_strict)
		is_put = put(buf_bytes(&job.message));
	if (is_strict)
		return code;
	return is_put ? EX_OK : EX_IOERR;
}

/* Too large to ask about: it passes, but never silently. */
static int
pass_unscanned(void)
{
	const char *instead = no_answer[job.options.command];
	struct buf  fields;

	spamc_complain(0, "larger than %llu bytes: not scanned",
	    (unsigned long long)job.options.max_bytes);
	if (job.options.defers_oversize)
		return EX_TEMPFAIL;
	if (instead && !put(bytes_of(instead)))
		return EX_IOERR;
	if (instead)
		return is_telling() ? EXIT_TOO_BIG : EX_OK;
	buf_init(&fields, LINE_MAX_BYTES);
	if (job.options.has_red)
		spamc_message_add_unscanned(&fields, buf_bytes(&job.message),
		    job.options.max_bytes);
	if (!put_with_fields(buf_bytes(&job.message), &fields))
		return EX_IOERR;
	if (!spamc_message_copy_rest(STDIN_FILENO, STDOUT_FILENO))
		return spamc_complain(
		    EX_IOERR, "the rest of the message: %s", strerror(errno));
	return EX_OK;
}

/* --- with one --- */

static bool
is_red(void)
{
	return job.options.has_red &&
	    job.reply.score_milli >= job.options.red_milli;
}

static bool
is_yellow(void)
{
	return job.reply.is_spam ||
	    job.reply.score_milli >= job.reply.threshold_milli;
}

static bool
put_score(void)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	number_add_milli(&line, job.reply.score_milli);
	buf_add_char(&line, '/');
	number_add_milli(&line, job.reply.threshold_milli);
	buf_add_char(&line, '\n');
	return put_line(&line);
}

static bool
put_processed(void)
{
	struct buf fields;

	if (is_red())
		return true;
	buf_init(&fields, LINE_MAX_BYTES);
	if (job.options.has_red && is_yellow())
		spamc_message_add_marks(&fields, job.reply.body,
		    job.reply.score_milli, job.reply.threshold_milli);
	return put_with_fields(job.reply.body, &fields);
}

static bool
put_pong(void)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	buf_addf(&line, "SPAMD/%.*s 0\n", BYTES_ARG(job.reply.version));
	return put_line(&line);
}

static bool
put_answer(void)
{
	switch (job.options.command) {
	case SPAMC_PROCESS:
		return put_processed();
	case SPAMC_HEADERS:
		return put(job.reply.body) &&
		    put(spamc_message_body(buf_bytes(&job.message)));
	case SPAMC_CHECK:
		return put_score();
	case SPAMC_SYMBOLS:
		return put(job.reply.body);
	case SPAMC_REPORT:
		return put_score() && put(job.reply.body);
	case SPAMC_REPORT_IF_SPAM:
		return !job.reply.is_spam || put(job.reply.body);
	case SPAMC_TELL_SPAM:
	case SPAMC_TELL_HAM:
	case SPAMC_TELL_FORGET:
		return put(job.reply.has_changed
		    ? BYTES("Message successfully un/learned\n")
		    : BYTES("Message was already un/learned\n"));
	case SPAMC_PING:
		return put_pong();
	}
	return false;
}

static int
answer(void)
{
	if (!put_answer())
		return EX_IOERR;
	if (job.options.has_red)
		return is_red() ? EXIT_SPAM : EX_OK;
	return job.options.exits_by_spam && job.reply.is_spam ? EXIT_SPAM
	                                                      : EX_OK;
}

/* --- asking --- */

static int
add_head(struct buf *head, uint64_t size_bytes)
{
	const char          *user = job.options.user;
	const struct passwd *pw = user ? NULL : getpwuid(geteuid());
	struct spamc_request request = {
		.command = job.options.command,
		.user = bytes_of(user ? user : pw ? pw->pw_name : NULL),
		.size_bytes = size_bytes,
		.is_compressed = job.options.compresses,
	};

	buf_init(head, HEAD_MAX);
	spamc_add_request(head, &request);
	if (head->failed)
		return spamc_complain(EX_USAGE, "-u: too long");
	return EX_OK;
}

/* What spamd's own codes mean to who called us. */
static int
code_of_reply(void)
{
	if (job.reply.code == SPAMD_TIMEOUT)
		return EX_TEMPFAIL;
	if (job.reply.code >= EX__BASE && job.reply.code <= EX__MAX)
		return (int)job.reply.code;
	return job.received.len == 0 ? EX_IOERR : EX_PROTOCOL;
}

static int
converse(int fd, struct bytes message)
{
	struct buf head;
	int        code = add_head(&head, message.n);

	buf_init(&job.received, job.message.len + SPAMC_REPLY_MORE);
	if (code == EX_OK)
		code = spamc_exchange(fd, buf_bytes(&head), message,
		    job.options.timeout_s, &job.received);
	buf_finish(&head);
	if (code == EX_OK && !spamc_reply_read(buf_bytes(&job.received),
	                         job.options.command, &job.reply))
		code = spamc_complain(code_of_reply(), "spamd: %.*s",
		    BYTES_ARG(bytes_first(job.reply.error, LINE_MAX_BYTES)));
	return code == EX_UNAVAILABLE && job.options.defers_unavailable
	    ? EX_TEMPFAIL
	    : code;
}

static int
ask(void)
{
	struct bytes message = buf_bytes(&job.message);
	int          fd, code;

	if (job.options.compresses && job.options.command != SPAMC_PING) {
		if (!spamc_compress(message, &job.compressed))
			return spamc_complain(EX_OSERR, "-z: no memory");
		message = buf_bytes(&job.compressed);
	}
	code = spamc_connect(&job.options, &fd);
	if (code != EX_OK)
		return job.options.defers_unavailable ? EX_TEMPFAIL : code;
	code = converse(fd, message);
	close(fd);
	return code;
}

static int
run(void)
{
	int code;

	buf_init(&job.message, job.options.max_bytes + 1);
	if (job.options.command != SPAMC_PING) {
		if (!spamc_message_read(
		        STDIN_FILENO, job.options.max_bytes, &job.message))
			/* what there is of it is no message: nobody gets it */
			return spamc_complain(
			    EX_IOERR, "the message: %s", strerror(errno));
		if (job.message.len == 0)
			return fall_back(
			    spamc_complain(EX_IOERR, "the message is empty"));
		if (job.message.len > job.options.max_bytes)
			return pass_unscanned();
	}
	code = ask();
	return code == EX_OK ? answer() : fall_back(code);
}

int
main(int argc, char **argv)
{
	int code = spamc_options_read(&job.options, argc, argv);

	signal(SIGPIPE, SIG_IGN);
	if (code == EX_OK && job.options.wants_version)
		code = put(BYTES("ampel-spamc " VERSION "\n")) ? EX_OK : EX_IOERR;
	else if (code == EX_OK)
		code = run();
	buf_finish(&job.message);
	buf_finish(&job.compressed);
	buf_finish(&job.received);
	spamc_options_finish(&job.options);
	return code;
}
