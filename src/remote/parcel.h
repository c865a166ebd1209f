/*
 * One message for one recipient elsewhere, as the queue hands it to us.
 */
#ifndef AMPEL_REMOTE_PARCEL_H
#define AMPEL_REMOTE_PARCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/envelope.h"
#include "service/jobs.h"

struct destination;
struct batch;

struct parcel {
	struct job          job;             /* first: a parcel is one of these */
	struct parcel      *next, *before;   /* in the line of its destination */
	struct destination *destination;     /* in whose line it stands; NULL: in none */
	struct batch       *batch;           /* with which it is under way; NULL: with none */
	unsigned            attempts;        /* connections that broke before they took it */
	int                 body;            /* read with pread from 0 */

	uint64_t                  size_bytes;
	struct bytes              reverse_path;
	enum envelope_ret         ret;
	struct bytes              envid;
	enum envelope_body        body_type;
	bool                      smtputf8;
	struct envelope_recipient recipient;
	struct bytes              domain;    /* of the recipient's address, or a literal */
	char                      texts[];
};

/* From a frame REMOTE; takes the descriptor. NULL: malformed, or no memory. */
struct parcel *parcel_read(struct bytes frame, int *body);
/* It stands in no line and is in no batch. */
void           parcel_free(struct parcel *p);

/* Whether both may go in one transaction: the same message; but DESIGN section 8. */
bool parcel_goes_with(const struct parcel *p, const struct parcel *other);

/* What goes in one transaction. */
enum { BATCH_MAX = 100 };

struct batch {
	struct parcel *v[BATCH_MAX]; /* NULL: the queue has given it up */
	size_t         n;
	/* What the engine borrows. */
	struct envelope_recipient recipients[BATCH_MAX];
	struct parcel            *given_up; /* freed with the batch: its texts are in use */
};

/* From an empty batch. */
void batch_add(struct batch *b, struct parcel *p);
/* The parcel goes away while the batch is under way. */
void batch_give_up(struct batch *b, struct parcel *p);
/* Empty again; parcels that are in it are in none. */
void batch_clear(struct batch *b);

#endif
