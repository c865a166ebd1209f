/*
 * The filter says the same for every way to cut a message; what it lets through
 * has no field of ours, also when a field is put on top; what it does not drop it
 * does not change; and it counts the hops that header_next sees.
 */
#include <stdint.h>
#include <stdlib.h>

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
filter(struct bytes text, bool is_bytewise, uint32_t seed, struct buf *out)
{
	struct header_filter f = { 0 };

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
	f = filter(text, is_bytewise, seed, &out);
	claim(!out.failed);
	claim(bytes_equal(buf_bytes(&out), expected));
	claim(f.hops == whole->hops && f.dropped == whole->dropped);
	buf_finish(&out);
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

	buf_init(&topped, size + 10);
	buf_add_string(&topped, "Top: x\n");
	buf_add_bytes(&topped, buf_bytes(&out));
	claim_clean(buf_bytes(&topped), f.hops);
	buf_finish(&topped);
	buf_finish(&out);
	return 0;
}
