/*
 * What every long-lived child program does: it is started by the supervisor with a
 * control channel on descriptor 3, gets its part of the configuration, drops its
 * privileges, gets sockets and peers, says that it is ready, works, takes a new
 * configuration, stops.
 *
 *     supervisor                   child
 *     CONFIG -------------------->  prepare (the first time: sandbox)
 *          <-------- PREPARED or REFUSED
 *     LISTEN, PEER -------------->  listen, peer
 *     USE ----------------------->  use
 *          <-------------------- READY
 *     CONFIG ... USE                on reload
 *     PEER                          when a neighbour was restarted
 *     STOP ---------------------->  stop; the program ends with service_end
 *
 * When the control channel closes, the supervisor is gone: the child ends at once.
 */
#ifndef AMPEL_SERVICE_SERVICE_H
#define AMPEL_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "io/peer.h"
#include "mail/config.h"
#include "proto/message.h"

struct program {
	const char *name;       /* "ampel-smtpd" */
	bool        may_gain_privileges;
	/* The same, where it depends; by the first configuration, for good. May be NULL. */
	bool      (*would_gain_privileges)(const struct config *config);
	uint64_t    open_files; /* 0: 1024 */

	/*
	 * Before the sandbox and after, once: what needs a path outside. May be NULL.
	 * False: a line was logged, the process ends.
	 */
	bool (*before_sandbox)(const struct config *config);
	/*
	 * A configuration came. Check all that it needs; change nothing yet. False
	 * with a text: it is refused. It lives until the next `use` of another one.
	 */
	bool (*prepare)(const struct config *config, char *error, size_t size);
	/* From now on this one. The first time: begin to work. */
	void (*use)(const struct config *config);
	/* A listening socket, the program's now. NULL: this program has none. */
	void (*listen)(struct bytes name, int socket);
	/* A neighbour; socket is the program's now. It replaces an older one of that role, unless role is
	 * one of which there are many. */
	void (*peer)(enum peer_role role, uint64_t serial, struct bytes name, int socket);
	/* Finish what is in flight, then call service_end. */
	void (*stop)(void);
	/* More control messages that this program may get; may be NULL. */
	const struct peer_permit *control;
	size_t                    n_control;
	/* "name value, ..." for `ampel status`; may be NULL. */
	void (*stats)(struct buf *b);
};

/* main() of a child. Returns the exit code. */
int service_main(const struct program *program);

uv_loop_t   *service_loop(void);
/* The name of this instance ("smtp" for a listener's worker); "" before CONFIG. */
struct bytes service_instance(void);
/* A folder of this child's own, to be written: "/" in a chroot; NULL: it has none. */
const char  *service_directory(void);
/* A frame to the supervisor; descriptors stay the caller's. */
void         service_control_send(struct bytes frame, const int *fds, size_t n_fds);
/*
 * From inside `prepare`: add the secrets that came with this configuration; the caller wipes
 * them. Of a listener's worker: keys and certificates, PEM; of remote: passwords
 * (service/route_passwords.h). False: they cannot be read. None is not an error.
 */
bool         service_read_secrets(struct buf *secrets);
/* The listener's ticket key (TLS_TICKET_KEY bytes); empty: none came. */
struct bytes service_ticket_key(void);
/* Leave the loop: service_main returns code. */
void         service_end(int code);

#endif
