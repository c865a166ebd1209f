/* The kernel's form of an endpoint. */
#ifndef AMPEL_IO_SOCKET_ADDRESS_H
#define AMPEL_IO_SOCKET_ADDRESS_H

#include <sys/socket.h>

#include "base/network.h"

/* The length to bind or connect with; 0 when it is no such address. */
socklen_t socket_address(
    const struct endpoint *e, struct sockaddr_storage *out);

#endif
