/*
 * What service.h is for programs that live long, for a child that does one errand for
 * one peer and ends: blocking calls, no event loop, little memory, since many of them may
 * be idle at the same time.
 *
 *     supervisor                   child
 *     CONFIG -------------------->  errand_begin: sandbox
 *          <-------- PREPARED or REFUSED
 *     USER, PEER ---------------->  home, the peer's socket
 *     USE ----------------------->
 *          <-------------------- READY, errand_begin returns
 *     CONFIG ... USE                on reload: agreed to, an errand needs none of it
 *     STOP                          the process ends at once
 *
 * When the control channel closes, the supervisor is gone: the process ends at once.
 * Both are noticed while the errand waits for its peer, to receive or to send.
 *
 * Or there is no supervisor: errand_begin_alone.
 */
#ifndef AMPEL_SERVICE_ERRAND_H
#define AMPEL_SERVICE_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/message.h"

struct errand {
	/* The program's own. */
	const char    *program;    /* "ampel-mailbox" */
	enum peer_role role;       /* of its peer */
	uint64_t       open_files;

	/* What became of it. */
	char *home;      /* of the user, for whom it runs */
	bool  is_over;   /* the process is to end, with: */
	int   exit_code; /* 0: told to stop, or the peer is done */

	/* Private. */
	int      control; /* -1: there is no supervisor */
	int      peer;
	bool     is_sandboxed;
	bool     is_ready;
	uint64_t generation; /* of the configuration that came last */
};

/* First thing in main. False: it is over; a line was logged when somebody should know. */
bool errand_begin(struct errand *e);
/*
 * Instead, without a supervisor: started by a checkpassword program, which has become the user,
 * with its peer, a packet socket, as descriptor 0, and his home in the environment.
 * Never as root.
 */
bool errand_begin_alone(struct errand *e);
/*
 * The next frame of the peer, which lives until the next call. False: it is over, also because the
 * peer has closed. Descriptors that came with it are closed: nobody has to send us any.
 */
bool errand_receive(struct errand *e, struct bytes *frame);
/* Waits for room. False: it is over. Descriptors stay the caller's. */
bool errand_send(struct errand *e, struct bytes frame, const int *fds, size_t n_fds);
void errand_finish(struct errand *e);
/* The peer said what it must not: it is over, and that is logged. */
void errand_refuse(struct errand *e, struct bytes frame);

#endif
