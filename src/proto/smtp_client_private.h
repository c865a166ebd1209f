/*
 * What the files of the SMTP client share: smtp_client.c moves the session on and
 * knows which reply is for what, smtp_client_fault.c ends it, smtp_client_hello.c opens it,
 * smtp_client_auth.c is AUTH, smtp_client_transaction.c sends a message,
 * smtp_client_envelope.c says its commands, smtp_client_outcome.c keeps what became of each
 * recipient. Nobody else includes this.
 */
#ifndef AMPEL_PROTO_SMTP_CLIENT_PRIVATE_H
#define AMPEL_PROTO_SMTP_CLIENT_PRIVATE_H

#include "proto/smtp_client.h"
#include "proto/smtp_client_data.h"
#include "proto/smtp_client_offers.h"
#include "proto/smtp_client_reply.h"

enum { SMTP_CLIENT_NAME_MAX = 255 };

enum smtp_client_state {
	SMTP_CLIENT_STATE_OPENING,     /* up to AUTH */
	SMTP_CLIENT_STATE_HANDSHAKE,
	SMTP_CLIENT_STATE_READY,       /* no transaction is open */
	SMTP_CLIENT_STATE_TRANSACTION,
	SMTP_CLIENT_STATE_CLOSED,
};

/* What was said and has to be replied to. */
enum smtp_client_await {
	SMTP_AWAIT_GREETING,
	SMTP_AWAIT_EHLO,
	SMTP_AWAIT_HELO,
	SMTP_AWAIT_STARTTLS,
	SMTP_AWAIT_AUTH_PLAIN,    /* without initial response */
	SMTP_AWAIT_AUTH_LOGIN,
	SMTP_AWAIT_AUTH_USER,
	SMTP_AWAIT_AUTH_END,      /* the last of the credentials */
	SMTP_AWAIT_RSET,
	SMTP_AWAIT_MAIL,
	SMTP_AWAIT_RCPT,
	SMTP_AWAIT_DATA,
	SMTP_AWAIT_CHUNK,
	SMTP_AWAIT_LAST_CHUNK,
	SMTP_AWAIT_END,           /* the final dot */
	SMTP_AWAIT_EMPTY_END,     /* the same, of data that nobody gets */
	SMTP_AWAITS
};

enum { SMTP_CLIENT_CHUNKS_MAX = 16 }; /* that no reply has come to yet */

/* In the order they were said: at most RSET, MAIL, so many RCPT, and the chunks. */
struct smtp_client_queue {
	uint8_t awaits[SMTP_CLIENT_RECIPIENTS_MAX + SMTP_CLIENT_CHUNKS_MAX + 4];
	size_t  first, n;
};

enum smtp_client_stage {
	SMTP_CLIENT_STAGE_MAIL, /* to be said */
	SMTP_CLIENT_STAGE_RCPT,
	SMTP_CLIENT_STAGE_DATA,
	SMTP_CLIENT_STAGE_WAIT, /* for the reply to DATA */
	SMTP_CLIENT_STAGE_BODY, /* more of it is wanted */
	SMTP_CLIENT_STAGE_END,  /* when all replies are there */
};

struct smtp_client_recipient {
	bool           is_said;
	bool           is_settled; /* the outcome is there */
	struct outcome outcome;
};

struct smtp_client_transaction {
	struct smtp_transaction_out   out;
	enum smtp_client_stage        stage;
	struct arena                  arena;      /* recipients, and their texts */
	struct smtp_client_recipient *recipients;
	size_t                        n_said;     /* and those that are passed over */
	size_t                        n_replied;  /* likewise */
	size_t                        n_open;     /* not settled */
	size_t                        n_chunks;   /* that no reply has come to yet */
	struct smtp_client_data       data;
	bool                          needs_utf8;
	bool                          is_chunked;
	bool                          is_open;    /* from begin to DONE */
	bool                          is_tried;   /* MAIL was answered */
	bool                          is_begun;   /* with 250 */
	bool                          is_ended;   /* the end of the data was said */
	bool                          is_in_doubt;
};

