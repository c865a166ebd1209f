/*
 * What the files of the SMTP server share: smtp_server.c moves the session on,
 * smtp_dialog.c knows the commands, smtp_intake.c takes the mail data. Nobody
 * else includes this.
 */
#ifndef AMPEL_PROTO_SMTP_SERVER_PRIVATE_H
#define AMPEL_PROTO_SMTP_SERVER_PRIVATE_H

#include "base/bytes.h"
#include "proto/smtp_reply.h"
#include "proto/smtp_server.h"

enum smtp_state {
	SMTP_STATE_NEW,      /* not greeted yet */
	SMTP_STATE_START,    /* greeted; before EHLO or HELO */
	SMTP_STATE_READY,    /* no transaction is open */
	SMTP_STATE_OPEN,     /* behind MAIL */
	SMTP_STATE_DATA,     /* behind 354 */
	SMTP_STATE_DATA_END, /* behind the final dot, some text not yet handed out */
	SMTP_STATE_CLOSING,
	SMTP_STATES
};

enum smtp_question {
	SMTP_NO_QUESTION,
	SMTP_QUESTION_RECIPIENT,
	SMTP_QUESTION_DATA,
	SMTP_QUESTION_COMMIT,
};

/* A reply; a 5xx counts as an error. */
void smtp_server_reply(struct smtp_server *s, struct smtp_reply reply);
/* The same about the recipient in question: "<path>: text". */
void smtp_server_reply_recipient(struct smtp_server *s, struct smtp_reply reply);

void smtp_server_ask(struct smtp_server *s, enum smtp_question question);

/* READY: what was open is void, and the driver drops its file. */
void smtp_server_end_transaction(struct smtp_server *s);
/* CLOSING, after that reply. Calm when it is closing already. */
void smtp_server_end(struct smtp_server *s, struct smtp_reply reply);

/* One command line, without its CRLF, in the states START, READY and OPEN. */
void smtp_dialog_command(struct smtp_server *s, struct bytes line);

/* Mail data, in the state DATA. Returns how much of the input was used. */
size_t smtp_intake_feed(struct smtp_server *s, struct bytes input);
/*
 * The data ended, and what is to be stored was handed out: refuse the message,
 * or ask for the commit.
 */
void smtp_intake_judge(struct smtp_server *s);

#endif
