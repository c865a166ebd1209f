/*
 * Between the files of the store on SQLite; nobody else includes it.
 *
 *     store_sqlite.c   open, close, the transaction around the ops
 *     store_put.c      messages and their bodies come
 *     store_finish.c   outcomes; messages and their bodies go
 *     store_admin.c    HOLD, KICK, KICK_ALL, REMOVE
 *     store_lease.c    the window is filled and leased from; EXTEND, RELEASE
 *     store_list.c     rows, figures, bodies to read
 */
#ifndef AMPEL_QUEUE_STORE_INSIDE_H
#define AMPEL_QUEUE_STORE_INSIDE_H

#include "base/buf.h"
#include "queue/body_cache.h"
#include "queue/database.h"
#include "queue/store.h"
#include "queue/window.h"

enum {
	/* Of one message, with all that aliases add. */
	STORE_RECIPIENTS_MAX = 1000 * 1000,
	STORE_TEXT_MAX = 500, /* of an outcome */
	STORE_HOST_MAX = 300, /* of who said it */
};

/* Counted when first asked for, kept up from then on. */
struct store_totals {
	bool     known;
	uint64_t messages, queued, held; /* queued: leased ones too */
};

struct store {
	struct database     database;
	struct window       window;
	struct body_cache   cache;
	struct store_totals totals;
	int                 bodies; /* the folder of body files */
	struct buf          wire;   /* the envelope of a PUT */
	struct buf          body;   /* its body, when small */
	struct buf          text;   /* of an outcome */
	/* ids, of files that the open transaction made, or that go with it */
	struct buf          files_made;
	struct buf          files_gone;
	uint64_t            life;
	uint64_t            tokens; /* given out in this life */
	int64_t             next_body;
	uint64_t            now_ms; /* the newest time that was mentioned */
};

bool store_time_is_possible(uint64_t ms);
void store_saw_time(struct store *s, uint64_t now_ms);

/* Within a transaction; the answer counts when the database has not failed. */
enum store_result store_put_message(
    struct store *s, const struct store_put *put);
enum store_result store_finish_lease(
    struct store *s, const struct store_finish *finish);
enum store_result store_extend(struct store *s, struct store_op *op);
enum store_result store_release(struct store *s, const struct store_op *op);
enum store_result store_hold(struct store *s, const struct store_op *op);
enum store_result store_kick(struct store *s, const struct store_op *op);
enum store_result store_kick_all(struct store *s, struct store_op *op);
enum store_result store_remove(struct store *s, const struct store_op *op);

/* A recipient row, of an envelope or out of an alias. */
struct store_new_recipient {
	const struct id                 *id;
	uint32_t                         number;
	const struct envelope_recipient *recipient;
	uint64_t                         due_ms;
	bool                             is_expanded;
	struct bytes                     reverse_path; /* empty: the message's */
};
void store_add_recipient(
    struct store *s, const struct store_new_recipient *new);

/* The row is new, or its lease has ended: it will be leased when it is due. */
void store_offer(struct store *s, const struct window_row *row);

/* The message's last recipient row is gone: it goes, and its body if it can. */
void store_end_message(struct store *s, const struct id *id, int64_t body);
/* The same when there may be other rows. */
void store_end_if_empty(struct store *s, const struct id *id);

/* The number of the body of a message and its size. False: no such message. */
bool store_body_number(
    struct store *s, const struct id *id, int64_t *body, uint64_t *size_bytes);
/* A descriptor of the stored body with that number; -1: none. */
int  store_body_open(struct store *s, int64_t body);

/* SQLite's is_leased(id, recipient). */
bool store_add_functions(struct store *s);
/* Remove the files named from position `from` on; forget their names. */
void store_remove_files(struct store *s, struct buf *files, size_t from);

#endif
