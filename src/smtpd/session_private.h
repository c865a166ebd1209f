/*
 * What session.c (the connection) and transaction.c (the message) share. Nobody else
 * includes this.
 */
#ifndef AMPEL_SMTPD_SESSION_PRIVATE_H
#define AMPEL_SMTPD_SESSION_PRIVATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/smtp_server.h"
#include "service/lookup_client.h"
#include "smtpd/crowd.h"
#include "smtpd/handover.h"
#include "smtpd/message_file.h"
#include "smtpd/policy.h"
#include "smtpd/worker.h"

struct output;

enum phase {
	OPENING,   /* lookup is asked whether it may connect */
	TALKING,
	LINGERING, /* all is said */
};

struct session {
	uv_tcp_t                tcp; /* first: the handle is the session */
	struct worker          *worker;
	struct policy          *policy;
	struct session         *next, *before;
	struct crowd_member     crowd;
	struct smtp_server      smtp;
	struct lookup_question *question;
	struct message_file    *file;
	struct handover        *handover;
	struct output          *output; /* the socket is full: nothing more is said */
	uint64_t                begun_ms;
	uint64_t                deadline_ms;
	enum phase              phase;
	bool                    is_reading;
	bool                    is_gone;
	char                    address[INET6_ADDRSTRLEN];
};

_Static_assert(sizeof(struct session) < 2048, "an idle session is this and a name");

/* Move the engine on as far as it goes without an answer, input or room for output. */
void session_pump(struct session *s);

/* What the engine's events ask for; each returns at once. */
void transaction_ask_recipient(struct session *s);
void transaction_open_file(struct session *s);
void transaction_store(struct session *s);
void transaction_commit(struct session *s);
/* The commit takes too long for the client to wait. */
void transaction_give_up(struct session *s);
/* File and handover go. Calm when there is none. */
void transaction_drop(struct session *s);

#endif