struct smtp_client {
	struct smtp_client_policy      policy;
	enum smtp_client_state         state;
	struct buf                     in;
	size_t                         in_used;
	struct buf                     out;
	struct smtp_client_queue       queue;
	struct smtp_client_reply       reply;
	struct smtp_client_offers      offers;
	struct smtp_client_transaction transaction;
	enum smtp_client_fault         fault;
	struct buf                     fault_text;
	struct status                  fault_status;
	bool                           fault_is_reply;
	unsigned                       n_transactions; /* that ended well */
	char                           server_name[SMTP_CLIENT_NAME_MAX + 1];
	bool                           is_secure;
	bool                           is_injected; /* input before the handshake */
	bool                           has_secret;  /* in out */
	bool                           is_gone;     /* no more input comes */
	bool                           reset_due;   /* before the next transaction */
	bool                           done_due;
	bool                           quit_due;
};

/* What is said goes to c->out; then: its reply comes next. */
void smtp_client_await(struct smtp_client *c, enum smtp_client_await what);
/* A whole line without parameters. */
void smtp_client_say(
    struct smtp_client *c, const char *line, enum smtp_client_await what);
/* Whether some of a reply has come, and not all of it. */
bool smtp_client_is_in_reply(const struct smtp_client *c);
bool smtp_client_offers(const struct smtp_client *c, unsigned bit);

/* CLOSED, for that reason; what is open of a transaction gets it as outcome. */
void smtp_client_end(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text);
/* The same, and the reason is the reply. */
void smtp_client_end_by_reply(struct smtp_client *c, enum smtp_client_fault fault);
/* Either of them behind QUIT, where the server listens for commands. */
void smtp_client_part(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text);
void smtp_client_part_by_reply(struct smtp_client *c, enum smtp_client_fault fault);

/* What came is no reply; it is one, but cannot be `where`. */
void smtp_client_end_malformed(struct smtp_client *c,
    enum smtp_client_reply_result result, struct bytes line);
void smtp_client_end_out_of_place(struct smtp_client *c, const char *where);

/* How a reply is taken, c->reply; each for the cells of the table in smtp_client.c. */
typedef void smtp_client_taker(struct smtp_client *c);

smtp_client_taker smtp_client_greeted, smtp_client_refused;
smtp_client_taker smtp_client_ehlo_done, smtp_client_ehlo_refused, smtp_client_helo_done;
smtp_client_taker smtp_client_starttls_done, smtp_client_starttls_refused;
smtp_client_taker smtp_client_auth_plain, smtp_client_auth_user, smtp_client_auth_password;
smtp_client_taker smtp_client_auth_done;
smtp_client_taker smtp_client_rset_done;
smtp_client_taker smtp_client_mail_done, smtp_client_mail_refused;
smtp_client_taker smtp_client_rcpt_done, smtp_client_rcpt_refused;
smtp_client_taker smtp_client_data_go, smtp_client_data_refused;
smtp_client_taker smtp_client_chunk_done, smtp_client_chunk_refused;
smtp_client_taker smtp_client_message_done, smtp_client_message_refused;
smtp_client_taker smtp_client_empty_end;

/* Say EHLO. */
void smtp_client_hello(struct smtp_client *c);
/* Begin AUTH, where the policy has a user; else the session is READY. */
void smtp_client_auth_begin(struct smtp_client *c);

/* The next thing that may be said in the transaction. False: none, for now. */
bool smtp_client_transaction_speak(struct smtp_client *c);
/* Whether smtp_client_body may be called. */
bool smtp_client_transaction_wants_body(const struct smtp_client *c);
/* The outcome of recipient i, unless it has one; of all that have none. */
void smtp_client_settle(
    struct smtp_client_transaction *t, size_t i, const struct outcome *outcome);
void smtp_client_settle_all(
    struct smtp_client_transaction *t, const struct outcome *outcome);
/* By the reply, whose text is copied; for good, likewise. */
struct outcome smtp_client_outcome_of_reply(struct smtp_client *c);
void           smtp_client_settle_by_reply(struct smtp_client *c);
void           smtp_client_fail_all(
    struct smtp_client_transaction *t, struct status status, struct bytes text);
/* The connection has ended, and the fault is the outcome. */
void smtp_client_lose_all(struct smtp_client *c, struct status status, bool is_reply);

/* MAIL, or RCPT for recipient i. */
void smtp_client_envelope_mail(struct smtp_client *c);
void smtp_client_envelope_rcpt(struct smtp_client *c, size_t i);

#endif
