/*
 * The parameters of DSN in MAIL and RCPT, RFC 3461 section 4, and their xtext: as they
 * come in, and as they go out again.
 */
#ifndef AMPEL_PROTO_DSN_PARAMETER_H
#define AMPEL_PROTO_DSN_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "mail/envelope.h"

enum { DSN_ENVID_MAX = 100, DSN_ORCPT_MAX = 500 }; /* sections 4.4 and 4.2, encoded */

/* Values, without "NOTIFY=". False: 501. */
bool dsn_notify_parse(struct bytes value, uint8_t *notify);
bool dsn_ret_parse(struct bytes value, enum envelope_ret *ret);
/* xtext, decoded into out; printable ASCII only. */
bool dsn_envid_parse(struct bytes value, struct buf *out);
/*
 * "rfc822;xtext" decoded into out as "rfc822;text", any other type of address likewise; with
 * smtputf8 also "utf-8;...", RFC 6533 section 3, whose text is UTF-8 then.
 */
bool dsn_orcpt_parse(struct bytes value, bool smtputf8, struct buf *out);

/*
 * " NOTIFY=SUCCESS,FAILURE"; nothing when unset. The others likewise, with a blank in front
 * (but dsn_xtext_add). What they add is ASCII without blanks, whatever they are given.
 */
void dsn_notify_add(struct buf *b, uint8_t notify);
void dsn_ret_add(struct buf *b, enum envelope_ret ret);
void dsn_envid_add(struct buf *b, struct bytes envid);
void dsn_orcpt_add(struct buf *b, struct bytes orcpt);
void dsn_xtext_add(struct buf *b, struct bytes text);

#endif
