#include "mail/verp.h"

#include "mail/address.h"
#include "mail/address_grammar.h"

enum { LOCAL_MAX = 1024 };

/* All of it when it does not end so. */
static struct bytes
without_end(struct bytes path)
{
	const struct bytes end = BYTES(VERP_END);

	if (path.n < end.n || !bytes_equal(bytes_from(path, path.n - end.n), end))
		return path;
	return bytes_first(path, path.n - end.n);
}

bool
verp_is(struct bytes reverse_path)
{
	struct bytes   base = without_end(reverse_path);
	struct address address;

	return base.n < reverse_path.n && address_parse_utf8(base, &address);
}

struct bytes
verp_base(struct bytes reverse_path)
{
	return verp_is(reverse_path) ? without_end(reverse_path) : reverse_path;
}

/* A local part without its quotes and backslashes. */
static void
add_plain(struct buf *b, struct bytes local)
{
	if (local.n < 2 || local.p[0] != '"') {
		buf_add_bytes(b, local);
		return;
	}
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '\\' && i + 2 < local.n)
			i++;
		buf_add_char(b, local.p[i]);
	}
}

static void
add_local(struct buf *b, struct bytes plain)
{
	if (address_is_dot_string(plain)) {
		buf_add_bytes(b, plain);
		return;
	}
	buf_add_char(b, '"');
	for (size_t i = 0; i < plain.n; i++) {
		if (plain.p[i] == '"' || plain.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, plain.p[i]);
	}
	buf_add_char(b, '"');
}

/* How long it is: an address literal may hold another '@'. */
static size_t
local_length(struct bytes text)
{
	struct address address;

	return address_parse_utf8(text, &address) ? address.local.n
	                                          : bytes_find_last(text, '@');
}

void
verp_add_for(struct buf *b, struct bytes reverse_path, struct bytes recipient)
{
	struct bytes base = verp_base(reverse_path);
	size_t       at = local_length(base);
	size_t       recipient_at = local_length(recipient);
	struct buf   local;

	if (base.n == reverse_path.n) {
		buf_add_bytes(b, reverse_path);
		return;
	}
	buf_init(&local, LOCAL_MAX);
	add_plain(&local, bytes_first(base, at));
	add_plain(&local, bytes_first(recipient, recipient_at));
	if (recipient_at < recipient.n) /* <Postmaster> has no domain */
		buf_add_char(&local, '=');
	buf_add_bytes(&local, bytes_from(recipient, recipient_at + 1));
	b->failed |= local.failed;
	add_local(b, buf_bytes(&local));
	buf_add_bytes(b, bytes_from(base, at));
	buf_finish(&local);
}
