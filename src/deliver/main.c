/*
 * ampel-deliver: puts mail into the Maildirs of the users of one uid, as that uid.
 * May be asked: to know a user (the supervisor), to deliver a message (the queue).
 */
#include <stdio.h>
#include <unistd.h>

#include "deliver/agent.h"
#include "deliver/homes.h"
#include "io/log.h"
#include "service/service.h"

enum {
	OPEN_FILES = 4096,
	TICK_MS = 1000,
	IDLE_MS = 60 * 1000,
	LINGER_MS = 3000, /* for another queue, when we are told to stop */
};

static struct {
	struct homes *homes;
	struct agent *agent;
	uv_timer_t    tick;
	int           socket; /* to the queue, until the configuration is used; -1 */
	bool          has_begun;
	bool          is_stopping;
} deliver = { .socket = -1 };

/*
 * Idle, or told to stop: end when every outcome is in the queue's store. Without a
 * queue that cannot come; the next attempts then find what we have delivered.
 */
static void
end_if_done(struct agent *a)
{
	bool     is_empty = agent_jobs(a) == 0;
	uint64_t quiet_ms = uv_now(service_loop()) - agent_busy_ms(a);

	if (deliver.is_stopping && is_empty)
		service_end(0);
	else if (deliver.is_stopping && !agent_is_connected(a) &&
	    quiet_ms >= LINGER_MS)
		service_end(0);
	else if (quiet_ms >= IDLE_MS && (is_empty || !agent_is_connected(a)))
		service_end(0);
}

static void
on_tick(uv_timer_t *tick)
{
	(void)tick;
	end_if_done(deliver.agent);
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	(void)config;
	if (deliver.homes == NULL)
		deliver.homes = homes_new();
	if (deliver.homes && deliver.agent == NULL)
		deliver.agent =
		    agent_new(service_loop(), deliver.homes, end_if_done);
	if (deliver.agent == NULL)
		snprintf(error, size, "no memory");
	return deliver.agent != NULL;
}

static void
begin(void)
{
	deliver.has_begun = true;
	uv_timer_init(service_loop(), &deliver.tick);
	uv_timer_start(&deliver.tick, on_tick, TICK_MS, TICK_MS);
	if (deliver.socket != -1)
		agent_connect(deliver.agent, deliver.socket);
	deliver.socket = -1;
}

static void
use(const struct config *config)
{
	homes_use(deliver.homes, config->yellow_folder);
	agent_use(deliver.agent, config->hostname);
	if (!deliver.has_begun)
		begin();
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	if (role != ROLE_QUEUE) {
		log_text("a neighbour that is no queue was not connected");
		close(socket);
	} else if (deliver.has_begun) {
		agent_connect(deliver.agent, socket);
	} else {
		if (deliver.socket != -1)
			close(deliver.socket);
		deliver.socket = socket;
	}
}

static void
stop(void)
{
	deliver.is_stopping = true;
	if (deliver.agent == NULL || !deliver.has_begun)
		service_end(0);
	else
		end_if_done(deliver.agent);
}

static bool
is_prepared(void *context)
{
	(void)context;
	return deliver.homes != NULL;
}

static bool
on_user(struct peer *p, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_user m;
	struct buf      answer;

	(void)p;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_user_read(frame, &m) ||
	    !homes_tell(deliver.homes, m.name, m.home))
		return false;
	buf_init(&answer, FRAME_MAX);
	msg_user_known_add(&answer, &(struct msg_user_known){ m.name });
	service_control_send(buf_bytes(&answer));
	buf_finish(&answer);
	return true;
}

int
main(void)
{
	static const struct peer_permit control[] = {
		{ MSG_USER, is_prepared, on_user, 0 },
	};
	static const struct program program = {
		.name = "ampel-deliver",
		.open_files = OPEN_FILES,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.control = control,
		.n_control = sizeof control / sizeof control[0],
	};

	return service_main(&program);
}
