/*
 * multipart/report, RFC 6522. The parts are made first: only then is known which
 * boundary none of them has, and which of them are plain ASCII.
 */
#include "proto/dsn.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "mail/date.h"
#include "mail/header.h"
#include "proto/dsn_private.h"

enum {
	LINE_MAX_BYTES = 998, /* RFC 5322 section 2.1.1 */
	BOUNDARY_SIZE = ID_TEXT + 24,
	SUBJECT_MAX = 40,     /* bytes of one encoded word */
};

/* ---- who wants it ---- */

bool
dsn_is_wanted(uint8_t notify, enum dsn_action action)
{
	static const uint8_t bits[] = {
		[DSN_FAILED] = NOTIFY_FAILURE,
		[DSN_DELAYED] = NOTIFY_DELAY,
		[DSN_DELIVERED] = NOTIFY_SUCCESS,
		[DSN_RELAYED] = NOTIFY_SUCCESS,
		[DSN_EXPANDED] = NOTIFY_SUCCESS,
	};

	if (notify == NOTIFY_UNSET)
		return action == DSN_FAILED || action == DSN_DELAYED;
	return (notify & NOTIFY_NEVER) == 0 && (notify & bits[action]) != 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* A value may be folded in front and behind. */
static struct bytes
trim(struct bytes value)
{
	while (value.n > 0 && is_blank(value.p[0]))
		value = bytes_from(value, 1);
	while (value.n > 0 && is_blank(value.p[value.n - 1]))
		value.n--;
	return value;
}

/* Without parameters and comments. */
static struct bytes
first_word(struct bytes value)
{
	size_t n = 0;

	value = trim(value);
	while (n < value.n && (byte_is_alpha(value.p[n]) || value.p[n] == '-'))
		n++;
	return bytes_first(value, n);
}

static bool
is_automatic(const struct header_field *f)
{
	static const struct bytes precedences[] = { BYTES_INIT("bulk"),
		BYTES_INIT("junk"), BYTES_INIT("list") };
	struct bytes word = first_word(f->value);

	if (bytes_equal_nocase(f->name, BYTES("List-Id")))
		return true;
	/* RFC 3834 section 5 */
	if (bytes_equal_nocase(f->name, BYTES("Auto-Submitted")))
		return !bytes_equal_nocase(word, BYTES("no"));
	if (!bytes_equal_nocase(f->name, BYTES("Precedence")))
		return false;
	for (size_t i = 0; i < sizeof precedences / sizeof *precedences; i++)
		if (bytes_equal_nocase(word, precedences[i]))
			return true;
	return false;
}

bool
dsn_is_unattended(struct bytes header)
{
	struct header_field f;

	while (header_next(&header, &f))
		if (is_automatic(&f))
			return true;
	return false;
}

/* ---- between the files ---- */

size_t
dsn_count(const struct dsn *d)
{
	return d->n_recipients < DSN_RECIPIENTS_MAX ? d->n_recipients :
	                                              DSN_RECIPIENTS_MAX;
}

_Static_assert(DSN_FAILED == 0 && DSN_DELAYED == 1, "the worst is the least");

const struct dsn_recipient *
dsn_worst(const struct dsn *d)
{
	const struct dsn_recipient *worst = &d->recipients[0];

	for (size_t i = 1; i < d->n_recipients; i++)
		if (d->recipients[i].action < worst->action)
			worst = &d->recipients[i];
	return worst;
}

/* ---- the original ---- */

/* What there is of its header section, whole lines only. */
static struct bytes
header_section(const struct dsn *d)
{
	struct bytes        all = bytes_first(d->original, DSN_HEADER_MAX);
	struct bytes        rest = all, section;
	struct header_field f;

	while (header_next(&rest, &f))
		;
	section = bytes_first(all, all.n - rest.n);
	if (section.n == 0 || section.p[section.n - 1] == '\n' ||
	    section.n == d->original_size)
		return section;
	return bytes_first(section, bytes_find_last(section, '\n') + 1);
}

/* Nothing in it that a text of 8 bits may not have (RFC 2045 section 2.8). */
static bool
is_text(struct bytes text)
{
	struct bytes line;

	if (bytes_find(text, '\0') < text.n || bytes_find(text, '\r') < text.n)
		return false;
	while (bytes_split(&text, '\n', &line))
		if (line.n > LINE_MAX_BYTES)
			return false;
	return true;
}

/* RFC 3461 section 4.3: RET is about failures alone. */
static bool
returns_whole(const struct dsn *d)
{
	return dsn_worst(d)->action == DSN_FAILED && d->ret != RET_HDRS &&
	    d->original_size <= DSN_WHOLE_MAX &&
	    d->original.n >= d->original_size &&
	    is_text(bytes_first(d->original, (size_t)d->original_size));
}

/* A line that is too long is folded, wherever that is. */
static void
add_line(struct buf *b, struct bytes line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (i > 0 && i % (LINE_MAX_BYTES - 2) == 0)
			buf_add_string(b, "\n ");
		buf_add_char(b,
		    line.p[i] == '\0' || line.p[i] == '\r' ? '?' : line.p[i]);
	}
	buf_add_char(b, '\n');
}

