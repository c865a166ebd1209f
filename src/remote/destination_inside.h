/* A destination from inside: destination.c, and destination_connections.c beside it. */
#ifndef AMPEL_REMOTE_DESTINATION_INSIDE_H
#define AMPEL_REMOTE_DESTINATION_INSIDE_H

#include "remote/desk_inside.h"
#include "remote/destination.h"

/* --- destination.c --- */

/* In front of the line. */
void destination_put_back(struct destination *d, struct parcel *p);
/* No server takes anything: all that waits hears why. */
void destination_fail(struct destination *d, const struct problem *p);
void destination_fail_no_memory(struct destination *d);
/* What failed, of so many lines a time. */
void destination_log_problem(struct destination *d, const struct problem *p);

/* --- destination_connections.c --- */

/* One connection more. False: not now, or no memory. */
bool destination_connect(struct destination *d, struct host *h, struct target *t);

#endif
