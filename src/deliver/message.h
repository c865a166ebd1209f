/* The message that is delivered: its body's descriptor is shared, and read with pread. */
#ifndef AMPEL_DELIVER_MESSAGE_H
#define AMPEL_DELIVER_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* n bytes from offset on. 0, or an errno; a body that ends early is EIO. */
int message_read(int body, uint64_t offset, char *p, size_t n);

/*
 * A descriptor of its own for a program, at the start, which holds just the message and cannot
 * be written: the body itself, or where that cannot be opened again, a copy. -1 with errno.
 */
int message_open(int body, uint64_t size_bytes);

#endif
