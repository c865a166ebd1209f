/* Time and randomness from the kernel; below this floor they are arguments. */
#ifndef AMPEL_IO_CLOCK_H
#define AMPEL_IO_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_now_ms(void);       /* since 1970 */
uint64_t clock_today(void);        /* days since 1970, in UTC */
uint64_t clock_monotonic_ms(void); /* for durations and deadlines */

/* Unpredictable bytes; aborts when the kernel has none. */
void random_fill(void *p, size_t n);

#endif
