/*
 * One client's session: the driver of the POP3 engine. It joins the engine's questions
 * to auth and to the user's maildrop, its output to the wire, and keeps time.
 */
#ifndef AMPEL_POP3D_SESSION_H
#define AMPEL_POP3D_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct worker;
struct session;

/* Accept a client. False: no memory, it still waits to be accepted. */
bool session_begin(struct worker *w, uv_stream_t *listening);

/* first: the worker's list; NULL is allowed. */
void sessions_check_deadlines(struct session *first, uint64_t now_ms);
/* They end between two commands. */
void sessions_shut_down(struct session *first);

#endif
