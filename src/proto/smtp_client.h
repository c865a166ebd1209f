/*
 * The client's side of SMTP, RFC 5321, as it is needed between servers: one connection as
 * an engine without I/O, any number of transactions on it one after the other. EHLO
 * with a fall-back to HELO, PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC
 * 6152), SMTPUTF8 (RFC 6531), CHUNKING (RFC 3030), DSN (RFC 3461), STARTTLS (RFC 3207),
 * AUTH PLAIN and LOGIN (RFC 4954), ENHANCEDSTATUSCODES (RFC 2034).
 *
 *     smtp_client_new
 *     repeat:  smtp_client_next(), do what it says, until MORE, IDLE or CLOSE
 *              send smtp_client_output(), smtp_client_sent()
 *              MORE: read, smtp_client_feed; it did not come in time: smtp_client_timeout
 *
 * The result of every transaction is an outcome for each of its recipients; a
 * connection that ends before that says by its fault whether another host may be
 * tried. The same for every way to cut the input. What the server says is hostile: a reply is
 * bounded in lines and length, its text is cut to printable ASCII before anybody sees it.
 *
 * Nothing but well-formed lines leaves: lines of the message end with CRLF, a lone
 * CR or LF never goes out, a dot at the front of a line is doubled (DATA).
 *
 * A server with PIPELINING and CHUNKING gets BDAT, a chunk for each smtp_client_body: a
 * message of one chunk goes out with its envelope, without a round trip for 354.
 */
#ifndef AMPEL_PROTO_SMTP_CLIENT_H
#define AMPEL_PROTO_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "mail/envelope.h"
#include "mail/outcome.h"

enum {
	SMTP_CLIENT_LINE_MAX = 2048,   /* of a reply line with its end; longer ones are a fault */
	SMTP_CLIENT_LINES_MAX = 100,   /* of one reply */
	SMTP_CLIENT_TEXT_MAX = 1000,   /* of a reply, as outcomes carry it */
	SMTP_CLIENT_BODY_CHUNK = 32 * 1024, /* the most that one smtp_client_body takes */
	SMTP_CLIENT_RECIPIENTS_MAX = 100, /* of one transaction */
	SMTP_CLIENT_QUEUE_RECIPIENTS_MAX = 10 * 1000, /* of one that is all_or_none */
};

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NEVER,
	SMTP_CLIENT_TLS_MAY,     /* STARTTLS when it is offered; refused (4xx, 5xx): goes on in the clear */
	SMTP_CLIENT_TLS_MUST,    /* not offered or refused: FAULT_TLS, in the clear nothing but QUIT */
	SMTP_CLIENT_TLS_ALREADY, /* the connection is under TLS from the first byte on */
};

/* Views live as long as the connection. */
struct smtp_client_policy {
	struct bytes         hostname; /* ours, for EHLO; a server that calls itself so is we: FAULT_LOOP */
	enum smtp_client_tls tls;
	struct bytes         user;     /* empty: no AUTH. Needs TLS_MUST or _ALREADY */
	struct bytes         password; /* the caller's, who wipes it */
	bool                 is_own;   /* our own listener "local": no loop check */
};

enum smtp_client_event {
	SMTP_CLIENT_MORE,      /* send the output; nothing more before input comes */
	SMTP_CLIENT_HANDSHAKE, /* send the output, shake hands, then smtp_client_secured */
	SMTP_CLIENT_IDLE,      /* ready: smtp_client_begin, smtp_client_quit; feed what comes */
	SMTP_CLIENT_BODY,      /* mail data is wanted, as much as there is: smtp_client_body */
	SMTP_CLIENT_FLUSH,     /* much output waits, or a secret: send it before calling again */
	SMTP_CLIENT_DONE,      /* the transaction is over: smtp_client_outcome of each recipient */
	SMTP_CLIENT_CLOSE,     /* send the output, close; see smtp_client_fault */
};

/*
 * Why a connection cannot be used, any more. Whether another host of the destination may
 * be tried, DESIGN section 8: yes for all but LOOP.
 */
enum smtp_client_fault {
	SMTP_CLIENT_FAULT_NONE,      /* ended by us: QUIT, abort, a message that may not go out */
	SMTP_CLIENT_FAULT_TEMPORARY, /* greeting, EHLO and HELO or AUTH answered 4xx; 421 at any time */
	SMTP_CLIENT_FAULT_PERMANENT, /* ... 5xx: for good only if all hosts say so */
	SMTP_CLIENT_FAULT_PROTOCOL,  /* what came was no reply, or one that cannot stand there */
	SMTP_CLIENT_FAULT_TLS,       /* no TLS where it must be, or the handshake failed */
	SMTP_CLIENT_FAULT_LOST,      /* closed, reset */
	SMTP_CLIENT_FAULT_TIMEOUT,
	SMTP_CLIENT_FAULT_LOOP,      /* it is ourselves: 5.4.6 */
};

