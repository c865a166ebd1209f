/*
 * What the files of the SMTP server share: smtp_server.c moves the session on,
 * smtp_dialog.c knows the commands, smtp_starttls.c, smtp_auth.c, smtp_verify.c and smtp_bdat.c
 * those that take longer, smtp_intake.c takes the mail data. Nobody else includes this.
 */
#ifndef AMPEL_PROTO_SMTP_SERVER_PRIVATE_H
#define AMPEL_PROTO_SMTP_SERVER_PRIVATE_H

#include "base/bytes.h"
#include "proto/smtp_reply.h"
#include "proto/smtp_server.h"

/* From OPEN to DATA_END a transaction is open. */
enum smtp_state {
	SMTP_STATE_NEW,      /* not greeted yet */
	SMTP_STATE_START,    /* greeted; before EHLO or HELO */
	SMTP_STATE_READY,    /* no transaction is open */
	SMTP_STATE_AUTH,     /* the next line belongs to an exchange of SASL */
	SMTP_STATE_OPEN,     /* behind MAIL */
	SMTP_STATE_CHUNKS,   /* between two BDAT of one message */
	SMTP_STATE_DATA,     /* behind 354 */
	SMTP_STATE_CHUNK,    /* behind BDAT, whose octets come */
	SMTP_STATE_DATA_END, /* all data is here, some text not yet handed out */
	SMTP_STATE_CLOSING,
	SMTP_STATES
};

enum smtp_question {
	SMTP_NO_QUESTION,
	SMTP_QUESTION_HANDSHAKE,
	SMTP_QUESTION_AUTH,
	SMTP_QUESTION_SENDER,
	SMTP_QUESTION_RECIPIENT,
	SMTP_QUESTION_VERIFY,
	SMTP_QUESTION_DATA,
	SMTP_QUESTION_COMMIT,
};

/* A reply; a 5xx counts as an error. */
void smtp_server_reply(struct smtp_server *s, struct smtp_reply reply);
/* The same about the recipient in question: "<path>: text". */
void smtp_server_reply_recipient(struct smtp_server *s, struct smtp_reply reply);

void smtp_server_ask(struct smtp_server *s, enum smtp_question question);

/* The recipient in question becomes one of the transaction: 250. */
void smtp_server_accept_recipient(struct smtp_server *s);

/* OPEN: MAIL is accepted, for a transaction that has begun. */
void smtp_server_open_transaction(struct smtp_server *s);
/* READY: what was open is void, and the driver drops its file. */
void smtp_server_end_transaction(struct smtp_server *s);
/* CLOSING, after that reply. Calm when it is closing already. */
void smtp_server_end(struct smtp_server *s, struct smtp_reply reply);

/* Whether input waits behind what is being done. */
bool smtp_server_has_input(const struct smtp_server *s);

/* One command line, without its CRLF, in the states START, READY, OPEN and CHUNKS. */
void smtp_dialog_command(struct smtp_server *s, struct bytes line);

/* STARTTLS may be given. It must be, before anything that matters. */
bool smtp_starttls_is_offered(const struct smtp_server *s);
bool smtp_starttls_is_due(const struct smtp_server *s);
void smtp_starttls_begin(struct smtp_server *s, struct bytes arg);
/* Between STARTTLS and TLS: true, and the session ends. */
bool smtp_starttls_forbids_input(struct smtp_server *s);

bool smtp_auth_is_offered(const struct smtp_server *s);
void smtp_auth_begin(struct smtp_server *s, struct bytes arg);
/* One line of the exchange, without its CRLF, in the state AUTH. */
void smtp_auth_line(struct smtp_server *s, struct bytes line);
/* READY: the exchange has ended, what was secret in it is wiped. */
void smtp_auth_over(struct smtp_server *s);

/* Whether his right to that reverse-path is to be asked for. */
bool smtp_sender_is_asked(const struct smtp_server *s, const struct smtp_mail *mail);

void smtp_verify_begin(struct smtp_server *s, struct bytes arg);
void smtp_verify_answer(struct smtp_server *s, enum smtp_recipient_answer answer);

/* refusal: why it cannot come now, or NULL. */
void smtp_bdat_begin(
    struct smtp_server *s, struct bytes arg, const struct smtp_reply *refusal);
/* The one that came last. */
void smtp_bdat_refuse(struct smtp_server *s, struct smtp_reply reply);

/* DATA or CHUNK: the envelope has its id and arrival, mail data comes next. */
void smtp_intake_begin(struct smtp_server *s);
/* Mail data, in one of these states. Returns how much of the input was used. */
size_t smtp_intake_feed(struct smtp_server *s, struct bytes input);
/* CHUNK: all octets of the chunk were handed out. */
void smtp_intake_end_chunk(struct smtp_server *s);
/*
 * The data ended, and what is to be stored was handed out: refuse the message,
 * or ask for the commit.
 */
void smtp_intake_judge(struct smtp_server *s);

#endif
