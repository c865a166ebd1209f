/*
 * Questions to ampel-auth. One that is open when auth dies, or that takes longer
 * than AUTH_TIMEOUT_MS, is answered "try later". Answers never come from inside the call
 * that asks. Passwords are wiped where they are no longer needed.
 */
#ifndef AMPEL_SERVICE_AUTH_CLIENT_H
#define AMPEL_SERVICE_AUTH_CLIENT_H

#include <uv.h>

#include "base/bytes.h"
#include "proto/message.h"

enum { AUTH_TIMEOUT_MS = 60 * 1000 };

struct auth_client;
struct auth_question;

struct auth_client *auth_client_new(uv_loop_t *loop);
void                auth_client_free(struct auth_client *c);
/* Takes the socket; replaces an older one. Without one the answer is "try later". */
void auth_client_connect(struct auth_client *c, int socket);

/* user: his name as the server spells it, lives for the call; empty unless YES. */
typedef void auth_answer(
    enum password_answer answer, struct bytes user, void *context);

/*
 * address is the client's, numeric. mailbox: the socket on which a mailbox is wanted after
 * a yes, stays the caller's; or -1. NULL: no memory; act as on try later.
 */
struct auth_question *auth_ask(struct auth_client *c, struct bytes listener,
    struct bytes address, struct bytes user, struct bytes password, int mailbox,
    auth_answer *answer, void *context);

/* The asker is gone: the answer does not come. NULL is allowed. */
void auth_forget(struct auth_question *q);

#endif
