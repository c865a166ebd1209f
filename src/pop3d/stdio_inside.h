/* For stdio_session.c and stdio_login.c alone: what a session is. */
#ifndef AMPEL_POP3D_STDIO_INSIDE_H
#define AMPEL_POP3D_STDIO_INSIDE_H

#include <stdint.h>

#include "base/buf.h"
#include "pop3d/stdio_drop.h"
#include "pop3d/stdio_session.h"
#include "proto/pop3_server.h"
#include "service/checker.h"

struct stdio_session {
	const struct stdio_setting *setting;
	struct pop3_policy          policy;
	struct pop3_server          pop3;
	struct checker              checker;
	unsigned                    n_wrong; /* passwords */
	struct buf                  user;
	struct stdio_drop           drop;
	uint64_t                    began_ms;
	uint64_t                    n_fetched, octets_fetched;
	size_t                      n_removed;
};

/* The engine's question. Who guesses waits, longer each time. */
enum pop3_login stdio_login(struct stdio_session *s);

#endif
