/*
 * A reverse-path and, behind a line end, a recipient. Of an address that our parser took nothing
 * else than an address comes, if it is not too long, at the same host; what is no VERP stays.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mail/address.h"
#include "mail/verp.h"

enum { OUTPUT_MAX = 64 * 1024 };

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* "local@domain": the length of local. A literal may hold an '@' of its own. */
static size_t
local_length(struct bytes text, struct bytes domain)
{
	check(text.n > domain.n + 1);
	check(text.p[text.n - domain.n - 1] == '@');
	check(bytes_equal(bytes_from(text, text.n - domain.n), domain));
	return text.n - domain.n - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes   input = { (const char *)data, size };
	size_t         end = bytes_find(input, '\n');
	struct bytes   path = bytes_first(input, end);
	struct bytes   recipient = bytes_from(input, end + 1);
	struct bytes   base = verp_base(path), expanded;
	struct address from, to, out;
	struct buf     b;

	check(base.p == path.p && base.n <= path.n);
	check(verp_is(path) == (base.n < path.n));
	check(!verp_is(path) || address_parse_utf8(base, &from));
	buf_init(&b, OUTPUT_MAX);
	verp_add_for(&b, path, recipient);
	expanded = buf_bytes(&b);
	if (!verp_is(path)) {
		check(b.failed || bytes_equal(expanded, path));
	} else if (address_parse_utf8(recipient, &to)) {
		size_t n_local;

		check(!b.failed);
		n_local = local_length(expanded, from.domain);
		check(n_local > ADDRESS_LOCAL_MAX || expanded.n > ADDRESS_MAX ||
		    address_parse_utf8(expanded, &out));
	}
	buf_finish(&b);
	return 0;
}
