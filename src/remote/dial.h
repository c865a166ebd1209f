/* The beginning of a TCP connection; nothing waits. */
#ifndef AMPEL_REMOTE_DIAL_H
#define AMPEL_REMOTE_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A socket that is being connected to an address (16 bytes, base/network.h), the caller's; it is
 * writable when dial_result knows. -1 with errno.
 */
int dial(const uint8_t address[16], uint16_t port);
/* 0, or why it could not be connected. */
int dial_result(int socket);

/* Our own lack of something, not the other end. */
bool dial_is_our_fault(int error);
/* "connection refused" */
void dial_error_text(int error, char *text, size_t size);

#endif
