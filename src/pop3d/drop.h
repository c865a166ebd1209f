/*
 * The maildrop of one session, as the user's own mailbox process hands it out: its list
 * first, then open messages, then what is to be removed. Messages that are fetched in
 * order are asked for ahead, so that few of them are waited for.
 *
 * mailbox runs as the user: what it says is checked, and when it dies or does not answer in
 * time, the open question fails, and all later ones do. At most one question is open.
 */
#ifndef AMPEL_POP3D_DROP_H
#define AMPEL_POP3D_DROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/bytes.h"

enum {
	DROP_LIST_MS = 10 * 1000,
	DROP_MESSAGE_MS = 60 * 1000,
	DROP_UPDATE_MS = 10 * 60 * 1000, /* a million files take their time */
	DROP_IDLE_MS = 5 * 1000,         /* then nothing is held ahead */
};

struct drop;

/* What the maildrops of one process share. */
struct drops {
	uv_loop_t *loop;
	size_t     n;
	uint64_t   list_bytes, list_bytes_max; /* of all lists */
	size_t     ahead_max;                  /* descriptors, roughly, of all */
};

/* The answers; never from inside the call that asks. Each may close the drop. */
struct drop_calls {
	/* The list of n messages, checked, which lives as long as the drop. Not ok: there is none. */
	void (*listed)(bool ok, struct bytes list, size_t n, void *context);
	void (*opened)(bool is_open, void *context);
	void (*updated)(size_t failed, void *context);
};

/* Takes the socket. Asks for the list. NULL: no memory, the socket is closed. */
struct drop *drop_open(struct drops *all, int socket,
    const struct drop_calls *calls, void *context);
/* NULL is allowed. */
void         drop_close(struct drop *d);

enum drop_answer {
	DROP_WAITS, /* `opened` comes */
	DROP_IS_OPEN,
	DROP_CANNOT, /* it is gone, or mailbox is */
};

/* Question: message number, from 1, of the list. The one before it is closed. */
enum drop_answer drop_message(struct drop *d, size_t number);
/*
 * Its next piece, at most n bytes to p; *is_end: nothing is behind it. Blocks as long as the
 * disk takes. -1: it cannot be read, or is shorter than it was.
 */
ssize_t          drop_read(struct drop *d, char *p, size_t n, bool *is_end);

/* Before drop_update: that message is to be removed. */
void drop_remove(struct drop *d, size_t number);
/* Question. */
void drop_update(struct drop *d);

/* Now and then: whether a question is open, which is answered in time. */
bool drop_is_asking(struct drop *d, uint64_t now_ms);

#endif
