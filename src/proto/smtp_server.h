/*
 * The server's side of SMTP, RFC 5321, with PIPELINING (RFC 2920), SIZE (RFC
 * 1870), 8BITMIME (RFC 6152), CHUNKING (RFC 3030), DSN (RFC 3461), SMTPUTF8 (RFC 6531),
 * ENHANCEDSTATUSCODES (RFC 2034), STARTTLS (RFC 3207), AUTH (RFC 4954) and the duties of
 * submission (RFC 6409): one session as an engine without I/O. The driver feeds bytes, takes events in a loop, answers
 * questions, and sends output.
 *
 *     smtp_server_init; smtp_server_greet or smtp_server_refuse
 *     repeat:  smtp_server_next() until MORE, WAIT, FLUSH or CLOSE
 *              send smtp_server_output(), smtp_server_sent()
 *              MORE: read, smtp_server_feed; WAIT: the answer's callback pumps again;
 *              FLUSH: pump again when the output is sent
 *
 * At most one question is open. While it is, input may still be fed, up to
 * SMTP_INPUT_MAX (smtp_server_room); it waits. The output is the same for every
 * way to cut the input.
 *
 * The session holds no memory for input, output or a transaction while idle.
 */
#ifndef AMPEL_PROTO_SMTP_SERVER_H
#define AMPEL_PROTO_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/id.h"
#include "mail/listener.h"
#include "proto/sasl.h"
#include "proto/smtp_data.h"
#include "proto/smtp_line.h"
#include "proto/smtp_reply.h"
#include "proto/smtp_transaction.h"

enum {
	SMTP_INPUT_MAX = 64 * 1024 + 4096, /* unprocessed input that may wait */
	SMTP_BODY_CHUNK = 16 * 1024,       /* the most that one SMTP_BODY carries */
	SMTP_OUTPUT_HIGH = 4 * 1024,       /* that much output asks to be sent */
	SMTP_HELO_MAX = 255,
	SMTP_TLS_MAX = 127, /* of the text that describes TLS */
	SMTP_SUFFIX_MAX = 255, /* of smtp_server_grant */
	SMTP_QUEUE_RECIPIENTS_MAX = 10 * 1000, /* of a transaction with XQUEUE */
};

/* Per listener; lives longer than its sessions. */
struct smtp_policy {
	struct bytes hostname;
	struct bytes greeting;       /* in the greeting, instead of it; empty: the same */
	struct bytes listener;
	uint64_t     size_max;       /* bytes as sent on the wire, dots removed */
	size_t       recipients_max;
	size_t       errors_max;
	size_t       hops_max;
	bool         bounce_single_recipient;
	bool         refuse_relay_probes;
	bool         has_no_dsn;     /* DSN is not offered: who takes the mail has no place for it */
	/* LISTENER_STARTTLS: offered; _REQUIRED: nothing but EHLO, NOOP, QUIT, RSET, HELP and
	 * STARTTLS before it (530 5.7.0). */
	enum listener_tls tls;
	/*
	 * A submission service: AUTH is offered once TLS is there, and required before MAIL
	 * (530 5.7.0); missing Date and Message-ID fields are added. False: AUTH is
	 * not offered and not accepted, in any state, under TLS or not (502 5.5.1).
	 */
	bool              auth;
	bool              any_sender;  /* the reverse-path is not asked about */
	bool              hide_client; /* Received: of a user does not tell where he is */
	/*
	 * The clients are accounts of this host: smtp_server_account says which. They may
	 * relay, from any reverse-path; missing fields are added as for submission.
	 *
	 * VRFY is answered, by SMTP_ASK_RECIPIENT: 250 for a recipient of ours, 550 5.1.1 for one that
	 * does not exist, 551 5.1.6 for one that is not ours, 451 (RFC 5321 section 3.5.3).
	 *
	 * XQUEUE is offered: a transaction whose MAIL has this parameter is taken as
	 * qmail-queue(8) takes one. Nobody is asked about its recipients, who may be up to
	 * SMTP_QUEUE_RECIPIENTS_MAX (whoever does not exist comes back as a notification), and
	 * no fields are added but Received. With XVERP beside it the reverse-path is another one
	 * for each recipient (mail/verp.h).
	 */
	bool              is_local;
};

