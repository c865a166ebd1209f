#include "proto/qmail_queue.h"

enum state { AT_SENDER, AT_RECORD, IN_ADDRESS, WHOLE };

void
qmail_envelope_init(struct qmail_envelope *e)
{
	*e = (struct qmail_envelope){ .state = AT_SENDER };
	buf_init(&e->text, QMAIL_QUEUE_ENVELOPE_MAX);
}

void
qmail_envelope_finish(struct qmail_envelope *e)
{
	buf_finish(&e->text);
}

/* The first byte of a record says which it is. */
static size_t
begin_record(struct qmail_envelope *e, char c)
{
	char letter = e->state == AT_SENDER ? 'F' : 'T';

	if (e->state == AT_RECORD && c == '\0')
		e->state = WHOLE;
	else if (c == letter)
		e->state = IN_ADDRESS;
	else
		e->fault = QMAIL_QUEUE_BAD_ENVELOPE;
	e->record = e->text.len + 1;
	return 1;
}

/* As much of an address, and its NUL, as there is. */
static size_t
continue_address(struct qmail_envelope *e, struct bytes input)
{
	size_t end = bytes_find(input, '\0');
	size_t n = end < input.n ? end + 1 : input.n;

	/* Before its NUL came it is too long when there is no more room for that. */
	if (e->text.len - e->record + end + 1 > QMAIL_QUEUE_ADDRESS_MAX)
		e->fault = QMAIL_QUEUE_ADDRESS_TOO_LONG;
	if (end < input.n)
		e->state = AT_RECORD;
	return n;
}

bool
qmail_envelope_feed(struct qmail_envelope *e, struct bytes input)
{
	while (input.n > 0 && e->state != WHOLE && e->fault == QMAIL_QUEUE_OK) {
		size_t n = e->state == IN_ADDRESS
		    ? continue_address(e, input)
		    : begin_record(e, input.p[0]);

		buf_add_bytes(&e->text, bytes_first(input, n));
		if (e->text.failed && e->fault == QMAIL_QUEUE_OK)
			e->fault = QMAIL_QUEUE_NO_MEMORY;
		input = bytes_from(input, n);
	}
	return e->state != WHOLE && e->fault == QMAIL_QUEUE_OK;
}

enum qmail_queue_code
qmail_envelope_end(const struct qmail_envelope *e)
{
	if (e->fault != QMAIL_QUEUE_OK)
		return e->fault;
	return e->state == WHOLE ? QMAIL_QUEUE_OK : QMAIL_QUEUE_READ_ERROR;
}

/* The record at *at, without its letter and its NUL. */
static struct bytes
take_record(const struct qmail_envelope *e, size_t *at)
{
	struct bytes rest = bytes_from(buf_bytes(&e->text), *at + 1);
	struct bytes address = bytes_first(rest, bytes_find(rest, '\0'));

	*at += address.n + 2;
	return address;
}

struct bytes
qmail_envelope_reverse_path(const struct qmail_envelope *e)
{
	size_t at = 0;

	return take_record(e, &at);
}

size_t
qmail_envelope_count(const struct qmail_envelope *e)
{
	struct bytes recipient;
	size_t       at = 0, n = 0;

	while (qmail_envelope_next(e, &at, &recipient))
		n++;
	return n;
}

bool
qmail_envelope_next(const struct qmail_envelope *e, size_t *at,
    struct bytes *recipient)
{
	if (*at == 0)
		take_record(e, at);
	if (buf_bytes(&e->text).p[*at] == '\0')
		return false;
	*recipient = take_record(e, at);
	return true;
}

/* --- the caller's side --- */

static bool
is_quoted(struct bytes local)
{
	return local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';
}

/* RFC 5321 section 4.1.2: what stands between the quotes, without the backslashes. */
static void
add_unquoted(struct buf *b, struct bytes local)
{
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '\\' && i + 2 < local.n)
			i++;
		buf_add_char(b, local.p[i]);
	}
}

static void
add_record(struct buf *b, char letter, struct bytes address)
{
	size_t       at = bytes_find_last(address, '@');
	struct bytes local = bytes_first(address, at);

	buf_add_char(b, letter);
	if (is_quoted(local))
		add_unquoted(b, local);
	else
		buf_add_bytes(b, local);
	buf_add_bytes(b, bytes_from(address, at));
	buf_add_char(b, '\0');
}

void
qmail_envelope_add_reverse_path(struct buf *b, struct bytes address)
{
	add_record(b, 'F', address);
}

void
qmail_envelope_add_recipient(struct buf *b, struct bytes address)
{
	add_record(b, 'T', address);
}

void
qmail_envelope_add_end(struct buf *b)
{
	buf_add_char(b, '\0');
}