static void
add_original(struct buf *b, const struct dsn *d)
{
	struct bytes text = header_section(d), line;

	if (returns_whole(d)) {
		text = bytes_first(d->original, (size_t)d->original_size);
		buf_add_bytes(b, text);
		if (text.n > 0 && text.p[text.n - 1] != '\n')
			buf_add_char(b, '\n');
		return;
	}
	while (bytes_split(&text, '\n', &line))
		add_line(b, line);
}

/* RFC 6522 section 3 and RFC 6533 section 6. */
static const char *
original_type(const struct dsn *d, bool is_ascii)
{
	bool is_global = d->smtputf8 && !is_ascii;

	if (returns_whole(d))
		return is_global ? "message/global" : "message/rfc822";
	return is_global ? "message/global-headers" : "text/rfc822-headers";
}

/* ---- the header section ---- */

static const char *
subject_of(const struct dsn *d)
{
	static const char *const subjects[] = {
		[DSN_FAILED] = "Undelivered mail",
		[DSN_DELAYED] = "Delayed mail (still being tried)",
		[DSN_DELIVERED] = "Delivered",
		[DSN_RELAYED] = "Passed on",
		[DSN_EXPANDED] = "Accepted for a list",
	};

	if (d->is_double)
		return "Undeliverable notification";
	return subjects[dsn_worst(d)->action];
}

