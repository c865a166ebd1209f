/*
 * ampel-smtpd: a worker of one listener. Talks SMTP with strangers; asks lookup
 * about addresses and hands messages to hiq or the queue. May be asked nothing.
 */
#include <stdio.h>
#include <unistd.h>

#include "io/log.h"
#include "service/lookup_client.h"
#include "service/service.h"
#include "service/submit.h"
#include "smtpd/worker.h"

enum { OPEN_FILES = 64 * 1024 }; /* a session takes one, a message another */

static struct worker worker;

static void
ended(void)
{
	service_end(0);
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	(void)config;
	if (worker.loop || worker_init(&worker, service_loop(), service_instance(),
	                       service_directory(), ended))
		return true;
	snprintf(error, size, "no memory");
	return false;
}

static void
use(const struct config *config)
{
	worker_use(&worker, config);
}

static void
listen_on(struct bytes name, int socket)
{
	(void)name; /* there is only the one of this instance */
	if (worker.is_stopping)
		close(socket);
	else
		listeners_add(&worker.listeners, socket);
}

/* Whichever of hiq and queue comes last is the door. */
static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	switch (role) {
	case ROLE_LOOKUP:
		lookup_client_connect(worker.lookup, socket);
		return;
	case ROLE_HIQ:
	case ROLE_QUEUE:
		submit_client_connect(worker.commits.door, socket);
		return;
	case ROLE_NONE:
	case ROLE_SMTPD:
	case ROLE_DELIVER:
	case ROLE_AUTH:
	case ROLE_POP3D:
	case ROLE_MAILBOX:
	case ROLE_ADMIN:
		break;
	}
	log_text("a neighbour that is none of ours");
	close(socket);
}

static void
stop(void)
{
	if (worker.loop)
		worker_stop(&worker);
	else
		service_end(0);
}

static void
stats(struct buf *b)
{
	buf_addf(b, "sessions %zu, accepted %llu, rejected %llu, deferred %llu",
	    worker.n_sessions, (unsigned long long)worker.commits.n_accepted,
	    (unsigned long long)worker.commits.n_rejected,
	    (unsigned long long)worker.commits.n_deferred);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-smtpd",
		.open_files = OPEN_FILES,
		.prepare = prepare,
		.use = use,
		.listen = listen_on,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	return service_main(&program);
}
