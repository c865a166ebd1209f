#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ampel/ask.h"
#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/connect.h"
#include "ampel/libexec.h"
#include "ampel/output.h"
#include "ampel/pidfile.h"
#include "ampel/service_list.h"
#include "base/buf.h"
#include "mail/listener.h"

enum { STOPPED = 3, DEAD = 1, ERROR_TEXT = 512 };

static const struct {
	const char       *name;
	enum command_verb verb;
} verbs[] = {
	{ "start", VERB_START },
	{ "stop", VERB_STOP },
	{ "restart", VERB_RESTART },
	{ "reload", VERB_RELOAD },
	{ "status", VERB_STATUS },
	{ "zap", VERB_ZAP },
};

struct selection {
	char  *names[SERVICES_MAX];
	char   buffers[SERVICES_MAX][64];
	size_t n;
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

/* As the classic script did it: smtp=yes pop3s=yes in the environment. */
static bool
select_by_environment(const struct config *config, struct selection *out)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(config, all, SERVICES_MAX);
	const char    *pop3 = getenv("pop3");
	char           error[ERROR_TEXT];

	if (pop3 && strcmp(pop3, "yes") == 0) {
		service_find(config, BYTES("pop3"), all, error, sizeof error);
		fprintf(stderr, "ampel: %s\n", error);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const char *value;

		bytes_to_string(
		    all[i].name, out->buffers[out->n], sizeof out->buffers[0]);
		value = getenv(out->buffers[out->n]);
		if (value == NULL || strcmp(value, "yes") != 0)
			continue;
		out->names[out->n] = out->buffers[out->n];
		out->n++;
	}
	return true;
}

/* --- start, when nothing runs yet --- */

/*
 * Start the server in the background. It says "ok" when it works; else it has said
 * why on our stderr and its exit code is ours.
 */