/* Encoded words of RFC 2047, each of whole characters. */
static void
add_encoded(struct buf *b, struct bytes text)
{
	size_t n;

	while (text.n > 0) {
		n = text.n < SUBJECT_MAX ? text.n : SUBJECT_MAX;
		while (n < text.n && n > SUBJECT_MAX - 4 &&
		    ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
		buf_add_string(b, "\n =?utf-8?B?");
		base64_add(b, bytes_first(text, n));
		buf_add_string(b, "?=");
		text = bytes_from(text, n);
	}
}

static void
add_subject(struct buf *b, const struct dsn *d)
{
	struct buf address;

	buf_init(&address, DSN_ADDRESS_MAX);
	dsn_add_address(&address, d, dsn_worst(d)->address);
	buf_addf(b, "Subject: %s:", subject_of(d));
	if (dsn_is_ascii(buf_bytes(&address))) {
		buf_add_char(b, ' ');
		buf_add_bytes(b, buf_bytes(&address));
	} else {
		add_encoded(b, buf_bytes(&address));
	}
	buf_add_char(b, '\n');
	buf_finish(&address);
}

/* "<left@right>" as RFC 5322 section 3.6.4 has it, short and without quoted parts. */
static bool
is_message_id(struct bytes id)
{
	const struct bytes inner = bytes_from(bytes_first(id, id.n - 1), 1);
	const size_t       at = bytes_find(inner, '@');

	if (id.n < 5 || id.n > DSN_ADDRESS_MAX || id.p[0] != '<' ||
	    id.p[id.n - 1] != '>' || at == 0 || at >= inner.n - 1)
		return false;
	for (size_t i = 0; i < inner.n; i++)
		if (!byte_is_print(inner.p[i]) ||
		    strchr(" <>()\",;\\", inner.p[i]) != NULL ||
		    (inner.p[i] == '@' && i != at))
			return false;
	return true;
}

/* The notification belongs to the thread of the original. */
static void
add_references(struct buf *b, const struct dsn *d)
{
	struct bytes        header = header_section(d), id;
	struct header_field f;

	while (header_next(&header, &f)) {
		if (!bytes_equal_nocase(f.name, BYTES("Message-ID")))
			continue;
		id = trim(f.value);
		if (id.n > 0 && is_message_id(id))
			buf_addf(b, "In-Reply-To: %.*s\nReferences: %.*s\n",
			    BYTES_ARG(id), BYTES_ARG(id));
		return;
	}
}

static void
add_header(struct buf *b, const struct dsn *d, const char *boundary)
{
	struct buf hostname;

	buf_init(&hostname, DSN_HOST_MAX);
	dsn_add_clean(&hostname, d->hostname, DSN_HOST_MAX, false);
	buf_add_string(b, "From: Mail Delivery System <MAILER-DAEMON@");
	buf_add_bytes(b, buf_bytes(&hostname));
	buf_add_string(b, ">\nTo: <");
	dsn_add_address(b, d, d->to);
	buf_add_string(b, ">\n");
	add_subject(b, d);
	buf_add_string(b, "Date: ");
	date_add_rfc5322(b, d->now_ms);
	buf_addf(b, "\nMessage-ID: <%s@", id_text(&d->id).p);
	buf_add_bytes(b, buf_bytes(&hostname));
	buf_add_string(b, ">\n");
	add_references(b, d);
	buf_addf(b,
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"%s\"\n\n",
	    boundary);
	buf_finish(&hostname);
}

/* ---- the parts ---- */

enum { PARTS = 3 };

struct part {
	const char *type;
	const char *description;
	bool        is_ascii;
	struct buf  content;
};

static void
make_parts(struct part parts[PARTS], const struct dsn *d)
{
	static void (*const makers[PARTS])(struct buf *, const struct dsn *) = {
		dsn_add_human, dsn_add_machine, add_original };

	for (size_t i = 0; i < PARTS; i++) {
		buf_init(&parts[i].content, DSN_SIZE_MAX);
		makers[i](&parts[i].content, d);
		parts[i].is_ascii = dsn_is_ascii(buf_bytes(&parts[i].content));
	}
	parts[0].description = "What happened";
	parts[0].type = parts[0].is_ascii ? "text/plain; charset=us-ascii" :
	                                    "text/plain; charset=utf-8";
	parts[1].description = "The same for machines";
	parts[1].type = parts[1].is_ascii ? "message/delivery-status" :
	                                    "message/global-delivery-status";
	parts[2].description = "The message it is about";
	parts[2].type = original_type(d, parts[2].is_ascii);
}

static void
add_part(struct buf *b, const struct part *part, const char *boundary)
{
	buf_addf(b,
	    "--%s\n"
	    "Content-Type: %s\n"
	    "Content-Description: %s\n"
	    "Content-Transfer-Encoding: %s\n\n",
	    boundary, part->type, part->description,
	    part->is_ascii ? "7bit" : "8bit");
	buf_add_bytes(b, buf_bytes(&part->content));
	buf_add_char(b, '\n');
}

/* ---- the boundary ---- */

static bool
has(struct bytes text, struct bytes wanted)
{
	size_t at;

	while ((at = bytes_find(text, wanted.p[0])) < text.n) {
		text = bytes_from(text, at);
		if (bytes_start(text, wanted))
			return true;
		text = bytes_from(text, 1);
	}
	return false;
}

/* Nowhere in a part, so at the start of none of its lines (RFC 2046 section 5.1.1). */
static bool
is_free(const struct part parts[PARTS], const char *boundary)
{
	for (size_t i = 0; i < PARTS; i++)
		if (has(buf_bytes(&parts[i].content), bytes_of(boundary)))
			return false;
	return true;
}

/* An end is found: the parts have room for so many different ones only. */
static void
find_boundary(
    char boundary[BOUNDARY_SIZE], const struct part parts[PARTS], struct id id)
{
	const struct id_text text = id_text(&id);
	unsigned             n = 1;

	snprintf(boundary, BOUNDARY_SIZE, "%s", text.p);
	while (!is_free(parts, boundary))
		snprintf(boundary, BOUNDARY_SIZE, "%s-%u", text.p, n++);
}

void
dsn_add(struct buf *b, const struct dsn *d)
{
	char        boundary[BOUNDARY_SIZE];
	struct part parts[PARTS];
	bool        failed = false;

	make_parts(parts, d);
	find_boundary(boundary, parts, d->id);
	add_header(b, d, boundary);
	for (size_t i = 0; i < PARTS; i++) {
		add_part(b, &parts[i], boundary);
		failed |= parts[i].content.failed;
		buf_finish(&parts[i].content);
	}
	buf_addf(b, "--%s--\n", boundary);
	b->failed |= failed;
}
