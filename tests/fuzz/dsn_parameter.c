/*
 * Parameters of DSN as a client may send them. What is taken goes out again as ASCII without
 * blanks, and means the same when it is read again; what is decoded has no controls. And
 * what did not come from a parser goes out in one word too.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/printable.h"
#include "proto/dsn_parameter.h"

enum { OUTPUT_MAX = 1 << 24 };

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* " NAME=value": the value. */
static struct bytes
value_of(const struct buf *b)
{
	struct bytes text = bytes_from(buf_bytes(b), 1);

	check(!b->failed && b->len > 1 && b->p[0] == ' ');
	check(printable_is(text) && bytes_find(text, ' ') == text.n);
	return bytes_from(text, bytes_find(text, '=') + 1);
}

static void
check_notify(struct bytes input)
{
	uint8_t    notify, again;
	struct buf b;

	if (!dsn_notify_parse(input, &notify))
		return;
	buf_init(&b, OUTPUT_MAX);
	dsn_notify_add(&b, notify);
	check(dsn_notify_parse(value_of(&b), &again) && again == notify);
	check(notify == NOTIFY_NEVER || !(notify & NOTIFY_NEVER));
	buf_finish(&b);
}

static void
check_envid(struct bytes input)
{
	struct buf text, b, again;

	buf_init(&text, OUTPUT_MAX);
	buf_init(&b, OUTPUT_MAX);
	buf_init(&again, OUTPUT_MAX);
	if (dsn_envid_parse(input, &text)) {
		check(text.len > 0 && printable_is(buf_bytes(&text)));
		dsn_envid_add(&b, buf_bytes(&text));
		check(dsn_envid_parse(value_of(&b), &again));
		check(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
	}
	buf_finish(&text);
	buf_finish(&b);
	buf_finish(&again);
}

static void
check_no_controls(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		check((unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f);
}

static void
check_orcpt(struct bytes input, bool smtputf8)
{
	struct buf text, b, again;

	buf_init(&text, OUTPUT_MAX);
	buf_init(&b, OUTPUT_MAX);
	buf_init(&again, OUTPUT_MAX);
	if (dsn_orcpt_parse(input, smtputf8, &text)) {
		check_no_controls(buf_bytes(&text));
		check(smtputf8 || printable_is(buf_bytes(&text)));
		dsn_orcpt_add(&b, buf_bytes(&text));
		/* written in ASCII it may be longer than it can be read */
		if (value_of(&b).n <= DSN_ORCPT_MAX) {
			check(dsn_orcpt_parse(value_of(&b), smtputf8, &again));
			check(bytes_equal(buf_bytes(&text), buf_bytes(&again)));
		}
	}
	buf_finish(&text);
	buf_finish(&b);
	buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { (const char *)data, size };
	struct buf   b;

	check_notify(input);
	check_envid(input);
	check_orcpt(input, false);
	check_orcpt(input, true);
	buf_init(&b, OUTPUT_MAX);
	dsn_envid_add(&b, input);
	if (b.len > 0)
		value_of(&b);
	buf_clear(&b);
	dsn_orcpt_add(&b, input);
	if (b.len > 0)
		value_of(&b);
	buf_finish(&b);
	return 0;
}
