/*
 * The open messages that were asked for ahead of their need: a run of numbers, of which
 * the first ones are here and the others on their way, in order. When another message is
 * wanted than one of the run, the run is given up; what is on its way is closed when it
 * arrives.
 */
#ifndef AMPEL_POP3D_AHEAD_H
#define AMPEL_POP3D_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AHEAD_MAX = 32 }; /* messages of a run */

/* Zeroed it is empty. Numbers count from 1. */
struct ahead {
	uint32_t unwanted, unwanted_end; /* on their way, of a run that was given up */
	uint32_t first;                  /* the run */
	uint32_t arriving;               /* those from here on are on their way */
	uint32_t end;
	int      fds[AHEAD_MAX];         /* by number; -1: that message is gone */
};

/* Closes what is here. */
void ahead_finish(struct ahead *a);

/* Whether the run has it, and whether it is here. */
bool ahead_has(const struct ahead *a, uint32_t number);
bool ahead_is_here(const struct ahead *a, uint32_t number);
/* How many the run has. */
size_t ahead_count(const struct ahead *a);

/* The run begins with that one now: what was before it is closed; or it is a new run. */
void ahead_begin_at(struct ahead *a, uint32_t number);
/* There is no run. */
void ahead_give_up(struct ahead *a);
/* n more were asked for, those at the end of the run. All in all at most AHEAD_MAX. */
void ahead_asked(struct ahead *a, uint32_t n);
/*
 * What was asked for first is here; fd -1: that message is gone. Takes the descriptor. False:
 * that is not what was to come, and fd is still the caller's.
 */
bool ahead_arrived(struct ahead *a, uint32_t number, int fd);
/* The first one, which is here, and is the caller's now. -1: it is gone. */
int  ahead_take(struct ahead *a);

#endif
