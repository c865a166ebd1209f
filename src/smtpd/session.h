/*
 * One SMTP session over TCP: it moves bytes between the socket and the engine, and
 * questions between the engine and the neighbours.
 */
#ifndef AMPEL_SMTPD_SESSION_H
#define AMPEL_SMTPD_SESSION_H

#include <stdbool.h>
#include <uv.h>

struct session;
struct worker;

/*
 * Accept what waits at the listener. False: there is no memory now, call again later. A
 * session frees itself when its connection is closed.
 */
bool session_open(struct worker *w, uv_stream_t *listener);

/* Look at its deadline. */
void session_tick(struct session *s);
/* The service stops: end now, or when the transaction is over. */
void session_stop(struct session *s);

/* In the worker's list. */
struct session *session_next(const struct session *s);
void            session_link(struct session *s, struct session **list);
void            session_unlink(struct session *s, struct session **list);

#endif
