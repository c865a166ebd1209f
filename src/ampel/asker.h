/*
 * One connection to the control socket and the command that came by it: how it begins,
 * when it has come about, and what it is told, a line for each service.
 */
#ifndef AMPEL_AMPEL_ASKER_H
#define AMPEL_AMPEL_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ampel/service_list.h"
#include "proto/message.h"

struct control;
struct peer;
struct supervisor;

struct asker {
	struct asker      *next;
	struct control    *control;
	struct supervisor *supervisor;
	struct peer       *peer; /* NULL: it left while a reload has yet to answer it */
	bool               is_waiting;
	enum command_verb  verb;
	bool               is_second_half; /* restart: the start behind the stop */
	struct service     services[SERVICES_MAX];
	char               names[SERVICES_MAX][64];
	bool               is_said[SERVICES_MAX];
	bool               was_running[SERVICES_MAX]; /* before a stop of it */
	size_t             n_services;
	bool               is_all;
	bool               is_begun;   /* not while the server still starts */
	bool               failed;
	bool               is_killed;  /* zap: KILL was sent */
	uint64_t           started_ms;
};

/* The last word, with a descriptor that stays the caller's; -1: none. */
void asker_say_done(struct asker *a, int code, const char *text, int fd);
void asker_say_status(struct asker *a);

/* Whether it wants something started while everything stops; then it was told. */
bool asker_is_refused(struct asker *a);
/* A command that waits for processes: begin it, or look how far it has come. */
void asker_advance(struct asker *a);

#endif
