/* Who is at the other end of a connection. */
#ifndef AMPEL_SMTPD_PEER_ADDRESS_H
#define AMPEL_SMTPD_PEER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * As text for people and as the 16 bytes of base/network.h; an IPv4 address is one on
 * an IPv6 socket too. False: the connection is gone already.
 */
bool peer_address_read(
    const uv_tcp_t *tcp, char text[INET6_ADDRSTRLEN], uint8_t address[16]);

#endif