enum smtp_event {
	SMTP_MORE,          /* nothing to do before more input comes */
	SMTP_WAIT,          /* a question is open */
	SMTP_FLUSH,         /* much output waits: send it before calling again */
	SMTP_HANDSHAKE,     /* send the output, then the handshake, then smtp_server_secured */
	SMTP_ASK_AUTH,      /* question: smtp_server_user, _password; answer_auth */
	SMTP_ASK_SENDER,    /* question: is smtp_server_sender the user's own? answer_sender */
	SMTP_ASK_RECIPIENT, /* question: smtp_server_recipient; answer_recipient */
	SMTP_ASK_DATA,      /* question: open a message file; answer_data */
	SMTP_BODY,          /* mail data to store: smtp_server_body */
	SMTP_COMMIT,        /* question: message and envelope are whole; answer_commit */
	SMTP_DISCARD,       /* a transaction that has a file is void: drop it */
	SMTP_CLOSE,         /* send the output, then close */
};

enum smtp_recipient_answer {
	SMTP_RECIPIENT_OK,
	SMTP_RECIPIENT_UNKNOWN,   /* 550 5.1.1 */
	SMTP_RECIPIENT_NOT_OURS,  /* who may relay: ok; others 550 5.7.1 relaying denied */
	SMTP_RECIPIENT_TRY_LATER, /* 451 4.3.0 */
	SMTP_RECIPIENT_LIMIT,     /* 450 4.7.1 too many recipients today */
	SMTP_RECIPIENT_BAD_SENDER, /* 553 5.7.1: it is the reverse-path that is refused */
};

enum smtp_auth_answer {
	SMTP_AUTH_NO,        /* 535 5.7.8, the same for every reason */
	SMTP_AUTH_YES,
	SMTP_AUTH_TRY_LATER, /* 454 4.7.0 */
};

enum smtp_sender_answer {
	SMTP_SENDER_NOT_OWN,   /* 553 5.7.1 */
	SMTP_SENDER_OWN,
	SMTP_SENDER_TRY_LATER, /* 451 4.3.0 */
};

/* A command or a message was refused, code 4xx or 5xx. */
struct smtp_refusal {
	struct smtp_reply      reply;
	struct bytes           recipient; /* as written; empty: it is about none */
	const struct envelope *envelope;  /* NULL: no transaction is open */
	bool                   closes;    /* the session ends with it */
};

typedef void smtp_refused(const struct smtp_refusal *refusal, void *context);

struct smtp_server {
	/* Private. In the header so that the driver can embed it. */
	const struct smtp_policy *policy;
	struct bytes              peer_address, peer_name;
	smtp_refused             *refused;
	void                     *refused_context;
	bool                      may_relay;
	uint64_t                  size_max; /* the policy's, or what was granted */
	struct buf                suffix;
	bool                      esmtp;
	bool                      is_secure;
	struct buf                tls;      /* what smtp_server_secured was told */
	struct buf                user;     /* who authenticated, or what his account is */
	uint32_t                  uid;      /* and its number */
	struct sasl               sasl;
	struct buf                sender;   /* asked for: its canonical form */
	bool                      stopping;
	int                       state;
	int                       question;
	bool                      is_asked; /* the question was handed out */
	struct smtp_line          line;
	struct buf                in;
	size_t                    in_used;
	struct buf                out;
	struct buf                helo;
	size_t                    errors;
	struct smtp_transaction   transaction;
	struct buf                recipient; /* asked for: its canonical form */
	struct buf                original;  /* and as it was written */
	struct buf                orcpt;     /* and what else was said of it */
	uint8_t                   notify;
	struct smtp_bdat          bdat;      /* whose octets come, or whose question is open */
	bool                      is_chunked; /* the message comes by BDAT */
	struct smtp_data          data;
	struct header_filter      header;
	struct buf                decoded;
	struct buf                body;
	bool                      body_shown;  /* the next call drops it */
	bool                      body_failed;
	bool                      has_file;    /* the driver holds one for us */
	bool                      discard_due;
};

/* peer_* borrow for the session's life. may_relay: an inside host. */
void smtp_server_init(struct smtp_server *s, const struct smtp_policy *policy,
    struct bytes peer_address, struct bytes peer_name, bool may_relay);
void smtp_server_finish(struct smtp_server *s);

/*
 * For the log: told of each refusal from inside the calls below, but not of what came
 * with answer_commit. Its views live for that call.
 */
void smtp_server_watch(
    struct smtp_server *s, smtp_refused *refused, void *context);

/*
 * What rules say of this client, before smtp_server_greet; suffix is copied, of at most
 * SMTP_SUFFIX_MAX. It is put behind each recipient, as qmail does with the value of RELAYCLIENT:
 * the address that is asked for and stored is the recipient and suffix, split at its last '@'.
 * size_max replaces that of the policy; UINT64_MAX: no limit.
 */
