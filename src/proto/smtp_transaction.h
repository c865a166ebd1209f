/*
 * A mail transaction, RFC 5321 section 3.3: from MAIL to the end of the data, its
 * envelope and the memory of it.
 */
#ifndef AMPEL_PROTO_SMTP_TRANSACTION_H
#define AMPEL_PROTO_SMTP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "proto/smtp_command.h"

struct smtp_transaction {
	struct arena    arena;    /* no memory while none is open */
	struct envelope envelope; /* peer, helo and so on are the session's to fill in */
	size_t          room;     /* private: places in envelope.recipients */
	bool            is_open;
	bool            is_queue;       /* XQUEUE was said */
	bool            refused_some;   /* a recipient was refused */
	bool            refused_bounce; /* a second one of the null reverse-path was */
};

void smtp_transaction_init(struct smtp_transaction *t, size_t recipients_max);
/* False: no memory, or more recipients than the maximum. Then it must be reset. */
bool smtp_transaction_begin(
    struct smtp_transaction *t, const struct smtp_mail *mail);
/* recipient: everything is copied. */
bool smtp_transaction_add(
    struct smtp_transaction *t, const struct envelope_recipient *recipient);
bool smtp_transaction_has(
    const struct smtp_transaction *t, struct bytes canonical);
/* None is open; all its memory is free. Calm when none was. */
void smtp_transaction_reset(struct smtp_transaction *t);

/* local@domain as written, without brackets and route; local alone for <Postmaster>. */
void smtp_path_add(struct buf *b, const struct address *path);

#endif
