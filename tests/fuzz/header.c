/*
 * The filter says the same for every way to cut a message; what it lets through
 * has no field of ours, also when a field is put on top; what it does not drop it
 * does not change; and it counts the hops that header_next sees. With fields to add, the rest
 * is the same, and the header section then has each of them, unless the message ends within one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

/* Pieces of one byte, or of up to 16 as a generator says that starts with seed. */
static struct header_filter
filter(struct header_filter f, struct bytes text, bool is_bytewise, uint32_t seed,
    struct buf *out)
{
	while (text.n > 0) {
		size_t n = is_bytewise ? 1 : seed >> 28;

		header_filter_feed(&f, bytes_first(text, n), out);
		text = bytes_from(text, n);
		seed = seed * 1664525 + 1013904223;
	}
	header_filter_end(&f, out);
	return f;
}

static void
claim_clean(struct bytes text, size_t hops)
{
	struct header_field field;
	size_t              seen = 0;
	const char         *end = text.p + text.n;

	while (header_next(&text, &field)) {
		claim(!header_is_ours(field.name));
		claim(field.name.n > 0);
		claim(field.value.p > field.name.p);
		claim(field.value.p + field.value.n <= field.raw.p + field.raw.n);
		claim(field.raw.p + field.raw.n == text.p);
		claim(text.p + text.n == end);
		seen += bytes_equal_nocase(field.name, BYTES("Received")) ||
		    bytes_equal_nocase(field.name, BYTES("Delivered-To"));
	}
	claim(seen == hops);
}

static void
check_split(struct bytes text, bool is_bytewise, uint32_t seed,
    const struct header_filter *whole, struct bytes expected)
{
	struct buf           out;
	struct header_filter f;

	buf_init(&out, text.n);
	f = filter((struct header_filter){ 0 }, text, is_bytewise, seed, &out);
	claim(!out.failed);
	claim(bytes_equal(buf_bytes(&out), expected));
	claim(f.hops == whole->hops && f.dropped == whole->dropped);
	buf_finish(&out);
}

#define DATE "Date: today\n"
#define ID   "Message-ID: <1@mx.example>\n"

static size_t
count_fields(struct bytes text, struct bytes name)
{
	struct header_field field;
	size_t              n = 0;

	while (header_next(&text, &field))
		n += bytes_equal_nocase(field.name, name);
	return n;
}

/* whole is without, with something put in at one place. */
static bool
is_put_in(struct bytes whole, struct bytes without)
{
	size_t front = 0, back = 0;

	while (front < without.n && whole.p[front] == without.p[front])
		front++;
	while (back < without.n &&
	    whole.p[whole.n - 1 - back] == without.p[without.n - 1 - back])
		back++;
	return front + back >= without.n;
}

static void
check_additions(struct bytes text, struct bytes without)
{
	static const struct header_filter adding = {
		.missing = {
			{ BYTES_INIT("Date"), BYTES_INIT(DATE) },
			{ BYTES_INIT("Message-ID"), BYTES_INIT(ID) },
		},
	};
	struct buf whole, split;

	buf_init(&whole, text.n + 100);
	buf_init(&split, text.n + 100);
	filter(adding, text, false, 0xf0000000, &whole);
	filter(adding, text, true, 0, &split);
	claim(!whole.failed && bytes_equal(buf_bytes(&whole), buf_bytes(&split)));
	claim(whole.len >= without.n);
	claim(whole.len - without.n <= strlen(DATE ID "\n"));
	claim(is_put_in(buf_bytes(&whole), without));
	if (text.n == 0 || text.p[text.n - 1] == '\n') {
		struct buf topped;

		/* a first line with a blank continues what others put on top */
		buf_init(&topped, whole.len + 10);
		buf_add_string(&topped, "Top: x\n");
		buf_add_bytes(&topped, buf_bytes(&whole));
		claim(count_fields(buf_bytes(&topped), BYTES("Date")) > 0);
		claim(count_fields(buf_bytes(&topped), BYTES("Message-ID")) > 0);
		buf_finish(&topped);
	}
	buf_finish(&whole);
	buf_finish(&split);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes         text = { (const char *)data, size };
	struct header_filter f = { 0 };
	struct buf           out, topped;

	buf_init(&out, size);
	header_filter_feed(&f, text, &out);
	header_filter_end(&f, &out);
	claim(!out.failed);
	if (f.dropped == 0)
		claim(bytes_equal(buf_bytes(&out), text));

	check_split(text, true, 0, &f, buf_bytes(&out));
	for (uint32_t seed = 1; seed < 4; seed++)
		check_split(text, false, seed * 2654435761U + (uint32_t)size, &f,
		    buf_bytes(&out));

	check_additions(text, buf_bytes(&out));

	buf_init(&topped, size + 10);
	buf_add_string(&topped, "Top: x\n");
	buf_add_bytes(&topped, buf_bytes(&out));
	claim_clean(buf_bytes(&topped), f.hops);
	buf_finish(&topped);
	buf_finish(&out);
	return 0;
}