void smtp_server_grant(
    struct smtp_server *s, struct bytes suffix, uint64_t size_max);

/*
 * On a listener that is_local, before smtp_server_greet: the account at the other end. name
 * is copied.
 */
void smtp_server_account(struct smtp_server *s, struct bytes name, uint32_t uid);

/* The greeting; or instead of it a refusal (421, 554), which closes. */
void smtp_server_greet(struct smtp_server *s);
void smtp_server_refuse(struct smtp_server *s, struct smtp_reply reply);

/* How much may be fed now. */
size_t smtp_server_room(const struct smtp_server *s);
/* Copies. Feeding more than the room ends the session with 421. */
void   smtp_server_feed(struct smtp_server *s, struct bytes input);

enum smtp_event smtp_server_next(struct smtp_server *s);

/*
 * The connection is under TLS from here on; tls describes it ("TLSv1.3 ..."). On a listener
 * with TLS from the first byte: before smtp_server_greet. Behind SMTP_HANDSHAKE: nothing that
 * was said before counts (RFC 3207 section 4.2). Bytes that are fed between STARTTLS and this call were
 * sent in the clear: they are thrown away, 501 5.5.4, and the session ends; when they were there
 * before the 220 could go out, the 501 stands in its place.
 */
void smtp_server_secured(struct smtp_server *s, struct bytes tls);

/*
 * SMTP_ASK_AUTH: live until the answer, which wipes the password; smtp_refused may still
 * read the user.
 */
struct bytes smtp_server_user(const struct smtp_server *s);
struct bytes smtp_server_password(const struct smtp_server *s);
/* user: his name as the server spells it, copied; only with YES. */
void smtp_server_answer_auth(
    struct smtp_server *s, enum smtp_auth_answer answer, struct bytes user);
/* Who authenticated, or the account; empty: nobody. */
struct bytes smtp_server_authenticated(const struct smtp_server *s);

/* SMTP_ASK_SENDER: the canonical form of the reverse-path; lives until it is answered. */
struct bytes smtp_server_sender(const struct smtp_server *s);
void smtp_server_answer_sender(
    struct smtp_server *s, enum smtp_sender_answer answer);

/* SMTP_ASK_RECIPIENT: its canonical form; lives until it is answered. */
struct bytes smtp_server_recipient(const struct smtp_server *s);
void smtp_server_answer_recipient(
    struct smtp_server *s, enum smtp_recipient_answer answer);

/*
 * SMTP_ASK_DATA: with id and time the engine answers 354, or takes the first chunk of
 * BDAT, and brings the Received field as the first SMTP_BODY; with id NULL it answers
 * 451 4.3.0. The envelope's id and arrival are then set.
 */
void smtp_server_answer_data(
    struct smtp_server *s, const struct id *id, uint64_t now_ms);

/* SMTP_BODY: lives until the next call. LF line ends. */
struct bytes smtp_server_body(const struct smtp_server *s);
/* The message cannot be stored: the rest of the data is read, then 452 4.3.1. */
void         smtp_server_body_failed(struct smtp_server *s);

/*
 * SMTP_COMMIT: the envelope, size_bytes set (what SMTP_BODY brought); lives until
 * the answer. When the answer's code is 250 the message is safe.
 */
const struct envelope *smtp_server_envelope(const struct smtp_server *s);
void smtp_server_answer_commit(struct smtp_server *s, struct smtp_reply reply);

/* What is to be sent; and how much of it was. */
struct bytes smtp_server_output(const struct smtp_server *s);
void         smtp_server_sent(struct smtp_server *s, size_t n);

/* Which deadline runs: for the next command, or for the next block of data. */
bool smtp_server_is_in_data(const struct smtp_server *s);
/* Whether a transaction is open (MAIL was accepted). */
bool smtp_server_is_in_transaction(const struct smtp_server *s);
/* A deadline passed: 421 4.4.2, then SMTP_DISCARD if due, SMTP_CLOSE. */
void smtp_server_timeout(struct smtp_server *s);
/*
 * The service stops: an idle session gets 421 4.3.2 and closes at once; a
 * transaction in flight goes on to its end, then the session closes so.
 */
void smtp_server_shutdown(struct smtp_server *s);
/* The client is gone: SMTP_DISCARD if due, then SMTP_CLOSE. An open question dies. */
void smtp_server_gone(struct smtp_server *s);

#endif
