/*
 * One running program of ours: its process, its control channel, its state. An
 * instance that should run and ends is started again, later and later while it
 * keeps failing.
 */
#ifndef AMPEL_AMPEL_INSTANCE_H
#define AMPEL_AMPEL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "io/child.h"
#include "io/peer.h"
#include "mail/config.h"
#include "mail/directory.h"
#include "proto/message.h"

struct secrets;
struct supervisor;
struct want;

enum instance_state {
	INSTANCE_DOWN,      /* no process; perhaps one is due */
	INSTANCE_STARTING,  /* CONFIG was sent */
	INSTANCE_PREPARED,  /* it has dropped its privileges */
	INSTANCE_READY,     /* it works */
	INSTANCE_STOPPING,  /* STOP was sent */
};

struct instance {
	struct instance    *next;
	struct supervisor  *supervisor;
	enum peer_role      role;
	/* the listener's, the user's; or the role's */
	char                name[DIRECTORY_USER_MAX + 1];
	bool                drop;
	uint32_t            uid, gid;
	bool                chroot;
	char               *directory; /* owned; of a mailbox: its user's home; NULL: none */

	enum instance_state state;
	bool                is_wanted; /* start it again when it ends */
	bool                is_told_to_stop;
	uint64_t            serial;    /* of the process; new at each start */
	struct child       *child;
	struct peer        *control;
	uv_timer_t          again;     /* the back-off */
	unsigned            failures;
	uint64_t            started_ms;
	bool                awaits_reload; /* PREPARED of a reload is due, */
	bool                is_prepared_for_reload; /* or has come */
	struct want        *wants;     /* deliver: users it was asked for */
	int                 socket;    /* mailbox: for it, until it has prepared; -1 */
};

/*
 * A new instance, in the supervisor's list, without a process. NULL: no memory.
 * directory may be NULL.
 */
struct instance *instance_new(struct supervisor *s, enum peer_role role,
    struct bytes name, const char *directory, bool chroot);
/* With its account when the supervisor is root. False: the account is missing. */
void instance_set_uid(struct instance *i, uint32_t uid, uint32_t gid);
/* Out of the list and freed; a process is killed. */
void instance_free(struct instance *i);

/* Make a process, now or when the back-off allows. */
void instance_start(struct instance *i);
/* Now, and never again: when it cannot be or has ended, i is freed. */
void instance_start_once(struct instance *i);
/* Send the configuration's part again (reload), and the secrets that are for it. */
bool instance_send_config(struct instance *i, const struct config *config,
    const struct secrets *secrets, uint64_t generation);
void instance_use(struct instance *i, uint64_t generation);
/* Ask it to finish. It is not started again. */
void instance_stop(struct instance *i);
/* A frame on its control channel. */
void instance_send(
    struct instance *i, const struct buf *frame, const int *fds, size_t n_fds);

/* Whether a peer can be handed to it. */
bool instance_can_be_wired(const struct instance *i);

/* The first of a role (after `after`, NULL: from the start). */
struct instance *instance_find(const struct supervisor *s, enum peer_role role,
    const struct instance *after);

#endif
