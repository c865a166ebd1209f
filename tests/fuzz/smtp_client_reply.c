/*
 * Replies as a server may send them: each line is taken whole, what is kept of it is one bounded
 * printable line that begins with the code, and it is the same however the input is cut.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/printable.h"
#include "proto/smtp_client.h"
#include "proto/smtp_client_offers.h"
#include "proto/smtp_client_reply.h"

enum { OUTPUT_MAX = 1 << 24 };

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_reply(const struct smtp_client_reply *r)
{
	struct bytes  text = buf_bytes(&r->text);
	struct status status = smtp_client_reply_status(r);
	uint64_t      code;

	check(r->code >= 200 && r->code <= 599);
	check(number_parse(bytes_first(text, 3), 599, &code) && code == r->code);
	check(text.n == 3 || text.p[3] == ' ');
	check(printable_is(text) && text.n <= SMTP_CLIENT_TEXT_MAX);
	check(r->n_lines >= 1 && r->n_lines <= SMTP_CLIENT_LINES_MAX);
	check(status.class == r->code / 100);
}

/* Up to the first thing that is no reply. What was read goes to out. */
static void
read_all(struct bytes input, size_t every, struct buf *out)
{
	struct smtp_client_reply      r;
	enum smtp_client_reply_result result;
	struct bytes                  rest = bytes_first(input, every), line;
	size_t                        used = 0;

	smtp_client_reply_init(&r);
	for (;;) {
		size_t before = rest.n;

		result = smtp_client_reply_next(&r, &rest, &line);
		if (result == SMTP_CLIENT_REPLY_MORE) {
			check(rest.n == before && rest.n < SMTP_CLIENT_LINE_MAX);
			if (used + rest.n == input.n)
				break;
			rest = bytes_first(bytes_from(input, used), rest.n + every);
			continue;
		}
		if (result != SMTP_CLIENT_REPLY_LINE && result != SMTP_CLIENT_REPLY_WHOLE)
			break;
		check(rest.n < before && before - rest.n <= SMTP_CLIENT_LINE_MAX);
		used += before - rest.n;
		check(input.p[used - 1] == '\n');
		check(line.n + 4 <= before - rest.n || line.n == 0);
		check_reply(&r);
		if (result == SMTP_CLIENT_REPLY_WHOLE)
			buf_addf(out, "%.*s\n", BYTES_ARG(buf_bytes(&r.text)));
	}
	buf_addf(out, "%d at %zu\n", (int)result, used);
	smtp_client_reply_finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes              input = { (const char *)data, size };
	struct smtp_client_offers offers = { .bits = 0 };
	struct buf                whole, split;

	if (size < 1)
		return 0;
	input = bytes_from(input, 1);
	buf_init(&whole, OUTPUT_MAX);
	buf_init(&split, OUTPUT_MAX);
	read_all(input, input.n, &whole);
	read_all(input, data[0] % 64 + 1u, &split);
	check(!whole.failed && bytes_equal(buf_bytes(&whole), buf_bytes(&split)));
	buf_finish(&whole);
	buf_finish(&split);
	smtp_client_offers_add(&offers, input);
	check(offers.size_max == 0 || offers.bits == SMTP_OFFER_SIZE);
	return 0;
}
