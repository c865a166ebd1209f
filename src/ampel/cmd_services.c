#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/ask.h"
#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/connect.h"
#include "ampel/leftovers.h"
#include "ampel/output.h"
#include "ampel/pidfile.h"
#include "ampel/service_list.h"
#include "ampel/spawn_server.h"
#include "mail/listener.h"

enum {
	AGAIN = -1, /* look again who runs */
	DEAD = 1,   /* these as LSB has them */
	STOPPED = 3,
	NOT_RUNNING = 7,
	ERROR_TEXT = 512,
	CHILDREN_MS = 5000,
};

struct verb {
	const char       *name;
	enum command_verb verb;
	bool              must_greet;  /* what runs is verified from outside */
	bool              shows_state; /* instead of ok */
	bool              is_quiet;    /* unless something is wrong */
};

static const struct verb verbs[] = {
	{ "start", VERB_START, true, false, false },
	{ "stop", VERB_STOP, false, false, false },
	{ "restart", VERB_RESTART, true, false, false },
	{ "reload", VERB_RELOAD, false, false, false },
	{ "status", VERB_STATUS, false, true, false },
	{ "zap", VERB_ZAP, false, false, false },
	{ "answers", VERB_STATUS, true, true, true },
};

static bool
starts(enum command_verb verb)
{
	return verb == VERB_START || verb == VERB_RESTART;
}

struct selection {
	char  *names[SERVICES_MAX];
	char   buffers[SERVICES_MAX][64];
	size_t n;
};

/* What is to be done. */
struct action {
	const struct command   *command;
	const struct config    *config;
	const struct verb      *verb;
	const struct selection *services; /* none: all */
};

/* --- which services --- */

static bool
select_named(const struct command *c, const struct config *config,
    struct selection *out)
{
	struct service service;
	char           error[ERROR_TEXT];
	bool           good = c->argc <= SERVICES_MAX;

	for (int i = 0; i < c->argc && i < SERVICES_MAX; i++) {
		out->names[out->n++] = c->argv[i];
		if (!service_find(config, bytes_of(c->argv[i]), &service, error,
		        sizeof error)) {
			fprintf(stderr, "ampel: %s\n", error);
			good = false;
		}
	}
	return good;
}

/* "pop3s=yes": its name. False: another variable. */
static bool
is_chosen(const char *variable, struct bytes *name)
{
	const char *equals = strchr(variable, '=');

	if (equals == NULL || strcmp(equals, "=yes") != 0)
		return false;
	*name = (struct bytes){ variable, (size_t)(equals - variable) };
	return true;
}

/*
 * As the classic script did it: smtp=yes pop3s=yes in the environment. A listener that the
 * configuration does not have is a mistake: without it the command would mean all. Other
 * variables are none of our business.
 */
static bool
select_by_environment(const struct config *config, struct selection *out)
{
	extern char  **environ;
	struct service service;
	struct bytes   name;
	char           error[ERROR_TEXT];
	bool           good = true;

	for (char **v = environ; *v && out->n < SERVICES_MAX; v++) {
		if (!is_chosen(*v, &name))
			continue;
		if (service_find(config, name, &service, error, sizeof error)) {
			bytes_to_string(name, out->buffers[out->n],
			    sizeof out->buffers[0]);
			out->names[out->n] = out->buffers[out->n];
			out->n++;
		} else if (listener_find(name) != LISTENER_UNKNOWN) {
			fprintf(stderr, "ampel: %s\n", error);
			good = false;
		}
	}
	return good;
}

/* --- what the lines say, checked by ourselves where a client would look --- */

static const struct config_listen *
find_listen(const struct config *config, struct bytes name)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (bytes_equal(config->listen[i].name, name))
			return &config->listen[i];
	return NULL;
}

/* A listener that says it runs must greet, or begin with TLS, on every address. */
static bool
verify_greeting(
    const struct config *config, struct bytes name, char *error, size_t size)
{
	const struct config_listen   *l = find_listen(config, name);
	const struct listener_policy *policy = listener_policy(name);
	bool is_tls = policy && policy->tls == LISTENER_TLS;

	for (size_t i = 0; l && i < l->address.n; i++)
		if (!(is_tls ? connect_secures : connect_greets)(
		        &l->address.v[i], error, size))
			return false;
	return true;
}

static void
show_line(const struct action *a, const struct msg_line *m, int *code)
{
	char error[ERROR_TEXT] = "";
	bool ok = m->ok;

	if (ok && a->verb->must_greet &&
	    !verify_greeting(a->config, m->name, error, sizeof error))
		ok = false;
	if (!ok || !a->verb->is_quiet)
		output_service(a->command->json, m->name,
		    a->verb->shows_state, ok, m->state,
		    error[0] ? bytes_of(error) : m->text);
	if (!ok && *code == EX_GOOD)
		*code = a->verb->verb == VERB_STATUS ? STOPPED : EX_BAD;
}

static bool
is_stopping(enum command_verb verb)
{
	return verb == VERB_STOP || verb == VERB_ZAP;
}

