/*
 * Whatever is taken as a mailbox or a path lies inside the input, and its canonical
 * form is a mailbox again, with itself as canonical form, and its domain is of ASCII.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static void
claim_inside(struct bytes view, struct bytes text)
{
	claim(view.n == 0 || (view.p >= text.p &&
	    view.p + view.n <= text.p + text.n));
}

static void
claim_shown(struct bytes view, bool is_utf8)
{
	for (size_t i = 0; i < view.n; i++)
		claim(byte_is_print(view.p[i]) || is_utf8);
	claim(utf8_is_plain(view));
}

static void
check_address(const struct address *a, struct bytes text)
{
	struct buf     once, twice;
	struct address again;

	claim_inside(a->local, text);
	claim_inside(a->domain, text);
	claim_shown(a->local, a->is_utf8);
	claim_shown(a->domain, a->is_utf8);
	claim(a->local.n > 0 && a->local.n <= ADDRESS_LOCAL_MAX);
	claim(a->domain.n > 0 && a->domain.n <= ADDRESS_DOMAIN_MAX);
	claim(address_domain_is_valid(a->domain) || a->is_utf8);

	buf_init(&once, ADDRESS_MAX);
	buf_init(&twice, ADDRESS_MAX);
	address_add_canonical(&once, a);
	claim(!once.failed);
	claim(address_parse_utf8(buf_bytes(&once), &again));
	claim(address_domain_is_valid(again.domain));
	claim(again.is_literal == a->is_literal);
	claim(address_is_relay_probe(&again) == address_is_relay_probe(a));
	address_add_canonical(&twice, &again);
	claim(bytes_equal(buf_bytes(&once), buf_bytes(&twice)));
	buf_finish(&once);
	buf_finish(&twice);
}

static void
check_path(struct bytes text)
{
	struct address   a;
	struct bytes     rest;
	enum path_result result = address_parse_path(text, &a, &rest);

	if (result == PATH_INVALID)
		return;
	claim(rest.p + rest.n == text.p + text.n);
	claim(rest.p > text.p && rest.p[-1] == '>');
	if (result == PATH_OK)
		check_address(&a, text);
	if (result == PATH_POSTMASTER)
		claim(bytes_equal_nocase(a.local, BYTES("postmaster")));
	if (result == PATH_NULL)
		claim(a.local.n == 0 && a.domain.n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes   text = { (const char *)data, size };
	struct address a, ascii;

	if (address_parse_utf8(text, &a)) {
		claim(address_parse(text, &ascii) == !a.is_utf8);
		claim(a.local.n + 1 + a.domain.n == text.n);
		check_address(&a, text);
	}
	check_path(text);
	return 0;
}
