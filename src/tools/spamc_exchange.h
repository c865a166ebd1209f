/* One request and its reply, over a connected socket. */
#ifndef AMPEL_TOOLS_SPAMC_EXCHANGE_H
#define AMPEL_TOOLS_SPAMC_EXCHANGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/*
 * Send head and message, close the writing side, and read into received (whose
 * maximum bounds the reply) to the end. EX_OK; or EX_IOERR or, when the reply is
 * too long, EX_PROTOCOL, told on stderr. fd does not block.
 */
int spamc_exchange(int fd, struct bytes head, struct bytes message,
    uint64_t timeout_s, struct buf *received);

#endif
