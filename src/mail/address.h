/*
 * Paths and mailboxes of SMTP, RFC 5321 section 4.1.2 and 4.1.3: what stands in
 * MAIL FROM and RCPT TO. Not RFC 5322 header addresses: no comments, no folding.
 *
 * With SMTPUTF8 (RFC 6531 section 3.3) local parts may be of any script, and domains of
 * U-labels. Views borrow from the text that was parsed.
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
	bool         is_utf8;    /* what was parsed is not ASCII alone */
};

/*
 * A Mailbox, "local@domain", whole. The domain needs no dot. Labels are letters,
 * digits and hyphens, neither at an end, at most 63 octets; literals are
 * [IPv4], [IPv6:...] or [tag:dcontent]. ASCII only.
 */
bool address_parse(struct bytes text, struct address *out);
/*
 * The same with UTF-8 in it, when all of it is: base/utf8.h says which characters are not
 * taken. The limits count octets, those of a domain also in its canonical form.
 */
bool address_parse_utf8(struct bytes text, struct address *out);

enum path_result {
	PATH_OK,
	PATH_NULL,      /* "<>" */
	PATH_POSTMASTER, /* "<Postmaster>" without a domain; local is set */
	PATH_INVALID,
};

/*
 * A path at the front of text: "<...>", with an optional source route, which is
 * checked and dropped (RFC 5321 appendix C). *rest is what follows '>'. Without
 * angle brackets it is PATH_INVALID, and *out and *rest are untouched. UTF-8 is taken, and
 * is_utf8 tells of it.
 */
enum path_result address_parse_path(
    struct bytes text, struct address *out, struct bytes *rest);

/*
 * The form under which two addresses are the same recipient: local part
 * without needless quoting and in lower case, domain in lower case, of A-labels, and
 * without a final dot. Of a local part only the letters of ASCII have a lower case, and two
 * ways to compose a character are two names: who sends it normalizes it (RFC 6532
 * section 3.1).
 */
void address_add_canonical(struct buf *b, const struct address *a);
/* Its two sides. */
void address_add_canonical_local(struct buf *b, const struct address *a);
void address_add_canonical_domain(struct buf *b, const struct address *a);
/*
 * The canonical form of what qmail makes of an address for a client with such a value of
 * RELAYCLIENT: the suffix stands behind the whole address, which is split at its last '@'
 * then. False: that is no address. One without a domain is nobody but the postmaster of this host
 * (RFC 5321 section 4.5.1), who stays where he is.
 */
bool address_add_suffixed(
    struct buf *b, const struct address *a, struct bytes suffix);

/* The local part without its quoting, in the case in which it is written. */
void address_add_plain_local(struct buf *b, const struct address *a);

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
