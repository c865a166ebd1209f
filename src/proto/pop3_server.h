/*
 * The server's side of POP3, RFC 1939, with CAPA (RFC 2449), PIPELINING, RESP-CODES,
 * AUTH-RESP-CODE (RFC 3206), UIDL, TOP, UTF8 (RFC 6856) and AUTH PLAIN with an
 * initial response (RFC 5034): one session as an engine without I/O. The driver
 * speaks TLS below it, always: there is no STLS and no APOP.
 *
 *     pop3_server_init; pop3_server_greet or pop3_server_refuse
 *     repeat:  pop3_server_next() until MORE, WAIT, FLUSH or CLOSE
 *              send pop3_server_output(), pop3_server_sent()
 *              MORE: read, pop3_server_feed; WAIT: the answer's callback pumps again;
 *              FLUSH: pump again when the output is sent
 *
 * At most one question is open. While it is, input may still be fed, up to
 * pop3_server_room; it waits. The output is the same for every way to cut the input.
 * An idle session holds no memory for input or output.
 */
#ifndef AMPEL_PROTO_POP3_SERVER_H
#define AMPEL_PROTO_POP3_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proto/pop3_maildrop.h"
#include "proto/pop3_text.h"
#include "proto/sasl.h"

enum {
	POP3_LINE_MAX = 255,        /* RFC 2449 section 4, CRLF included; behind AUTH: SASL_LINE_MAX */
	POP3_INPUT_MAX = 16 * 1024,
	POP3_TEXT_MAX = 16 * 1024,  /* the most that one pop3_server_text may bring */
	POP3_OUTPUT_HIGH = 16 * 1024,
	POP3_LOGINS_MAX = 3,        /* that came to nothing, of a session; then it ends */
};

/* Per listener; lives longer than its sessions. */
struct pop3_policy {
	struct bytes hostname;
	size_t       errors_max;
};

enum pop3_event {
	POP3_MORE,        /* nothing to do before more input comes */
	POP3_WAIT,        /* a question is open */
	POP3_FLUSH,       /* much output waits: send it before calling again */
	POP3_ASK_LOGIN,   /* question: pop3_server_user, _password; answer_login */
	POP3_ASK_MESSAGE, /* question: open message pop3_server_number; answer_message */
	POP3_ASK_TEXT,    /* its next piece, at once: pop3_server_text */
	POP3_MESSAGE_DONE, /* it is no longer needed: close it */
	POP3_ASK_UPDATE,  /* question: remove what pop3_server_is_deleted; answer_update */
	POP3_CLOSE,       /* send the output, then close; nothing is removed */
};

enum pop3_login {
	POP3_LOGIN_NO,        /* -ERR [AUTH], the same for every reason */
	POP3_LOGIN_OK,        /* with the maildrop's list */
	POP3_LOGIN_TRY_LATER, /* -ERR [SYS/TEMP]: passwords or the mailbox could not be read */
};

struct pop3_server {
	/* Private. In the header so that the driver can embed it. */
	const struct pop3_policy *policy;
	int                  state;
	int                  question;
	bool                 is_asked;      /* the question was handed out */
	bool                 is_stopping;
	bool                 is_skipping;   /* the rest of a line that was too long is dropped */
	struct buf           in;
	size_t               in_used;
	struct buf           out;
	struct buf           user;
	struct buf           password;
	struct sasl          sasl;
	size_t               errors;
	size_t               logins;        /* that came to nothing */
	struct pop3_maildrop maildrop;
	size_t               number;        /* of the message, or of the next one in a listing */
	bool                 is_uidl;       /* what the listing tells */
	bool                 is_top;
	uint64_t             lines;         /* that RETR or TOP wants of the body */
	struct pop3_text     text;
	bool                 has_message;   /* the driver holds it open for us */
	bool                 done_due;
};

void pop3_server_init(struct pop3_server *s, const struct pop3_policy *policy);
/* Wipes and frees. */
void pop3_server_finish(struct pop3_server *s);

void pop3_server_greet(struct pop3_server *s);
/* Instead: "-ERR [SYS/TEMP] text", and close. */
void pop3_server_refuse(struct pop3_server *s, struct bytes text);

size_t pop3_server_room(const struct pop3_server *s);
/* Copies. Feeding more than the room ends the session. */
void   pop3_server_feed(struct pop3_server *s, struct bytes input);

enum pop3_event pop3_server_next(struct pop3_server *s);

/* POP3_ASK_LOGIN: live until the answer, which wipes the password. */
struct bytes pop3_server_user(const struct pop3_server *s);
struct bytes pop3_server_password(const struct pop3_server *s);
/* With OK: the list of n messages, checked by maildrop_is_list; it lives as long as s. */
void pop3_server_answer_login(
    struct pop3_server *s, enum pop3_login answer, struct bytes list, size_t n);
bool pop3_server_is_logged_in(const struct pop3_server *s);

/* POP3_ASK_MESSAGE: its number, from 1; the first is 1. */
size_t pop3_server_number(const struct pop3_server *s);
/* False: it cannot be read; -ERR. */
void   pop3_server_answer_message(struct pop3_server *s, bool is_open);
/*
 * The next piece of the message as it is stored, LF line ends (a CR before an LF is
 * that line end's); is_end: there is no more behind it. A message that ends without LF
 * gets one.
 */
void   pop3_server_text(struct pop3_server *s, struct bytes piece, bool is_end);
/*
 * It cannot be read to its end: the session ends at once, so that half a message is not
 * taken for a whole one.
 */
void   pop3_server_text_failed(struct pop3_server *s);

/* POP3_ASK_UPDATE: whether message number (from 1) is to be removed. */
bool   pop3_server_is_deleted(const struct pop3_server *s, size_t number);
size_t pop3_server_deleted_count(const struct pop3_server *s);
/* failed: so many could not be removed. */
void   pop3_server_answer_update(struct pop3_server *s, size_t failed);

struct bytes pop3_server_output(const struct pop3_server *s);
void         pop3_server_sent(struct pop3_server *s, size_t n);

/* A deadline passed: closes without a word, RFC 1939 section 3; nothing is removed. */
void pop3_server_timeout(struct pop3_server *s);
/* The service stops: between two commands the session ends so too. */
void pop3_server_shutdown(struct pop3_server *s);
/* The client is gone: MESSAGE_DONE if due, then CLOSE. An open question dies. */
void pop3_server_gone(struct pop3_server *s);

#endif
