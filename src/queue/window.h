/*
 * What the store keeps of its recipients in memory: leases, and a bounded window
 * of those that are ready to be leased. A recipient is in here at most once.
 *
 * The window is a copy of a part of the table and may be emptied at any time
 * (window_empty). The promise between the two: every row of the table that is
 * QUEUED, not leased, and in front of `outside` in the order of (due, id,
 * recipient), is in the window.
 *
 * A transaction may end and begin leases and put rows into the window. Then
 * window_keep makes that final, or window_undo takes it back.
 */
#ifndef AMPEL_QUEUE_WINDOW_H
#define AMPEL_QUEUE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/id.h"
#include "queue/store.h"

/* A test builds the store with a window that is always too small. */
#ifndef WINDOW_MAX
#define WINDOW_MAX STORE_LEASES_MAX
#endif

enum { WINDOW_BUCKETS = 8192 }; /* of each index; a power of two */

struct window_key {
	uint64_t  due_ms;
	struct id id;
	uint32_t  recipient;
};

/* A row of the table, as far as a lease needs it; the views are borrowed. */
struct window_row {
	struct store_lease lease;
	uint64_t           due_ms;
	int64_t            body;     /* its number in the table of bodies */
	bool               is_alone; /* its message never had another recipient */
};

struct destination;

struct window_entry {
	struct window_row    row; /* a copy; lease.token is 0 when it is ready */
	struct window_entry *next, *previous;        /* in the list it is in */
	struct window_entry *next_by_key, *next_by_token;
	struct destination  *destination;
	bool                 is_begun; /* leased by the open transaction */
	char                 text[];   /* what the views of row look at */
};

struct window_list {
	struct window_entry *first, *last;
	size_t               n;
};

struct window {
	struct window_entry *by_key[WINDOW_BUCKETS];
	struct window_entry *by_token[WINDOW_BUCKETS];
	struct destination  *destinations[WINDOW_BUCKETS];
	struct window_list   ready;  /* in the order of keys */
	struct window_list   leased; /* in no order */
	struct window_list   ended;  /* leases that the open transaction ended */
	struct window_key    outside;
	bool                 outside_is_exact; /* a row has that key */
	uint64_t             seed;  /* senders choose the names of destinations */
	uint64_t             round; /* the number of the last window_limit */
	const struct store_want *want; /* in force; NULL: none */
};

void window_init(struct window *w, uint64_t seed);
void window_finish(struct window *w);

struct window_key window_key_of(const struct window_row *row);
/* In front of every row; behind every row. */
struct window_key window_key_first(void);
struct window_key window_key_last(void);
int               window_key_compare(
                  const struct window_key *a, const struct window_key *b);

/* Ready or leased. */
bool window_has(struct window *w, const struct id *id, uint32_t recipient);
bool window_is_leased(
    struct window *w, const struct id *id, uint32_t recipient);

/*
 * A row became QUEUED that is neither ready nor leased here. offer takes it when
 * it belongs in front of `outside`; add, for filling up from `outside`, always. When
 * the window is full the one that is due last makes room. outside_at only notes that the
 * table has it.
 */
void window_offer(struct window *w, const struct window_row *row);
void window_add(struct window *w, const struct window_row *row);
void window_outside_at(struct window *w, const struct window_key *key);

/* Drop what is ready of a message: one recipient or STORE_ALL. */
void window_forget(struct window *w, const struct id *id, uint32_t recipient);
/* Nothing is ready, the whole table is outside. Leases stay. */
void window_empty(struct window *w);

/* Count leases against the limits of want, which stays until NULL takes its place. */
void window_limit(struct window *w, const struct store_want *want);
/* Whether one more may go to the destination of e; if so it counts. */
bool window_allows(struct window *w, struct window_entry *e);

/* A ready entry becomes a lease. */
void window_take(struct window *w, struct window_entry *e, uint64_t token);

/*
 * A row that is not here becomes ready, whatever the size of the window, if its
 * destination allows one more, which counts. NULL: it does not; no memory.
 */
struct window_entry *window_admit(
    struct window *w, const struct window_row *row);
/* A row that is not here is leased by the open transaction. False: no memory. */
bool window_begin(
    struct window *w, const struct window_row *row, uint64_t token);
/* The lease, or NULL. Not those that the open transaction began. */
struct window_entry *window_leased(struct window *w, uint64_t token);
/* The entry is still readable until window_keep or window_undo. */
void window_end(struct window *w, struct window_entry *e);

void window_keep(struct window *w);
void window_undo(struct window *w);

#endif
