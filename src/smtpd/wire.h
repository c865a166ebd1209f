/*
 * One client's TCP connection: what it is to be sent goes out at once, or waits in
 * one request of the loop.
 */
#ifndef AMPEL_SMTPD_WIRE_H
#define AMPEL_SMTPD_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

struct wire;
struct wire_request;

/* What waited was sent; or the client is gone. */
typedef void wire_sent(struct wire *w, bool is_gone);

struct wire {
	uv_tcp_t             tcp;
	struct wire_request *waiting; /* NULL: nothing waits */
};

enum wire_result {
	WIRE_SENT,
	WIRE_WAITS, /* all of it is taken, sent comes */
	WIRE_GONE,  /* or no memory for what has to wait */
};

/* Accept from a listening handle. False: w is still to be closed with uv_close. */
bool wire_accept(struct wire *w, uv_loop_t *loop, uv_stream_t *listening);

/* The client's address: 16 bytes as struct network has them, and text. */
bool wire_peer(
    const struct wire *w, uint8_t address[16], char text[INET6_ADDRSTRLEN]);

/* Only while nothing waits. After uv_close sent does not come. */
enum wire_result wire_send(struct wire *w, struct bytes output, wire_sent *sent);
bool             wire_is_sending(const struct wire *w);
/* Nothing more will be sent; what the client still sends may be read. */
void             wire_end(struct wire *w);

#endif
