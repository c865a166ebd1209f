/*
 * What DNS records say: the data of one record, names in it not compressed (RFC 1035
 * section 3, RFC 6698 section 2.1), as it comes in MSG_DNS. Every byte is somebody else's.
 */
#ifndef AMPEL_PROTO_DNS_RECORD_H
#define AMPEL_PROTO_DNS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/* Types that may be asked for; numbers as in the DNS. */
enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52,
};

enum { DNS_NAME_MAX = 255, DNS_RECORDS_MAX = 1000 };

/* "MX" without case; and back, NULL: none of ours. */
bool        dns_type_parse(struct bytes text, enum dns_type *out);
const char *dns_type_name(uint16_t type);

/*
 * A name as text, lower case, without the final dot; the root is ".". *used: its bytes in
 * data. False, and nothing is added: not a host name in the sense of RFC 1123 (letters,
 * digits, '-', '_'): somebody's trick.
 */
bool dns_name_add(struct buf *b, struct bytes data, size_t *used);
/* Whether a text is what dns_name_add may write; upper case too. */
bool dns_name_is_host(struct bytes text);

struct dns_mx {
	uint16_t preference;
	char     exchange[DNS_NAME_MAX + 1]; /* "." : null MX, RFC 7505 */
};

struct dns_tlsa {
	uint8_t      usage, selector, matching_type;
	struct bytes association; /* borrows */
};

bool dns_mx_read(struct bytes data, struct dns_mx *out);
/* 16 bytes, an IPv4 address as ::ffff:a.b.c.d (base/network.h). */
bool dns_address_read(enum dns_type type, struct bytes data, uint8_t out[16]);
bool dns_tlsa_read(struct bytes data, struct dns_tlsa *out);
/* The strings of one record put together, RFC 7208 section 3.3. */
bool dns_txt_add(struct buf *b, struct bytes data);
/* PTR, CNAME. */
bool dns_host_read(struct bytes data, char out[DNS_NAME_MAX + 1]);

/* One record for people, as zone files have it: "10 mx.example.net". False: malformed. */
bool dns_record_add(struct buf *b, uint16_t type, struct bytes data);

#endif
