/*
 * Whole replies of spamd; the first byte is the command. A text is as long as its
 * Content-length, which stands in front of it; what is accepted is not accepted when a
 * byte is missing, or means the same; hi-q reads the same score from it; an error has
 * a printable text and nothing else.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/printable.h"
#include "proto/spamc.h"
#include "proto/spamd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has_text(enum spamc_command command)
{
	return command == SPAMC_PROCESS || command == SPAMC_HEADERS ||
	    command == SPAMC_SYMBOLS || command == SPAMC_REPORT ||
	    command == SPAMC_REPORT_IF_SPAM;
}

/* Found without the parser. */
static bool
names_length(struct bytes head, size_t length)
{
	struct bytes line;
	uint64_t     n;

	while (bytes_split(&head, '\n', &line)) {
		size_t       colon = bytes_find(line, ':');
		struct bytes name = bytes_trim(bytes_first(line, colon));
		struct bytes value = bytes_from(line, colon + 1);

		if (value.n > 0 && value.p[value.n - 1] == '\r')
			value.n--;
		if (bytes_equal_nocase(name, BYTES("content-length")) &&
		    number_parse(bytes_trim(value), UINT64_MAX, &n))
			return n == length;
	}
	return false;
}

static void
check_text(struct bytes whole, const struct spamc_reply *r)
{
	struct bytes head = bytes_first(whole, whole.n - r->body.n);

	if (r->body.n > 0 && r->body.p + r->body.n != whole.p + whole.n)
		abort();
	if (!names_length(head, r->body.n))
		abort();
}

static void
check_parts(struct bytes whole, enum spamc_command command,
    const struct spamc_reply *all)
{
	for (size_t n = 0; n < whole.n; n++) {
		struct spamc_reply r;

		if (!spamc_reply_read(bytes_first(whole, n), command, &r))
			continue;
		if (has_text(command) || r.score_milli != all->score_milli ||
		    r.is_spam != all->is_spam)
			abort();
	}
}

static void
check_score(struct bytes whole, const struct spamc_reply *r)
{
	struct spamd_reply other;

	if (whole.n >= SPAMD_REPLY_MAX)
		return;
	if (spamd_read_reply(whole, true, &other) != SPAMD_SCORE ||
	    other.score_milli != r->score_milli ||
	    other.threshold_milli != r->threshold_milli)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes       whole;
	enum spamc_command command;
	struct spamc_reply r;

	if (size == 0)
		return 0;
	whole = (struct bytes){ (const char *)data + 1, size - 1 };
	command = data[0] % (SPAMC_PING + 1);
	if (!spamc_reply_read(whole, command, &r)) {
		if (r.error.n == 0 || !printable_is(r.error) || r.body.n > 0)
			abort();
		return 0;
	}
	if (has_text(command))
		check_text(whole, &r);
	else if (r.body.n > 0)
		abort();
	if (has_text(command) || command == SPAMC_CHECK)
		check_score(whole, &r);
	check_parts(whole, command, &r);
	return 0;
}
