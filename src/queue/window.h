/*
 * What the store keeps of its recipients in memory: leases, and a bounded window
 * of those that are ready to be leased. A recipient is in here at most once.
 *
 * The window is a copy of a part of the table and may be emptied at any time
 * (window_empty). The promise between the two: every row of the table that is
 * QUEUED, not leased, and in front of `outside` in the order of (due, id,
 * recipient), is in the window.
 *
 * A backlog for destinations that are at their limit can fill all of it. So that this
 * does not stop the others, some recipients behind `outside` are known as well, in the
 * list `behind`: the newest, and of each destination that a search of the table met.
 * Of each one behind `outside` that the window does not have, and that is in front of
 * `searched` in the same order, this is true:
 *
 *     its destination has another recipient here that is not leased and is due no
 *     later than missing_ms, which is no later than its own due; or search_again.
 *
 * So the table is searched once, and again only when the last of those has gone.
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
#include "queue/destinations.h"
#include "queue/store.h"

/* A test builds the store with a window that is always too small. */
#ifndef WINDOW_MAX
#define WINDOW_MAX STORE_LEASES_MAX
#endif

enum {
	WINDOW_BUCKETS = 8192, /* of each index; a power of two */
	WINDOW_BEHIND = WINDOW_MAX,
	WINDOW_SHARE = WINDOW_MAX / 8 + 1, /* of one destination, of those behind */
};

struct window_key {
	uint64_t  due_ms;
	struct id id;
	uint32_t  recipient;
};

/* A row of the table, as far as a lease needs it; the views are borrowed. */
struct window_row {
	struct store_lease lease;
	uint64_t           due_ms;
	int64_t            body; /* its number in the table of bodies */
};

/* The views of a lease, one by one. */
enum { WINDOW_VIEWS = 5 };
struct bytes *window_view(struct store_lease *lease, size_t i);

struct window_entry {
	struct window_row    row; /* a copy; lease.token is 0 when it is ready */
	struct window_entry *next, *previous;        /* in the list it is in */
	struct window_entry *next_by_key, *next_by_token;
	struct destination  *destination;
	struct window_entry *later, *earlier; /* of its destination, not leased */
	bool                 is_behind;
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
	struct destinations  destinations;
	struct window_list   ready;  /* in the order of keys */
	struct window_list   behind; /* the newest last */
	struct window_list   leased; /* in no order */
	struct window_list   ended;  /* leases that the open transaction ended */
	struct window_key    outside;
	bool                 outside_is_exact; /* a row has that key */
	struct window_key    searched;
	bool                 search_again;
};

/* False: no memory. window_finish is calm on a zeroed one. */
bool window_init(struct window *w, uint64_t seed);
void window_finish(struct window *w);

struct window_key window_key_of(const struct window_row *row);
/* In front of every row; behind every row. */
struct window_key window_key_first(void);
struct window_key window_key_last(void);
int               window_key_compare(
                  const struct window_key *a, const struct window_key *b);

/* Ready, behind or leased. */
bool window_has(struct window *w, const struct id *id, uint32_t recipient);
bool window_is_behind(
    struct window *w, const struct id *id, uint32_t recipient);
bool window_is_leased(
    struct window *w, const struct id *id, uint32_t recipient);

/*
 * A row became QUEUED that is neither ready nor leased here, or a search met it. It
 * becomes ready when it belongs in front of `outside`; behind that it may be kept.
 */
void window_offer(struct window *w, const struct window_row *row);
/* The table has a new row with that key; it is not offered. */
void window_outside_at(struct window *w, const struct window_key *key);
/*
 * For filling up from `outside`: the row becomes ready. When the window is full the
 * one that is due last makes room, and `outside` is there.
 */
void window_add(struct window *w, const struct window_row *row);
/* Filling up ended in front of that key. */
void window_stop_at(struct window *w, const struct window_key *key);

/* Drop what is not leased of a message: one recipient or STORE_ALL. */
void window_forget(struct window *w, const struct id *id, uint32_t recipient);
/* Nothing is ready, the whole table is outside. Leases stay. */
void window_empty(struct window *w);

/* Count leases against the limits of want, which stays until NULL takes its place. */
void window_limit(struct window *w, const struct store_want *want);
/* The oldest, ready or behind, whose destination allows one more. NULL: none. */
struct window_entry *window_first(struct window *w);
/* It becomes a lease, which counts. */
void window_take(struct window *w, struct window_entry *e, uint64_t token);

/* Whether one more may go to the destination of that address. */
bool window_allows(struct window *w, struct bytes address);
/* So that row, which is not here, becomes a lease. False: no memory. */
bool window_admit(
    struct window *w, const struct window_row *row, uint64_t token);
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
