#include "mail/route.h"

#include "base/network.h"
#include "base/number.h"
#include "mail/address.h"
#include "mail/config.h"

enum { SMTP_PORT = 25, PORT_MAX = 65535 };

static bool
parse_port(struct bytes text, uint16_t *port)
{
	uint64_t number;

	if (!number_parse(text, PORT_MAX, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool
is_name(struct bytes host)
{
	return host.n > 0 && host.p[0] != '[' && address_domain_is_valid(host);
}

/* What stands in brackets. */
static bool
parse_exact(struct bytes text, struct hop *out)
{
	static const struct bytes tag = BYTES_INIT("IPv6:");
	bool                      is_tagged = bytes_start_nocase(text, tag);
	uint8_t                   address[16];

	out->host = is_tagged ? bytes_from(text, tag.n) : text;
	out->is_exact = true;
	out->is_address = network_parse_address(out->host, address);
	return out->is_address || (!is_tagged && is_name(out->host));
}

bool
hop_parse(struct bytes text, struct hop *out)
{
	size_t       end = text.n;
	struct bytes host, rest;

	*out = (struct hop){ .port = SMTP_PORT };
	if (text.n > 0 && text.p[0] == '[') {
		end = bytes_find(text, ']');
		host = bytes_from(bytes_first(text, end), 1);
		rest = end < text.n ? bytes_from(text, end + 1) : text;
		if (!parse_exact(host, out))
			return false;
	} else {
		uint8_t address[16];

		end = bytes_find(text, ':');
		out->host = bytes_first(text, end);
		rest = bytes_from(text, end);
		out->is_address = network_parse_address(out->host, address);
		out->is_exact = out->is_address;
		if (!is_name(out->host))
			return false;
	}
	if (rest.n == 0)
		return true;
	return rest.p[0] == ':' && parse_port(bytes_from(rest, 1), &out->port);
}

bool
route_domain_is_valid(struct bytes domain)
{
	if (bytes_equal(domain, BYTES("*")))
		return true;
	if (domain.n > 0 && domain.p[0] == '.')
		return is_name(bytes_from(domain, 1));
	return address_domain_is_valid(domain);
}

/* The route for exactly that text. */
static const struct config_route *
find(const struct config *config, struct bytes domain)
{
	for (size_t i = 0; i < config->n_route; i++)
		if (bytes_equal(config->route[i].domain, domain))
			return &config->route[i];
	return NULL;
}

const struct config_route *
route_find(const struct config *config, struct bytes domain)
{
	const struct config_route *route = find(config, domain);
	struct bytes               rest = domain;

	/* a literal has dots, but nothing is above it */
	if (rest.n > 0 && rest.p[0] == '[')
		rest.n = 0;
	while (route == NULL && rest.n > 0) {
		size_t dot = bytes_find(rest, '.');

		if (dot == rest.n)
			break;
		rest = bytes_from(rest, dot);
		route = find(config, rest);
		rest = bytes_from(rest, 1);
	}
	return route ? route : find(config, BYTES("*"));
}
