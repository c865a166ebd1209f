/* Waiting for a descriptor, not longer than to a point in time. */
#ifndef AMPEL_TOOLS_SPAMC_WAIT_H
#define AMPEL_TOOLS_SPAMC_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* From now on; 0 seconds: never. */
uint64_t spamc_deadline(uint64_t timeout_s);

/* Until one of the events of poll(2), or the peer's end. False with errno: ETIMEDOUT. */
bool spamc_wait(int fd, short events, uint64_t deadline_ms);

#endif
