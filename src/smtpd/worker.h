/*
 * One process of a listener: its sockets, its sessions, its neighbours, and what they
 * share.
 */
#ifndef AMPEL_SMTPD_WORKER_H
#define AMPEL_SMTPD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "service/lookup_client.h"
#include "service/submit.h"
#include "smtpd/crowd.h"
#include "smtpd/message_file.h"
#include "smtpd/policy.h"

enum { WORKER_READ_MAX = 64 * 1024 };

struct session;
struct listener;

struct worker {
	uv_loop_t            *loop;
	struct policy        *policy; /* for new sessions; NULL before the first `use` */
	struct lookup_client *lookup;
	struct submit_client *submit;
	struct message_memory memory;
	struct crowd          crowd;
	struct listener      *listeners;
	struct session       *sessions;
	size_t                n_sessions;
	uv_timer_t            timer;  /* looks at all deadlines, each second */
	bool                  is_stopping;
	void                (*stopped)(void);
	char                  read[WORKER_READ_MAX]; /* what any session just read */
};

/* A zeroed worker. False: no memory. */
bool worker_begin(struct worker *w, uv_loop_t *loop);
/* Takes the reference. Listening sockets that wait are listened on from now on. */
void worker_use(struct worker *w, struct policy *policy);
/* Takes the socket. */
void worker_listen(struct worker *w, int socket);
/*
 * Accepts nothing more, lets every session end its transaction. stopped is called when the
 * last is gone, maybe from inside.
 */
void worker_stop(struct worker *w, void (*stopped)(void));
void worker_add_stats(const struct worker *w, struct buf *b);

/* For sessions: to be counted, and when its handle is closed. */
void worker_session_opened(struct worker *w, struct session *s);
void worker_session_closed(struct worker *w, struct session *s);

#endif
