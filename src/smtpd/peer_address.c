#include "smtpd/peer_address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/network.h"

enum { IPV4_IN_IPV6 = 12 };

bool
peer_address_read(
    const uv_tcp_t *tcp, char text[INET6_ADDRSTRLEN], uint8_t address[16])
{
	static const uint8_t    mapped[IPV4_IN_IPV6] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_storage name;
	int                     len = sizeof name;

	if (uv_tcp_getpeername(tcp, (struct sockaddr *)&name, &len) != 0)
		return false;
	if (name.ss_family == AF_INET) {
		memcpy(address, mapped, sizeof mapped);
		memcpy(address + IPV4_IN_IPV6,
		    &((struct sockaddr_in *)&name)->sin_addr, 4);
	} else if (name.ss_family == AF_INET6) {
		memcpy(address, &((struct sockaddr_in6 *)&name)->sin6_addr, 16);
	} else {
		return false;
	}
	if (network_is_ipv4(address))
		return inet_ntop(AF_INET, address + IPV4_IN_IPV6, text,
		    INET6_ADDRSTRLEN) != NULL;
	return inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN) != NULL;
}