/* Show what comes until DONE; its exit code, or ours. AGAIN: nothing came. */
static int
show_answer(const struct action *a, int socket)
{
	char            *buffer = malloc(FRAME_MAX);
	int              fds[FRAME_DESCRIPTORS], code = EX_GOOD;
	bool             is_done = false, is_shown = false;
	struct bytes     frame;
	struct msg_line  line;
	struct msg_done  done;

	while (buffer && !is_done && ask_receive(socket, buffer, &frame, fds)) {
		if (msg_line_read(frame, &line)) {
			is_shown = true;
			show_line(a, &line, &code);
		} else if (msg_done_read(frame, &done)) {
			is_done = true;
			if (done.exit_code == EX_LATER && !is_shown &&
			    starts(a->verb->verb))
				code = AGAIN; /* behind the stop that goes on */
			else if (done.text.n > 0)
				fprintf(stderr, "ampel: %.*s\n",
				    BYTES_ARG(done.text));
			if (code == EX_GOOD)
				code = done.exit_code;
		}
	}
	free(buffer);
	if (is_done)
		return code;
	if (!is_shown)
		return AGAIN;
	if (is_stopping(a->verb->verb))
		return code;
	fprintf(stderr, "ampel: the server ended meanwhile\n");
	return EX_BAD;
}

/* After a stop of everything its processes must be gone, too. */
static int
verify_end(const struct action *a, const struct leftovers *l)
{
	char error[ERROR_TEXT] = "the server did not end";

	if (leftovers_wait_for_server(l, (unsigned)a->config->stop_timeout_ms) &&
	    leftovers_wait_for_children(l, CHILDREN_MS, error, sizeof error))
		return EX_GOOD;
	fprintf(stderr, "ampel: %s\n", error);
	return EX_BAD;
}

/* The server, whose processes l holds, has been asked and answers. */
static int
take_answer(const struct action *a, const struct leftovers *l, int socket)
{
	int code = show_answer(a, socket);

	if (code == AGAIN && starts(a->verb->verb))
		leftovers_wait_for_server(
		    l, (unsigned)a->config->stop_timeout_ms);
	if (code == EX_GOOD && is_stopping(a->verb->verb) &&
	    a->services->n == 0)
		return verify_end(a, l);
	return code;
}

static int
ask_server(const struct action *a)
{
	static struct leftovers left;
	pid_t                   pid = 0;
	int                     socket = ask_connect(a->config, &pid);
	int                     code = AGAIN;

	/* A moment after its start, or before its end, it has no socket. */
	if (socket < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		return AGAIN;
	if (socket < 0) {
		fprintf(stderr, "ampel: %s\n", strerror(errno));
		return EX_BAD;
	}
	if (leftovers_take(&left, pid) &&
	    ask_send(socket, a->verb->verb, a->services->names, a->services->n))
		code = take_answer(a, &left, socket);
	leftovers_close(&left);
	close(socket);
	return code;
}

/* --- when nothing runs --- */

static void
show_all_stopped(const struct action *a, const char *state, bool ok)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(a->config, all, SERVICES_MAX);

	for (size_t i = 0; i < n; i++) {
		bool selected = a->services->n == 0;

		for (size_t k = 0; k < a->services->n; k++)
			if (bytes_equal(all[i].name,
			        bytes_of(a->services->names[k])))
				selected = true;
		if (selected)
			output_service(a->command->json, all[i].name, !ok, ok,
			    bytes_of(state), BYTES(""));
	}
}

static int
start_server(const struct action *a)
{
	int code = EX_BAD;

	switch (spawn_server(a->command->config_file, a->services->names,
	    a->services->n, &code)) {
	case SPAWN_UP:
	case SPAWN_OTHER:
		return AGAIN; /* it tells how it is */
	case SPAWN_FAILED:
		break;
	}
	return code;
}

static int
act_without_server(const struct action *a, enum pidfile_state state)
{
	switch (a->verb->verb) {
	case VERB_START:
	case VERB_RESTART:
		return start_server(a);
	case VERB_STATUS:
		show_all_stopped(a, state == PIDFILE_STALE ? "dead" : "stopped",
		    false);
		return state == PIDFILE_STALE ? DEAD : STOPPED;
	case VERB_STOP:
	case VERB_ZAP:
		show_all_stopped(a, "stopped", true);
		return EX_GOOD;
	case VERB_RELOAD:
	case VERB_QUEUE:
	case VERB_DNS:
		break;
	}
	fprintf(stderr, "ampel: the server does not run\n");
	return NOT_RUNNING;
}

/*
 * Until the server, or its absence, has settled it: others may start and stop it at the
 * same time.
 */
static int
act(struct action *a)
{
	enum { TRIES = 300, PAUSE_US = 50 * 1000 };

	for (int i = 0; i < TRIES; i++) {
		pid_t              pid;
		enum pidfile_state state = pidfile_look(a->config, &pid);
		int                code = state == PIDFILE_HELD
		                   ? ask_server(a)
		                   : act_without_server(a, state);

		if (code != AGAIN)
			return code;
		/* A restart has nothing left to stop. */
		if (a->verb->verb == VERB_RESTART && state != PIDFILE_HELD)
			a->verb = &verbs[0];
		if (state == PIDFILE_HELD)
			usleep(PAUSE_US);
	}
	fprintf(stderr, "ampel: the server does not answer\n");
	return EX_LATER;
}

static const struct verb *
find_verb(const char *name)
{
	size_t i = 0;

	while (strcmp(verbs[i].name, name) != 0)
		i++; /* main.c has found the command by the same name */
	return &verbs[i];
}

int
cmd_services(const struct command *c)
{
	struct config   *config = config_load_or_say(c->config_file);
	struct selection services = { .n = 0 };
	struct action    a = { c, config, find_verb(c->name), &services };
	bool             good;
	int              code;

	if (config == NULL)
		return EX_CONFIG_BAD;
	good = c->argc > 0 ? select_named(c, config, &services)
	                   : select_by_environment(config, &services);
	code = good ? act(&a) : EX_MISUSE;
	config_finish(config);
	free(config);
	return code;
}
