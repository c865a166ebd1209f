#include "tools/sendmail_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mail/address_list.h"
#include "mail/header.h"

enum { PIECE = 8 * 1024, ARENA_MAX = 16 * 1024 * 1024 };

void
sendmail_message_init(struct sendmail_message *m)
{
	*m = (struct sendmail_message){ .has_8bit = false };
	buf_init(&m->text, SENDMAIL_MESSAGE_MAX);
	arena_init(&m->arena, ARENA_MAX);
}

void
sendmail_message_finish(struct sendmail_message *m)
{
	buf_finish(&m->text);
	arena_finish(&m->arena);
}

/* --- reading --- */

/* Behind which octet the message ends for the line that holds nothing but a dot; SIZE_MAX: nowhere. */
static size_t
find_dot(struct bytes text, size_t from)
{
	for (size_t i = from; i + 1 < text.n; i++)
		if (text.p[i] == '.' && text.p[i + 1] == '\n' &&
		    (i == 0 || text.p[i - 1] == '\n'))
			return i;
	return SIZE_MAX;
}

/* Take the CRs of line ends out, from that place on. *held: a CR whose neighbour has not come. */
static void
add_piece(struct sendmail_message *m, struct bytes piece, bool *held)
{
	for (size_t i = 0; i < piece.n; i++) {
		char c = piece.p[i];

		if (*held && c != '\n')
			buf_add_char(&m->text, '\r');
		*held = c == '\r';
		if (!*held)
			buf_add_char(&m->text, c);
		m->has_8bit |= (unsigned char)c > 127;
	}
}

static void
end_last_line(struct sendmail_message *m)
{
	if (m->text.len > 0 && m->text.p[m->text.len - 1] != '\n')
		buf_add_char(&m->text, '\n');
}

bool
sendmail_message_read(struct sendmail_message *m, int fd, bool ignores_dots)
{
	char piece[PIECE];
	bool held = false;

	for (;;) {
		ssize_t n = read(fd, piece, sizeof piece);
		size_t  before = m->text.len, dot;

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return false;
		if (n == 0)
			break;
		add_piece(m, (struct bytes){ piece, (size_t)n }, &held);
		if (m->text.failed) {
			errno = EFBIG;
			return false;
		}
		if (ignores_dots)
			continue;
		dot = find_dot(buf_bytes(&m->text), before > 2 ? before - 2 : 0);
		if (dot != SIZE_MAX) {
			m->text.len = dot;
			break;
		}
	}
	if (held)
		buf_add_char(&m->text, '\r');
	/* a lone dot may be all of the last line */
	if (!ignores_dots && m->text.len > 0 &&
	    m->text.p[m->text.len - 1] == '.' &&
	    (m->text.len == 1 || m->text.p[m->text.len - 2] == '\n'))
		m->text.len--;
	end_last_line(m);
	errno = EFBIG;
	return !m->text.failed;
}

/* --- the header section --- */

static bool
is_field(const struct header_field *f, const char *name)
{
	return bytes_equal_nocase(f->name, bytes_of(name));
}

static bool
read_addresses(struct sendmail_message *m, struct bytes value,
    void (*found)(struct bytes address, void *context), void *context,
    struct bytes *broken)
{
	struct address_list list = address_list_of(value, &m->arena);
	struct bytes        address;

	for (;;)
		switch (address_list_next(&list, &address)) {
		case ADDRESS_LIST_END:
			return true;
		case ADDRESS_LIST_ADDRESS:
			found(address, context);
			break;
		case ADDRESS_LIST_BROKEN:
			*broken = address;
			return false;
		}
}

/* Put the message together again without its Bcc fields. */
static bool
remove_bcc(struct sendmail_message *m)
{
	struct bytes        rest = buf_bytes(&m->text);
	struct header_field field;
	struct buf          without;

	buf_init(&without, SENDMAIL_MESSAGE_MAX);
	while (header_next(&rest, &field))
		if (!is_field(&field, "Bcc"))
			buf_add_bytes(&without, field.raw);
	buf_add_bytes(&without, rest);
	if (without.failed) {
		buf_finish(&without);
		return false;
	}
	buf_finish(&m->text);
	m->text = without;
	return true;
}

bool
sendmail_message_recipients(struct sendmail_message *m,
    void (*found)(struct bytes address, void *context), void *context,
    struct bytes *broken)
{
	struct bytes        rest = buf_bytes(&m->text);
	struct header_field field;
	bool                has_bcc = false;

	while (header_next(&rest, &field)) {
		bool is_bcc = is_field(&field, "Bcc");

		has_bcc |= is_bcc;
		if (!is_bcc && !is_field(&field, "To") && !is_field(&field, "Cc"))
			continue;
		if (!read_addresses(m, field.value, found, context, broken))
			return false;
	}
	*broken = BYTES("no memory");
	return !has_bcc || remove_bcc(m);
}

static bool
has_from(const struct sendmail_message *m)
{
	struct bytes        rest = buf_bytes(&m->text);
	struct header_field field;

	while (header_next(&rest, &field))
		if (is_field(&field, "From"))
			return true;
	return false;
}

/* A name as RFC 5322 wants it: in quotes, with what would end them behind a backslash. */
static void
add_quoted(struct buf *b, struct bytes name)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
	buf_add_char(b, '"');
}

void
sendmail_message_complete(
    struct sendmail_message *m, struct bytes name, struct bytes address)
{
	struct bytes        rest = buf_bytes(&m->text);
	struct header_field field;
	struct buf          whole;

	if (has_from(m))
		return;
	buf_init(&whole, SENDMAIL_MESSAGE_MAX);
	buf_add_string(&whole, "From: ");
	if (name.n > 0) {
		add_quoted(&whole, name);
		buf_add_char(&whole, ' ');
	}
	buf_addf(&whole, "<%.*s>\n", BYTES_ARG(address));
	/* text without a header section is a body from its first line on */
	if (!header_next(&rest, &field) && (rest.n == 0 || rest.p[0] != '\n'))
		buf_add_char(&whole, '\n');
	buf_add_bytes(&whole, buf_bytes(&m->text));
	buf_finish(&m->text);
	m->text = whole;
}
