/*
 * The data of one record of any type: the first two bytes are the type. What is read lies
 * inside, names are names of hosts, and what people are shown is printable.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "proto/dns_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool claim)
{
	if (!claim)
		abort();
}

static void
check_name(struct bytes data)
{
	struct buf   b;
	struct bytes name;
	size_t       used = 0;

	buf_init(&b, 1024);
	if (dns_name_add(&b, data, &used)) {
		name = buf_bytes(&b);
		must(used > 0 && used <= data.n && used <= DNS_NAME_MAX);
		must(data.p[used - 1] == '\0');
		must(dns_name_is_host(name));
		/* a label's length is the text's dot */
		must(name.n == (used == 1 ? 1 : used - 2));
		for (size_t i = 0; i < name.n; i++)
			must(name.p[i] == byte_lower(name.p[i]));
	} else {
		must(b.len == 0 && used == 0);
	}
	must(!b.failed);
	buf_finish(&b);
}

static void
check_parts(struct bytes data)
{
	struct dns_mx   mx;
	struct dns_tlsa tlsa;
	struct buf      text;
	char            host[DNS_NAME_MAX + 1];

	if (dns_mx_read(data, &mx))
		must(dns_name_is_host(bytes_of(mx.exchange)) &&
		    strlen(mx.exchange) + 2 <= data.n);
	if (dns_host_read(data, host))
		must(dns_name_is_host(bytes_of(host)));
	if (dns_tlsa_read(data, &tlsa))
		must(tlsa.association.n > 0 && tlsa.association.p > data.p &&
		    tlsa.association.p + tlsa.association.n == data.p + data.n);
	buf_init(&text, 65536);
	if (dns_txt_add(&text, data))
		must(text.len < data.n);
	else
		must(text.len == 0);
	buf_finish(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest;
	struct buf   b;
	uint16_t     type;

	if (size < 2 || size > 65535)
		return 0;
	type = (uint16_t)(data[0] << 8 | data[1]);
	rest = bytes_from((struct bytes){ (const char *)data, size }, 2);
	check_name(rest);
	check_parts(rest);
	buf_init(&b, 8 * 65536);
	must(dns_record_add(&b, type, rest) || b.len == 0);
	must(!b.failed && printable_is(buf_bytes(&b)));
	buf_finish(&b);
	return 0;
}
