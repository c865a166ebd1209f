/* For session.c and session_*.c alone: what a session is. */
#ifndef AMPEL_SMTPD_SESSION_INSIDE_H
#define AMPEL_SMTPD_SESSION_INSIDE_H

#include "proto/smtp_server.h"
#include "service/auth_client.h"
#include "smtpd/session.h"
#include "smtpd/worker.h"

/* Without memory of its own while it is idle. */
struct session {
	struct client            client;
	struct smtp_server       smtp;
	struct message           message;
	struct worker           *worker;
	struct policy           *policy;
	struct auth_question    *login;
	struct commit           *commit;
	const struct smtp_reply *refusal; /* instead of the greeting */
	char                    *peer_name; /* NULL: unknown */
	bool                     secures; /* the handshake is due */
	unsigned                 n_refusals;
};

/* The engine's questions to lookup and auth. An answer that cannot come is "try later". */
void session_ask_auth(struct session *s);
void session_ask_sender(struct session *s);
void session_ask_recipient(struct session *s);
/* Whether one is open that answers in time by itself. */
bool session_is_asking(const struct session *s);

/* The message: its file, what is stored in it, and where it is handed to. */
void session_open_message(struct session *s);
void session_store_body(struct session *s);
void session_commit(struct session *s);
/* Nobody took it in time. */
void session_give_up_commit(struct session *s);
void session_discard_message(struct session *s);

#endif
