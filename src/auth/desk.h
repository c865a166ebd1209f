/*
 * The processes that ask, and their questions on the way from ASK_PASSWORD to PASSWORD:
 * each waits as long as mail/attempts.h wants, then its password is looked at.
 */
#ifndef AMPEL_AUTH_DESK_H
#define AMPEL_AUTH_DESK_H

#include <stdbool.h>
#include <uv.h>

#include "auth/check.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "mail/config.h"
#include "proto/message.h"

struct desk;

/* After a yes to pop3d: user wants his mailbox on that socket, which stays the desk's. */
typedef void desk_mailbox(struct bytes user, int socket);

/* NULL: no memory. */
struct desk *desk_open(uv_loop_t *loop, desk_mailbox *mailbox);
/* From now on these answer; the checker is the desk's. config lives until the next. */
void         desk_use(
            struct desk *d, const struct config *config, struct checker *checker);

/* Takes the socket. False: no role that may ask, or no memory; it is closed. */
bool desk_add(struct desk *d, enum peer_role role, int socket);

/* What waits is answered "try later", and so is what comes. */
void   desk_stop(struct desk *d);
/* Passwords that are being looked at. */
size_t desk_checks(const struct desk *d);
void   desk_add_stats(const struct desk *d, struct buf *b);
/* We end at once: programs that look at a password do too. */
void   desk_kill(struct desk *d);
/* Everything is forgotten; nothing may be being looked at. */
void   desk_close(struct desk *d);

#endif
