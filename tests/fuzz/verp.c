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

static bool
is_short(struct bytes address)
{
	return bytes_find_last(address, '@') <= ADDRESS_LOCAL_MAX &&
	    address.n <= ADDRESS_MAX;
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
		check(!b.failed);
		check(bytes_equal(bytes_from(expanded, bytes_find_last(expanded, '@') + 1),
		    from.domain));
		check(!is_short(expanded) || address_parse_utf8(expanded, &out));
	}
	buf_finish(&b);
	return 0;
}
