#include "smtpd/stdio_peer.h"

#include <stdlib.h>

#include "base/network.h"
#include "io/log.h"
#include "proto/qmail_control.h"

/* A session that does not come from the Internet has inherited what stands there. */
static bool
is_internet(struct bytes proto)
{
	return proto.n == 0 || bytes_start(proto, BYTES("TCP")) ||
	    bytes_start(proto, BYTES("SSL"));
}

static bool
has_address(struct bytes text)
{
	uint8_t address[16];

	return is_internet(bytes_of(getenv("PROTO"))) &&
	    network_parse_address(text, address);
}

/* As tcpserver and others name whom they do not know. */
static struct bytes
known(struct bytes text)
{
	return bytes_equal_nocase(text, BYTES("unknown")) ? BYTES("") : text;
}

static void
read_size(struct stdio_peer *p, const char *databytes)
{
	uint64_t n;

	if (databytes == NULL)
		return;
	if (!qmail_control_number(bytes_of(databytes), &n)) {
		log_text("DATABYTES is no number, and does not count");
		return;
	}
	p->has_size_max = true;
	p->size_max = n > 0 ? n : UINT64_MAX;
}

void
stdio_peer_read(struct stdio_peer *p)
{
	const char  *relay = getenv("RELAYCLIENT");
	struct bytes address = bytes_of(getenv("TCPREMOTEIP"));

	*p = (struct stdio_peer){ .address = BYTES("unknown") };
	read_size(p, getenv("DATABYTES"));
	if (!has_address(address)) {
		if (relay)
			log_text("RELAYCLIENT is set, but TCPREMOTEIP is not, or is no "
			    "address: the client may not relay");
		return;
	}
	p->address = address;
	p->name = known(bytes_of(getenv("TCPREMOTEHOST")));
	p->own = bytes_of(getenv("TCPLOCALIP"));
	p->is_inside = relay != NULL;
	p->suffix = bytes_of(relay);
}
