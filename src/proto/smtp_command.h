/*
 * One command line of SMTP, RFC 5321 section 4.1.1: its verb, its argument, and
 * what MAIL and RCPT say in theirs.
 */
#ifndef AMPEL_PROTO_SMTP_COMMAND_H
#define AMPEL_PROTO_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/address.h"
#include "mail/envelope.h"

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_AUTH,
	SMTP_BDAT,
	SMTP_DATA,
	SMTP_EHLO,
	SMTP_ETRN,
	SMTP_EXPN,
	SMTP_HELO,
	SMTP_HELP,
	SMTP_MAIL,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_RCPT,
	SMTP_RSET,
	SMTP_STARTTLS,
	SMTP_TURN,
	SMTP_VRFY,
	SMTP_VERBS
};

struct smtp_command {
	enum smtp_verb verb;
	struct bytes   arg; /* blanks around it removed; borrows from the line */
};

/*
 * Split one line, already without its CRLF. False means that the line is not a
 * command at all (answer 500): empty, a blank in front, a CR or NUL in it.
 */
bool smtp_command_parse(struct smtp_command *cmd, struct bytes line);

enum smtp_argument {
	SMTP_ARGUMENT_OK,
	SMTP_ARGUMENT_PATH,      /* 501 5.1.7, 5.1.3: no such path can be */
	SMTP_ARGUMENT_VALUE,     /* 501 5.5.4: a parameter has no such value, or stands twice */
	SMTP_ARGUMENT_PARAMETER, /* 555 5.5.4: a parameter that we did not offer */
	SMTP_ARGUMENT_UTF8,      /* 553 5.6.7: such a path needs SMTPUTF8 */
};

struct smtp_mail {
	bool               is_null; /* the null reverse-path: path is then empty */
	struct address     path;
	bool               has_size;
	uint64_t           size;    /* RFC 1870; 0 when not told */
	bool               has_body;
	enum envelope_body body;    /* RFC 6152 */
	bool               has_auth; /* RFC 4954 section 5; of no use to us */
	enum envelope_ret  ret;      /* RFC 3461 */
	bool               smtputf8; /* RFC 6531 */
	bool               xqueue, xverp; /* ours: smtp_server.h */
	struct buf         envid;    /* RFC 3461, decoded; empty: none */
};

struct smtp_rcpt {
	struct address path;   /* for <Postmaster> the domain is empty */
	uint8_t        notify; /* RFC 3461, NOTIFY_ bits */
	struct buf     orcpt;  /* and decoded; empty: none */
};

/* Parameters of MAIL that are known where they are offered, bits. */
enum { SMTP_MAIL_AUTH = 1, SMTP_MAIL_XQUEUE = 2 };

/*
 * The argument of MAIL, "FROM:<...> ...", and of RCPT, "TO:<...> ..."; paths borrow. Each
 * needs its finish in any case. offers: SMTP_MAIL_ bits; UTF-8 is allowed in RCPT when it was
 * announced in MAIL.
 */
enum smtp_argument smtp_mail_parse(
    struct smtp_mail *mail, struct bytes arg, unsigned offers);
void               smtp_mail_finish(struct smtp_mail *mail);
enum smtp_argument smtp_rcpt_parse(
    struct smtp_rcpt *rcpt, struct bytes arg, bool smtputf8);
void               smtp_rcpt_finish(struct smtp_rcpt *rcpt);

/* The argument of BDAT, RFC 3030 section 2. */
struct smtp_bdat {
	uint64_t octets;       /* that follow */
	bool     is_last;
	bool     is_malformed; /* what stands behind their number is not LAST */
};

/* False: how many octets follow cannot be known. */
bool smtp_bdat_parse(struct smtp_bdat *bdat, struct bytes arg);

#endif
