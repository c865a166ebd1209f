/*
 * The server's side of SASL (RFC 4422) with the two mechanisms that work with hashed
 * passwords: PLAIN (RFC 4616) and LOGIN, which is older than any RFC. SMTP (RFC 4954) and
 * POP3 (RFC 5034) carry the same lines of base64. An exchange holds a password: whoever
 * embeds it calls sasl_finish, which wipes.
 */
#ifndef AMPEL_PROTO_SASL_H
#define AMPEL_PROTO_SASL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	SASL_USER_MAX = 255,     /* octets, RFC 4616 section 2 wants that many */
	SASL_PASSWORD_MAX = 255,
	SASL_LINE_MAX = 12288,   /* octets of a line with its CRLF, RFC 4954 section 4 */
};

enum sasl_mechanism { SASL_NONE, SASL_PLAIN, SASL_LOGIN };

struct sasl {
	enum sasl_mechanism mechanism; /* SASL_NONE: no exchange is under way */
	int                 step;
	struct buf          user;
	struct buf          password;
};

enum sasl_result {
	SASL_CONTINUE,  /* send sasl_challenge in base64, the next line goes to sasl_line */
	SASL_DONE,      /* user and password are there */
	SASL_CANCELLED, /* "*" */
	SASL_MALFORMED, /* no base64, no such form, too long, an empty user or password */
	SASL_FORBIDDEN, /* in the name of another: authzid is not the user */
};

/* Zeroed is finished. Names match without case. */
enum sasl_mechanism sasl_find(struct bytes name);

/*
 * Begin. initial is the initial response in base64, "=" for an empty one (RFC 4954
 * section 4), or with p NULL: there was none. For LOGIN it is the user name.
 */
enum sasl_result sasl_begin(
    struct sasl *s, enum sasl_mechanism mechanism, struct bytes initial);
/* The client's next line, without its CRLF. Only while an exchange is under way. */
enum sasl_result sasl_line(struct sasl *s, struct bytes line);
/* What the server says, base64 already: "", "VXNlcm5hbWU6", "UGFzc3dvcmQ6". */
struct bytes     sasl_challenge(const struct sasl *s);
/* Wipes, and no exchange is under way. */
void             sasl_finish(struct sasl *s);

#endif
