/*
 * Questions to ampel-lookup. A question that is open when lookup dies, or that
 * takes longer than LOOKUP_TIMEOUT_MS, is answered "try later". Answers never come from
 * inside the call that asks.
 */
#ifndef AMPEL_SERVICE_LOOKUP_CLIENT_H
#define AMPEL_SERVICE_LOOKUP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "mail/directory.h"
#include "proto/message.h"

enum { LOOKUP_TIMEOUT_MS = 30 * 1000 };

struct lookup_client;
struct lookup_question;

struct lookup_client *lookup_client_new(uv_loop_t *loop);
void                  lookup_client_free(struct lookup_client *c);
/* Takes the socket; replaces an older one. Questions asked without one wait for it. */
void lookup_client_connect(struct lookup_client *c, int socket);

/* What is known of a client. try_later: the rest means nothing. Views live for the call. */
struct lookup_client_rights {
	bool         try_later;
	bool         allowed;
	bool         inside;       /* may relay */
	struct bytes suffix;       /* put behind each recipient; empty: nothing */
	bool         has_size_max;
	uint64_t     size_max;     /* 0: no limit */
	struct bytes peer_name;    /* verified; empty: unknown */
};
typedef void lookup_connect_answer(
    const struct lookup_client_rights *rights, void *context);
typedef void lookup_recipient_answer(enum recipient_answer answer, void *context);
/* Whether the reverse-path is the user's own. */
typedef void lookup_sender_answer(bool try_later, bool is_own, void *context);
/* name: of the account, empty when it has none. */
typedef void lookup_account_answer(
    bool try_later, struct bytes name, void *context);
/* route NULL: try later. Its views live for the call. */
typedef void lookup_route_answer(const struct route *route, void *context);

/* NULL: no memory; act as on try later. */
struct lookup_question *lookup_connect(struct lookup_client *c,
    struct bytes listener, struct bytes address, lookup_connect_answer *answer,
    void *context);
/* user: who authenticated, empty: nobody; it counts against what he may send in a day. */
struct lookup_question *lookup_recipient(struct lookup_client *c,
    struct bytes address, struct bytes user, lookup_recipient_answer *answer,
    void *context);
/* address: canonical, of a reverse-path. */
struct lookup_question *lookup_sender(struct lookup_client *c, struct bytes user,
    struct bytes address, lookup_sender_answer *answer, void *context);
struct lookup_question *lookup_account(struct lookup_client *c, uint32_t uid,
    lookup_account_answer *answer, void *context);
struct lookup_question *lookup_route(struct lookup_client *c,
    struct bytes address, lookup_route_answer *answer, void *context);

/* The asker is gone: the answer does not come. NULL is allowed. */
void lookup_forget(struct lookup_question *q);

#endif
