/*
 * ampel-smtpd: a worker of one listener. Talks SMTP with strangers, under TLS too; asks
 * lookup about addresses and auth about passwords, and hands messages to hiq or the
 * queue. May be asked nothing. With --stdio it is another program: smtpd/stdio.h.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"
#include "mail/listener.h"
#include "service/auth_client.h"
#include "service/certificates.h"
#include "service/lookup_client.h"
#include "service/service.h"
#include "service/submit.h"
#include "smtpd/stdio.h"
#include "smtpd/worker.h"

enum { OPEN_FILES = 64 * 1024 }; /* a session takes one, a message another */

static struct worker       worker;
static struct tls_context *next; /* of the configuration that was prepared last */

/* Without a certificate only those listeners work whose TLS is merely offered, or never. */
static bool
can_do_without_tls(struct bytes listener)
{
	const struct listener_policy *policy = listener_policy(listener);

	return policy && policy->tls <= LISTENER_STARTTLS;
}

static bool
begin(char *error, size_t size)
{
	if (listener_policy(service_instance()) == NULL)
		snprintf(error, size, "there is no such listener");
	else if (worker.clients.loop || worker_init(&worker, service_loop(),
	    service_instance(), service_directory()))
		return true;
	else
		snprintf(error, size, "no memory");
	return false;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct tls_context *tls;

	(void)config;
	if (!begin(error, size) ||
	    !certificates_use(BYTES("smtp"), &tls, error, size))
		return false;
	if (tls == NULL && !can_do_without_tls(worker.clients.listener)) {
		snprintf(error, size, "this listener needs a certificate");
		return false;
	}
	tls_context_drop(next);
	next = tls;
	return true;
}

static void
use(const struct config *config)
{
	worker_use(&worker, config, next);
	tls_context_drop(next);
	next = NULL;
}

static void
listen_on(struct bytes name, int socket)
{
	(void)name; /* there is only the one of this instance */
	clients_listen(&worker.clients, socket);
}

/* Whichever of hiq and queue comes last is the door. */
static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	switch (role) {
	case ROLE_LOOKUP:
		lookup_client_connect(worker.clients.lookup, socket);
		return;
	case ROLE_AUTH:
		auth_client_connect(worker.auth, socket);
		return;
	case ROLE_HIQ:
	case ROLE_QUEUE:
		submit_client_connect(worker.commits.door, socket);
		return;
	case ROLE_NONE:
	case ROLE_SMTPD:
	case ROLE_DELIVER:
	case ROLE_POP3D:
	case ROLE_MAILBOX:
	case ROLE_REMOTE:
	case ROLE_DNS:
	case ROLE_FETCH:
	case ROLE_ADMIN:
		break;
	}
	log_text("a neighbour that is none of ours");
	close(socket);
}

static void
stop(void)
{
	if (worker.clients.loop)
		clients_stop(&worker.clients);
	else
		service_end(0);
}

static void
stats(struct buf *b)
{
	buf_addf(b, "sessions %zu, accepted %llu, rejected %llu, deferred %llu",
	    worker.clients.n, (unsigned long long)worker.commits.n_accepted,
	    (unsigned long long)worker.commits.n_rejected,
	    (unsigned long long)worker.commits.n_deferred);
}

int
main(int argc, char **argv)
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

	if (argc > 1 && strcmp(argv[1], "--stdio") == 0)
		return stdio_main(argc, argv);
	return service_main(&program);
}
