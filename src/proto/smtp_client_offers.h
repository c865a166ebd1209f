/* What a server offers in its reply to EHLO, RFC 5321 section 4.1.1.1, so far as we use it. */
#ifndef AMPEL_PROTO_SMTP_CLIENT_OFFERS_H
#define AMPEL_PROTO_SMTP_CLIENT_OFFERS_H

#include <stdint.h>

#include "base/bytes.h"

/* Bits. */
enum {
	SMTP_OFFER_PIPELINING = 1,   /* RFC 2920 */
	SMTP_OFFER_8BITMIME = 2,     /* RFC 6152 */
	SMTP_OFFER_SMTPUTF8 = 4,     /* RFC 6531 */
	SMTP_OFFER_CHUNKING = 8,     /* RFC 3030 */
	SMTP_OFFER_DSN = 16,         /* RFC 3461 */
	SMTP_OFFER_STARTTLS = 32,    /* RFC 3207 */
	SMTP_OFFER_SIZE = 64,        /* RFC 1870 */
	SMTP_OFFER_AUTH_PLAIN = 128, /* RFC 4954 */
	SMTP_OFFER_AUTH_LOGIN = 256,
	SMTP_OFFER_XQUEUE = 512,     /* ours: smtp_server.h */
};

/* Zeroed: nothing, as of a server that knows only HELO. */
struct smtp_client_offers {
	unsigned bits;
	uint64_t size_max; /* octets on the wire; 0: no limit that we know of */
};

/* One line behind the first, without code and line end. What is not known is passed over. */
void smtp_client_offers_add(struct smtp_client_offers *o, struct bytes line);

#endif
