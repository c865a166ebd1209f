/*
 * The processes that ask: smtpd whether somebody may connect, whether a recipient
 * exists and what an account is called, the queue where a recipient leads. Questions about
 * clients: lookup/connections.h, about recipients: lookup/recipients.h. Every other answer is made and sent while the question is read.
 */
#ifndef AMPEL_LOOKUP_ASKER_H
#define AMPEL_LOOKUP_ASKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lookup/rules.h"
#include "lookup/tables.h"
#include "mail/config.h"
#include "mail/quota.h"
#include "proto/message.h"
#include "service/dns_client.h"

struct extensions;
struct waiting_client;
struct waiting_inquiry;

/* What the answers come from; outlives every asker. */
struct office {
	uv_loop_t           *loop;
	const struct config *config;
	struct tables       *tables;
	struct quota         quota; /* what authenticated users have sent */
	uint64_t             questions;
	struct rules           *rules;
	struct dns_client      *dns;        /* for rules that are about names */
	struct waiting_client  *clients;    /* whose names are being found */
	struct extensions      *extensions; /* what accounts say of theirs */
	struct waiting_inquiry *waiting;    /* questions that wait for that */
};

/* Takes the socket. False: no role that may ask, or no memory; it is closed. */
bool asker_open(struct office *office, enum peer_role role, int socket);

#endif
