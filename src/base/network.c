#include "base/network.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/number.h"

enum {
	ADDRESS_BYTES = 16,
	MAPPED_BITS = 96, /* of ::ffff:0:0/96, where IPv4 addresses are held */
	UNIX_PATH_MAX = 107, /* sun_path without its NUL, unix(7) */
};

static const uint8_t mapped[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

static bool
is_ipv6_text(struct bytes text)
{
	return bytes_find(text, ':') < text.n;
}

/* "[...]" becomes what is inside; anything else is left alone. */
static bool
take_brackets(struct bytes *text)
{
	if (text->n < 2 || text->p[0] != '[' || text->p[text->n - 1] != ']')
		return false;
	*text = bytes_first(bytes_from(*text, 1), text->n - 2);
	return true;
}

bool
network_parse_address(struct bytes text, uint8_t out[16])
{
	bool    bracketed = take_brackets(&text);
	char    string[INET6_ADDRSTRLEN];
	uint8_t address[ADDRESS_BYTES];

	if (!bytes_to_string(text, string, sizeof string))
		return false;
	if (is_ipv6_text(text)) {
		if (inet_pton(AF_INET6, string, address) != 1)
			return false;
	} else {
		memcpy(address, mapped, sizeof mapped);
		if (bracketed ||
		    inet_pton(AF_INET, string, address + sizeof mapped) != 1)
			return false;
	}
	memcpy(out, address, sizeof address);
	return true;
}

/* The bits of byte i that lie within the first bits bits. */
static uint8_t
mask(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (uint8_t)(0xff00 >> (bits - 8 * i));
}

bool
network_parse(struct bytes text, struct network *out)
{
	size_t         slash = bytes_find(text, '/');
	struct bytes   address = bytes_first(text, slash);
	uint64_t       before = is_ipv6_text(address) ? 0 : MAPPED_BITS;
	uint64_t       bits = 128 - before;
	struct network net;

	if (!network_parse_address(address, net.address))
		return false;
	if (slash < text.n &&
	    !number_parse(bytes_from(text, slash + 1), 128 - before, &bits))
		return false;
	net.bits = (unsigned)(before + bits);
	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		if ((net.address[i] & ~mask(net.bits, i)) != 0)
			return false;
	*out = net;
	return true;
}

bool
network_contains(const struct network *net, const uint8_t address[16])
{
	for (unsigned i = 0; i < ADDRESS_BYTES; i++)
		if (((net->address[i] ^ address[i]) & mask(net->bits, i)) != 0)
			return false;
	return true;
}

bool
network_is_ipv4(const uint8_t address[16])
{
	return memcmp(address, mapped, sizeof mapped) == 0;
}

bool
network_is_wide(const struct network *net)
{
	static const uint8_t ipv4[ADDRESS_BYTES] = { [10] = 0xff, [11] = 0xff };

	if (network_is_ipv4(net->address) && net->bits >= MAPPED_BITS)
		return net->bits < MAPPED_BITS + 8;
	return net->bits < 7 || network_contains(net, ipv4);
}

void
network_client(const uint8_t address[16], uint8_t out[16])
{
	memset(out, 0, 16);
	memcpy(out, address, network_is_ipv4(address) ? 16 : 8);
}

static bool
parse_unix(struct bytes text, struct endpoint *out)
{
	if (text.n > UNIX_PATH_MAX || bytes_find(text, '\0') < text.n)
		return false;
	*out = (struct endpoint){
		.kind = ENDPOINT_UNIX,
		.text = text,
		.host = text,
	};
	return true;
}

bool
endpoint_parse(struct bytes text, struct endpoint *out)
{
	size_t       colon = bytes_find_last(text, ':');
	struct bytes host = bytes_first(text, colon);
	bool         bracketed = take_brackets(&host);
	uint8_t      address[ADDRESS_BYTES];
	uint64_t     port;

	if (text.n > 0 && text.p[0] == '/')
		return parse_unix(text, out);
	/* brackets and IPv6 go together, or the port could be part of the address */
	if (bracketed != is_ipv6_text(host) ||
	    !network_parse_address(host, address))
		return false;
	if (!number_parse(bytes_from(text, colon + 1), UINT16_MAX, &port) ||
	    port == 0)
		return false;
	*out = (struct endpoint){
		.kind = bracketed ? ENDPOINT_INET6 : ENDPOINT_INET,
		.text = text,
		.host = host,
		.port = (uint16_t)port,
	};
	return true;
}
