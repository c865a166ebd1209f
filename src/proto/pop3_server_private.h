/*
 * What the files of the POP3 server share: pop3_server.c moves the session on,
 * pop3_login.c lets the client in, pop3_dialog.c knows the commands. Nobody else
 * includes this.
 */
#ifndef AMPEL_PROTO_POP3_SERVER_PRIVATE_H
#define AMPEL_PROTO_POP3_SERVER_PRIVATE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "proto/pop3_server.h"

enum pop3_state {
	POP3_STATE_NEW,           /* not greeted yet */
	POP3_STATE_AUTHORIZATION,
	POP3_STATE_EXCHANGE,      /* behind AUTH: the next line is no command */
	POP3_STATE_TRANSACTION,
	POP3_STATE_LISTING,       /* in the lines that LIST or UIDL tells */
	POP3_STATE_MESSAGE,       /* in the text that RETR or TOP sends */
	POP3_STATE_CLOSING,
	POP3_STATES
};

enum pop3_question {
	POP3_NO_QUESTION,
	POP3_QUESTION_LOGIN,
	POP3_QUESTION_MESSAGE,
	POP3_QUESTION_UPDATE,
};

/* "+OK text", "-ERR text". */
void pop3_server_accept(struct pop3_server *s, const char *text);
void pop3_server_reject(struct pop3_server *s, const char *text);
/* The same for what a client should not have sent: it counts as an error. */
void pop3_server_blame(struct pop3_server *s, const char *text);

void pop3_server_ask(struct pop3_server *s, enum pop3_question question);
/* CLOSING. Nothing is said and nothing removed. */
void pop3_server_end(struct pop3_server *s);

/* One command line, without its CRLF, in the states AUTHORIZATION and TRANSACTION. */
void pop3_dialog_command(struct pop3_server *s, struct bytes line);
/* Tell some more, in the state LISTING. */
void pop3_dialog_list(struct pop3_server *s);

/* The commands by which a client names itself. */
void pop3_login_user(struct pop3_server *s, struct bytes arg);
void pop3_login_pass(struct pop3_server *s, struct bytes arg);
void pop3_login_auth(struct pop3_server *s, struct bytes arg);
/* A line without its CRLF, in the state EXCHANGE; it was none. */
void pop3_login_line(struct pop3_server *s, struct bytes line);
void pop3_login_abandon(struct pop3_server *s);
/* User and password are wiped, an exchange is over. */
void pop3_login_forget(struct pop3_server *s);

#endif
