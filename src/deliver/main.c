/*
 * ampel-deliver: mail for the users who share one uid, as that uid, into their Maildirs and
 * as their .qmail files have it. Tells lookup which extensions they have. Ends when it has been
 * idle; the supervisor starts it again when the queue or lookup wants it.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "deliver/agent.h"
#include "deliver/desk.h"
#include "deliver/users.h"
#include "io/log.h"
#include "service/service.h"

enum {
	TICK_MS = 5 * 1000,
	IDLE_TICKS = 12, /* a minute */
	STOP_TICKS = 2,  /* for what the queue does not acknowledge */
	OPEN_FILES = 8192, /* each delivery that waits for its program has some */
};

static struct users  users;
static struct agent *agent;
static struct desk   desk;
static uv_timer_t    timer;
static uv_signal_t   term;
static unsigned      ticks; /* since something was done */
static bool          is_stopping;

/*
 * What is not acknowledged when we end, the queue has done again; it is then found
 * where it was delivered.
 */
static void
end_if_done(void)
{
	if (!agent_is_busy(agent) &&
	    (agent_kept(agent) == 0 || !agent_is_connected(agent)))
		service_end(0);
}

static void
changed(void)
{
	ticks = 0;
	if (is_stopping)
		end_if_done();
}

static void
on_tick(uv_timer_t *unused)
{
	(void)unused;
	ticks = agent_is_busy(agent) ? 0 : ticks + 1;
	/* without a queue nothing comes any more; another one starts another of us */
	if (is_stopping ? ticks >= STOP_TICKS
	                : ticks >= IDLE_TICKS && (agent_kept(agent) == 0 ||
	                      !agent_is_connected(agent)))
		service_end(0);
}

/* A zap. What runs for us goes with us: see main. */
static void
on_term(uv_signal_t *unused, int signal)
{
	(void)unused;
	(void)signal;
	service_end(0);
}

/* Where .qmail files are obeyed, no_new_privs would keep users from set-uid programs. */
static bool
has_programs_of_users(const struct config *config)
{
	return config->assign.n > 0 ||
	    (config->users == USERS_SYSTEM && config->dot_qmail);
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	(void)config;
	if (agent != NULL)
		return true;
	agent = agent_new(service_loop(), &users, changed);
	if (agent == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	uv_timer_init(service_loop(), &timer);
	uv_timer_start(&timer, on_tick, TICK_MS, TICK_MS);
	uv_signal_init(service_loop(), &term);
	uv_signal_start(&term, on_term, SIGTERM);
	return true;
}

static void
use(const struct config *config)
{
	agent_use(agent, config);
}

/* Who is asked stays, as for deliveries; but no question holds up our end. */
static void
asked(void)
{
	if (!is_stopping)
		ticks = 0;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	if (role == ROLE_QUEUE) {
		agent_connect(agent, socket);
		return;
	}
	if (role == ROLE_LOOKUP) {
		desk.users = &users;
		desk.asked = asked;
		desk_connect(&desk, service_loop(), socket);
		return;
	}
	log_text("%.*s is no neighbour of ours", BYTES_ARG(name));
	close(socket);
}

static bool
on_user(struct peer *control, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_user       m;
	struct msg_user_known answer;
	struct buf            b;

	(void)control;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_user_read(frame, &m) || !users_add(&users, m.name, m.home, m.login))
		return false;
	if (agent != NULL && agent_is_connected(agent))
		changed();
	answer = (struct msg_user_known){ m.name };
	buf_init(&b, FRAME_MAX);
	msg_user_known_add(&b, &answer);
	service_control_send(buf_bytes(&b), NULL, 0);
	buf_finish(&b);
	return true;
}

static void
stop(void)
{
	if (agent == NULL) {
		service_end(0);
		return;
	}
	is_stopping = true;
	ticks = 0;
	agent_stop(agent);
	end_if_done();
}

static void
stats(struct buf *b)
{
	agent_stats(agent, b);
}

int
main(void)
{
	static const struct peer_permit control[] = {
		{ MSG_USER, NULL, on_user, 0 },
	};
	static const struct program program = {
		.name = "ampel-deliver",
		.would_gain_privileges = has_programs_of_users,
		.open_files = OPEN_FILES,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.control = control,
		.n_control = sizeof control / sizeof control[0],
		.stop = stop,
		.stats = stats,
	};
	int code = service_main(&program);

	agent_free(agent);
	return code;
}
