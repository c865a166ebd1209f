#include "tools/spamc_message.h"

#include <errno.h>
#include <unistd.h>

#include "base/number.h"
#include "io/file.h"
#include "mail/header.h"

enum { READ_AT_ONCE = 64 * 1024 };

/* --- reading --- */

static ssize_t
read_again(int fd, char *p, size_t n)
{
	ssize_t got;

	do
		got = read(fd, p, n);
	while (got == -1 && errno == EINTR);
	return got;
}

bool
spamc_message_read(int fd, uint64_t max_bytes, struct buf *text)
{
	uint64_t most = max_bytes + 1;

	while (text->len < most) {
		uint64_t left = most - text->len;
		size_t   n = left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE;
		char    *p = buf_room(text, n);
		ssize_t  got = p ? read_again(fd, p, n) : -1;

		if (got == 0)
			break;
		if (got == -1) {
			if (p == NULL)
				errno = ENOMEM;
			return false;
		}
		buf_grew(text, (size_t)got);
	}
	return true;
}

bool
spamc_message_copy_rest(int from, int to)
{
	char    piece[8 * 1024];
	ssize_t got;

	while ((got = read_again(from, piece, sizeof piece)) > 0)
		if (file_write_all(
		        to, (struct bytes){ piece, (size_t)got }) == -1)
			return false;
	return got == 0;
}

/* --- its parts --- */

size_t
spamc_message_top(struct bytes text)
{
	size_t end = bytes_find(text, '\n');

	if (!bytes_start(text, BYTES("From ")) || end == text.n)
		return 0;
	return end + 1;
}

struct bytes
spamc_message_body(struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line))
		if (line.n == 0 || bytes_equal(line, BYTES("\r")))
			return text;
	return bytes_from(text, text.n);
}

static bool
has_field(struct bytes text, struct bytes name, struct bytes value)
{
	struct bytes        rest = bytes_from(text, spamc_message_top(text));
	struct header_field field;

	while (header_next(&rest, &field))
		if (bytes_equal_nocase(field.name, name) &&
		    bytes_start_nocase(bytes_trim(field.value), value))
			return true;
	return false;
}

/* --- fields of ours --- */

/* As the message has its line ends. */
static const char *
line_end(struct bytes text)
{
	size_t end = bytes_find(text, '\n');

	return end > 0 && end < text.n && text.p[end - 1] == '\r' ? "\r\n"
	                                                            : "\n";
}

void
spamc_message_add_marks(struct buf *fields, struct bytes text,
    int64_t score_milli, int64_t threshold_milli)
{
	if (!has_field(text, BYTES("X-Spam-Flag"), BYTES("YES")))
		buf_addf(fields, "X-Spam-Flag: YES%s", line_end(text));
	if (has_field(text, BYTES("X-Spam-Status"), BYTES("Yes")))
		return;
	buf_add_string(fields, "X-Spam-Status: Yes, score=");
	number_add_milli(fields, score_milli);
	buf_add_string(fields, " required=");
	number_add_milli(fields, threshold_milli);
	buf_add_string(fields, line_end(text));
}

void
spamc_message_add_unscanned(
    struct buf *fields, struct bytes text, uint64_t max_bytes)
{
	buf_add_string(fields, "X-Ampel-Spamc: unscanned, larger than ");
	buf_add_number(fields, max_bytes);
	buf_addf(fields, " bytes%s", line_end(text));
}
