/*
 * The shape of the queue: how many recipients wait for each destination, by their age.
 * A destination with many of all ages is down; one with many young ones is busy.
 */
#ifndef AMPEL_AMPEL_QUEUE_SHAPE_H
#define AMPEL_AMPEL_QUEUE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { SHAPE_AGES = 10 };

struct shape_row;

struct queue_shape {
	void              *tree; /* of rows, by name */
	struct shape_row **rows; /* n of them, in no order */
	size_t             n, capacity;
	uint64_t           total[SHAPE_AGES];
};

/* Zeroed is empty. */
void queue_shape_finish(struct queue_shape *s);
/* One more. False: no memory. */
bool queue_shape_add(struct queue_shape *s, struct bytes address, uint64_t age_ms);
/* To standard output, the largest destination first; json: one object a line. */
void queue_shape_print(struct queue_shape *s, bool json);

#endif
