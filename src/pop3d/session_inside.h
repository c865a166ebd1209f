/* For session.c and session_*.c alone: what a session is. */
#ifndef AMPEL_POP3D_SESSION_INSIDE_H
#define AMPEL_POP3D_SESSION_INSIDE_H

#include "pop3d/session.h"
#include "pop3d/worker.h"
#include "proto/pop3_server.h"

struct session {
	struct client         client;
	struct pop3_server    pop3;
	struct worker        *worker;
	struct policy        *policy;
	struct auth_question *login;
	int                   mailbox;     /* our end of what mailbox is to have; -1 */
	struct drop          *drop;        /* NULL: no password was right yet */
	char                 *user;
	const char           *refusal;     /* instead of the greeting */
	size_t                turn_bytes;  /* that were sent in this turn of the loop */
	bool                  is_listed;   /* the maildrop is there */
	bool                  is_updating; /* which nobody takes back */
	size_t                n_messages, n_removed, n_failed;
	uint64_t              n_fetched, octets_fetched;
};

/* The engine's questions: to auth and, after its yes, to mailbox. */
void session_ask_login(struct session *s);
void session_ask_message(struct session *s);
void session_give_text(struct session *s);
void session_ask_update(struct session *s);
/* Whether a question is open that is answered in time by itself. */
bool session_is_asking(struct session *s, uint64_t now_ms);
/* Whether one is open that nobody wants to be answered when the client is gone. */
bool session_is_logging_in(const struct session *s);
void session_forget_questions(struct session *s);

#endif
