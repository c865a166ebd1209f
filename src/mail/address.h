/*
 * Paths and mailboxes of SMTP, RFC 5321 section 4.1.2 and 4.1.3: what stands in
 * MAIL FROM and RCPT TO. Not RFC 5322 header addresses: no comments, no folding.
 *
 * Nothing is allocated: every view borrows from the text that was parsed.
 */
#ifndef AMPEL_MAIL_ADDRESS_H
#define AMPEL_MAIL_ADDRESS_H

#include <stdbool.h>

#include "base/bytes.h"

struct buf;

/* RFC 5321 section 4.5.3.1: octets, the angle brackets of the path not counted. */
enum {
	ADDRESS_LOCAL_MAX = 64,
	ADDRESS_DOMAIN_MAX = 255,
	ADDRESS_MAX = 254,
};

struct address {
	struct bytes local;      /* as written, quotes and backslashes included */
	struct bytes domain;     /* empty for bare <Postmaster>; a literal with [] */
	bool         is_quoted;  /* the local part is a Quoted-string */
	bool         is_literal; /* the domain is an address literal */
};

/*
 * A Mailbox, "local@domain", whole. The domain needs no dot. Labels are letters,
 * digits and hyphens, neither at an end, at most 63 octets; literals are
 * [IPv4], [IPv6:...] or [tag:dcontent]. ASCII only (SMTPUTF8 is not there yet).
 */
bool address_parse(struct bytes text, struct address *out);

enum path_result {
	PATH_OK,
	PATH_NULL,      /* "<>" */
	PATH_POSTMASTER, /* "<Postmaster>" without a domain; local is set */
	PATH_INVALID,
};

/*
 * A path at the front of text: "<...>", with an optional source route, which is
 * checked and dropped (RFC 5321 appendix C). *rest is what follows '>'. Without
 * angle brackets it is PATH_INVALID, and *out and *rest are untouched.
 */
enum path_result address_parse_path(
    struct bytes text, struct address *out, struct bytes *rest);

/*
 * The form under which two addresses are the same recipient: local part
 * without needless quoting and in lower case, domain in lower case and without
 * a final dot.
 */
void address_add_canonical(struct buf *b, const struct address *a);

/*
 * A domain name or address literal by itself, as EHLO takes it (section
 * 4.1.1.1) and domains are configured.
 */
bool address_domain_is_valid(struct bytes domain);

/* A local part by itself: a Dot-string or a Quoted-string. */
bool address_local_is_valid(struct bytes local);

/*
 * A relay probe: '!', '%' or another '@' in the local part, quoted or not.
 */
bool address_is_relay_probe(const struct address *a);

#endif
