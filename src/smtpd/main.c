/*
 * ampel-smtpd: takes SMTP from the network. May be asked nothing but to listen and to
 * stop; asks lookup who may connect and who exists, and hands messages to hiq or queue.
 */
#include <stdio.h>
#include <unistd.h>

#include "service/service.h"
#include "smtpd/policy.h"
#include "smtpd/worker.h"

static struct worker  worker;
static struct policy *prepared; /* what the next `use` means */

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct policy *policy = policy_new(config, service_instance());

	if (policy == NULL ||
	    (worker.loop == NULL && !worker_begin(&worker, service_loop()))) {
		snprintf(error, size, "no memory");
		policy_release(policy);
		return false;
	}
	policy_release(prepared);
	prepared = policy;
	return true;
}

static void
use(const struct config *config)
{
	(void)config;
	worker_use(&worker, prepared);
	prepared = NULL;
}

static void
listen_on(struct bytes name, int socket)
{
	(void)name;
	worker_listen(&worker, socket);
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	if (role == ROLE_LOOKUP && worker.lookup)
		lookup_client_connect(worker.lookup, socket);
	else if ((role == ROLE_HIQ || role == ROLE_QUEUE) && worker.submit)
		submit_client_connect(worker.submit, socket);
	else
		close(socket);
}

static void
on_stopped(void)
{
	service_end(0);
}

static void
stop(void)
{
	worker_stop(&worker, on_stopped);
}

static void
stats(struct buf *b)
{
	worker_add_stats(&worker, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-smtpd",
		.open_files = 16 * 1024,
		.prepare = prepare,
		.use = use,
		.listen = listen_on,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	return service_main(&program);
}