/* One message to several recipients of one destination. Views live until DONE. */
struct smtp_transaction_out {
	struct bytes       reverse_path; /* as mail/verp.h has it: XQUEUE must be offered */
	enum envelope_ret  ret;
	struct bytes       envid;
	enum envelope_body body;      /* as it was received; BINARYMIME never leaves */
	bool               smtputf8;  /* the message needs it: header or addresses */
	uint64_t           size_bytes; /* as stored, LF line ends */
	bool               has_8bit;  /* mail data has octets above 127 */
	/*
	 * Once one recipient is refused nothing is sent, and the others' outcome is deferred
	 * 4.5.0. XQUEUE is said where it is offered (proto/smtp_server.h).
	 */
	bool               all_or_none;

	const struct envelope_recipient *recipients;
	size_t                           n_recipients;
};

struct smtp_client; /* owned by who made it */

/* NULL: no memory. */
struct smtp_client *smtp_client_new(const struct smtp_client_policy *policy);
/* Wipes and frees. NULL is allowed. */
void                smtp_client_free(struct smtp_client *c);

enum smtp_client_event smtp_client_next(struct smtp_client *c);

/* How much may be fed now; and feed it. Copies. */
size_t smtp_client_room(const struct smtp_client *c);
void   smtp_client_feed(struct smtp_client *c, struct bytes input);

struct bytes smtp_client_output(const struct smtp_client *c);
void         smtp_client_sent(struct smtp_client *c, size_t n);

/*
 * HANDSHAKE is over. Input that was fed behind the reply to STARTTLS and before this is
 * thrown away, and a fault (a reply injected by somebody in between). EHLO is
 * said again. Not ok: FAULT_TLS with that text, the driver's (what libssl says), copied.
 */
void smtp_client_secured(struct smtp_client *c, bool ok, struct bytes why);

/*
 * IDLE: a new transaction. What the server cannot take is refused without asking it, by
 * the RFCs: larger than its SIZE (5.3.4), SMTPUTF8 needed and not offered (5.6.7),
 * 8-bit data and no 8BITMIME (5.6.3; it is not converted). Recipients go out together with
 * MAIL and DATA where PIPELINING is offered. The reverse-path's null form and DSN
 * parameters as RFC 3461 section 5.2 has it. When the connection has ended since IDLE,
 * CLOSE follows, and the transaction is untried.
 */
void smtp_client_begin(struct smtp_client *c, const struct smtp_transaction_out *t);
/*
 * BODY: the next piece of the message with LF line ends, at most SMTP_CLIENT_BODY_CHUNK.
 * is_last: nothing follows, and the piece may be empty. A message of another size than it was
 * said to have, or that cannot be read (smtp_client_abort), is never ended: the connection
 * is closed before the final dot. So is one with a bare CR or NUL, for good: failed 5.6.0. CR LF
 * counts as a line end here too.
 */
void smtp_client_body(struct smtp_client *c, struct bytes text, bool is_last);
/* The transaction cannot go on, from our side: closes without ending the data. Each open outcome: deferred 4.3.0. */
void smtp_client_abort(struct smtp_client *c);
/* Say QUIT, then CLOSE; in a transaction: after it. */
void smtp_client_quit(struct smtp_client *c);

/*
 * What did not come in time; the connection is closed or reset, nothing can be read or sent. Then
 * smtp_client_next: replies that were fed before still count, CLOSE comes in the end.
 */
void smtp_client_timeout(struct smtp_client *c);
void smtp_client_gone(struct smtp_client *c);

/*
 * Which of RFC 5321 section 4.5.3.2's deadlines runs, in parts of the configured time for one
 * reply (5 min): greeting, MAIL, RCPT 1; DATA, blocks of data 1/2; the final dot 2. In ms.
 */
uint64_t smtp_client_deadline_ms(const struct smtp_client *c, uint64_t timeout_ms);

/*
 * DONE, or CLOSE while a transaction was open: of recipient i. Lives until the next begin or free. host and
 * protection are empty: the driver knows them. A connection that ended before MAIL was answered (421 is
 * no answer to MAIL), and not by smtp_client_abort, leaves the outcome deferred with
 * smtp_client_is_untried true: the same message may be given to another host at once.
 */
struct outcome smtp_client_outcome(const struct smtp_client *c, size_t i);
bool           smtp_client_is_untried(const struct smtp_client *c);
/* Whether the end of the data was sent and its reply never came: perhaps delivered. */
bool           smtp_client_is_in_doubt(const struct smtp_client *c);

enum smtp_client_fault smtp_client_fault(const struct smtp_client *c);
/* For people: the reply, verbatim, or what was wrong; printable. status: of the fault. */
struct bytes           smtp_client_fault_text(const struct smtp_client *c);
struct status          smtp_client_fault_status(const struct smtp_client *c);
bool                   smtp_client_fault_is_reply(const struct smtp_client *c);

/* Offered in EHLO: for logs, and what the driver decides by. */
bool     smtp_client_has_starttls(const struct smtp_client *c);
/* As it calls itself in its reply to EHLO or HELO; "" before that, or when it is no host name. As long as c. */
struct bytes smtp_client_server_name(const struct smtp_client *c);
/* Transactions that it has ended well. */
unsigned smtp_client_transactions(const struct smtp_client *c);

#endif