static int
spawn_server(const struct command *c, const struct selection *services)
{
	enum { FIXED = 6, NOTIFY = 3 };
	char                       self[4096], answer[8];
	char                      *argv[FIXED + SERVICES_MAX + 1];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t          attributes;
	extern char              **environ;
	int                        ends[2], error;
	pid_t                      pid;
	ssize_t                    n;
	size_t                     at = 0;

	if (!libexec_self(self, sizeof self) || pipe2(ends, O_CLOEXEC) != 0) {
		fprintf(stderr, "ampel: %s\n", strerror(errno));
		return EX_BAD;
	}
	argv[at++] = (char[]){ "ampel" };
	argv[at++] = (char[]){ "-c" };
	argv[at++] = strdup(c->config_file);
	argv[at++] = (char[]){ "run" };
	argv[at++] = (char[]){ "--notify" };
	argv[at++] = (char[]){ "3" };
	for (size_t i = 0; i < services->n; i++)
		argv[at++] = services->names[i];
	argv[at] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], NOTIFY);
	posix_spawn_file_actions_addclosefrom_np(&actions, NOTIFY + 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	error = posix_spawn(&pid, self, &actions, &attributes, argv, environ);
	free(argv[2]);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(ends[1]);
	if (error) {
		fprintf(stderr, "ampel: %s\n", strerror(error));
		close(ends[0]);
		return EX_BAD;
	}
	do
		n = read(ends[0], answer, sizeof answer);
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	if (n == 3 && memcmp(answer, "ok\n", 3) == 0)
		return EX_GOOD;
	return output_wait(pid);
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
show_line(const struct command *c, const struct config *config,
    enum command_verb verb, const struct msg_line *m, int *code)
{
	char error[ERROR_TEXT] = "";
	bool ok = m->ok;
	bool should_greet = verb == VERB_START || verb == VERB_RESTART;

	if (ok && should_greet &&
	    !verify_greeting(config, m->name, error, sizeof error))
		ok = false;
	output_service(c->json, m->name, verb == VERB_STATUS, ok, m->state,
	    error[0] ? bytes_of(error) : m->text);
	if (!ok && *code == EX_GOOD)
		*code = verb == VERB_STATUS ? STOPPED : EX_BAD;
}

/* Show what comes until DONE; its exit code, or ours. */
static int
show_answer(const struct command *c, const struct config *config,
    enum command_verb verb, int socket)
{
	char            *buffer = malloc(FRAME_MAX);
	int              fds[FRAME_DESCRIPTORS], code = EX_GOOD;
	struct bytes     frame;
	struct msg_line  line;
	struct msg_done  done;
	bool             is_done = false;

	while (buffer && !is_done && ask_receive(socket, buffer, &frame, fds)) {
		if (msg_line_read(frame, &line)) {
			show_line(c, config, verb, &line, &code);
		} else if (msg_done_read(frame, &done)) {
			is_done = true;
			if (done.text.n > 0)
				fprintf(stderr, "ampel: %.*s\n",
				    BYTES_ARG(done.text));
			if (code == EX_GOOD)
				code = done.exit_code;
		}
	}
	free(buffer);
	if (!is_done && verb != VERB_STOP) {
		fprintf(stderr, "ampel: the server ended meanwhile\n");
		return EX_BAD;
	}
	return code;
}

/* After a stop, or zap, of everything its process must be gone, too. */
static bool
wait_for_end(const struct config *config, pid_t pid)
{
	int           fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_end = { .fd = fd, .events = POLLIN };
	int           n;

	if (fd < 0)
		return errno == ESRCH;
	n = poll(&poll_end, 1, (int)config->stop_timeout_ms);
	close(fd);
	return n == 1;
}

static int
run_verb(const struct command *c, const struct config *config,
    enum command_verb verb, const struct selection *services)
{
	pid_t pid = 0;
	int   socket = ask_connect(config, &pid);
	int   code;

	if (socket < 0) {
		fprintf(stderr, "ampel: %s\n", strerror(errno));
		return EX_BAD;
	}
	if (!ask_send(socket, verb, services->names, services->n)) {
		fprintf(stderr, "ampel: %s\n", strerror(errno));
		close(socket);
		return EX_BAD;
	}
	code = show_answer(c, config, verb, socket);
	close(socket);
	if ((verb == VERB_STOP || verb == VERB_ZAP) && services->n == 0 &&
	    code == EX_GOOD && !wait_for_end(config, pid)) {
		fprintf(stderr, "ampel: the server did not end\n");
		return EX_BAD;
	}
	return code;
}

/* --- when nothing runs --- */

static int
show_all_stopped(const struct command *c, const struct config *config,
    const struct selection *services, const char *state, bool ok)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(config, all, SERVICES_MAX);

	for (size_t i = 0; i < n; i++) {
		bool selected = services->n == 0;

		for (size_t k = 0; k < services->n; k++)
			if (bytes_equal(all[i].name, bytes_of(services->names[k])))
				selected = true;
		if (selected)
			output_service(c->json, all[i].name, !ok, ok,
			    bytes_of(state), BYTES(""));
	}
	return EX_GOOD;
}

static int
run_without_server(const struct command *c, const struct config *config,
    enum command_verb verb, const struct selection *services,
    enum pidfile_state state)
{
	int code;

	switch (verb) {
	case VERB_START:
	case VERB_RESTART:
		code = spawn_server(c, services);
		return code ? code : run_verb(c, config, VERB_START, services);
	case VERB_STATUS:
		show_all_stopped(c, config, services,
		    state == PIDFILE_STALE ? "dead" : "stopped", false);
		return state == PIDFILE_STALE ? DEAD : STOPPED;
	case VERB_STOP:
	case VERB_ZAP:
		return show_all_stopped(c, config, services, "stopped", true);
	case VERB_RELOAD:
	case VERB_QUEUE:
	case VERB_DNS:
		break;
	}
	fprintf(stderr, "ampel: the server does not run\n");
	return EX_ABSENT;
}

int
cmd_services(const struct command *c)
{
	struct config     *config = config_load_or_say(c->config_file);
	struct selection   services = { .n = 0 };
	enum command_verb  verb = VERB_STATUS;
	enum pidfile_state state;
	pid_t              pid;
	int                code;

	if (config == NULL)
		return EX_CONFIG_BAD;
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verbs[i].name, c->name) == 0)
			verb = verbs[i].verb;
	if (!(c->argc > 0 ? select_named(c, config, &services)
	                  : select_by_environment(config, &services))) {
		code = EX_MISUSE;
	} else {
		state = pidfile_look(config, &pid);
		code = state == PIDFILE_HELD
		    ? run_verb(c, config, verb, &services)
		    : run_without_server(c, config, verb, &services, state);
	}
	config_finish(config);
	free(config);
	return code;
}
