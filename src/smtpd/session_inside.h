/* For session.c and session_*.c alone: what a session is. */
#ifndef AMPEL_SMTPD_SESSION_INSIDE_H
#define AMPEL_SMTPD_SESSION_INSIDE_H

#include "proto/smtp_server.h"
#include "service/auth_client.h"
#include "service/lookup_client.h"
#include "service/wire.h"
#include "smtpd/session.h"
#include "smtpd/worker.h"

enum session_state {
	SESSION_CONNECTING, /* may that address connect? The engine has not begun */
	SESSION_SECURING,   /* the handshake; the engine waits for its end */
	SESSION_OPEN,
	SESSION_LINGERING,  /* all is said; until the client has read it */
	SESSION_CLOSED,
};

/* Without memory of its own while it is idle. */
struct session {
	struct wire              wire;
	struct smtp_server       smtp;
	struct message           message;
	enum session_state       state;
	struct session          *next, *before;
	struct worker           *worker;
	struct policy           *policy;
	struct lookup_question  *question;
	struct auth_question    *login;
	struct commit           *commit;
	const struct smtp_reply *refusal; /* instead of the greeting */
	uint64_t                 began_ms, deadline_ms;
	bool                     secures;   /* the handshake is due */
	bool                     has_ended; /* nothing more comes from the client */
	unsigned                 n_refusals;
	uint8_t                  address[16];
	char                     peer[INET6_ADDRSTRLEN];
};

/* The story goes on: an answer came, input, or room for output. */
void session_pump(struct session *s);

/* The engine's questions to lookup and auth. An answer that cannot come is "try later". */
void session_ask_auth(struct session *s);
void session_ask_sender(struct session *s);
void session_ask_recipient(struct session *s);
/* Whether one is open that answers in time by itself. */
bool session_is_asking(const struct session *s);
void session_forget_questions(struct session *s);

/* The message: its file, what is stored in it, and where it is handed to. */
void session_open_message(struct session *s);
void session_store_body(struct session *s);
void session_commit(struct session *s);
/* Nobody took it in time. */
void session_give_up_commit(struct session *s);
void session_discard_message(struct session *s);

#endif
