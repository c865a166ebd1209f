/*
 * ampel-pop3d: a worker of one listener. Talks POP3 under TLS with strangers; asks lookup
 * about addresses and auth about passwords, and reaches a mailbox only through the
 * descriptors that the user's own mailbox process hands it. May be asked nothing.
 *
 * With --stdio: one session on standard input and output, without any of this.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"
#include "pop3d/stdio.h"
#include "pop3d/worker.h"
#include "service/certificates.h"
#include "service/service.h"

enum { OPEN_FILES = 64 * 1024 }; /* a session takes two, what it reads ahead others */

static struct worker       worker;
static struct tls_context *next; /* of the configuration that was prepared last */

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct tls_context *tls;

	(void)config;
	if (!worker.clients.loop && !worker_init(&worker, service_loop(),
	                        service_instance(), OPEN_FILES)) {
		snprintf(error, size, "no memory");
		return false;
	}
	if (!certificates_use(BYTES("pop3"), &tls, error, size))
		return false;
	if (tls == NULL) {
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

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	if (role == ROLE_LOOKUP) {
		lookup_client_connect(worker.clients.lookup, socket);
	} else if (role == ROLE_AUTH) {
		auth_client_connect(worker.auth, socket);
	} else {
		log_text("a neighbour that is none of ours");
		close(socket);
	}
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
	buf_addf(b, "sessions %zu, logins %llu, fetched %llu, removed %llu",
	    worker.clients.n, (unsigned long long)worker.n_logins,
	    (unsigned long long)worker.n_fetched,
	    (unsigned long long)worker.n_removed);
}

int
main(int argc, char **argv)
{
	static const struct program program = {
		.name = "ampel-pop3d",
		.open_files = OPEN_FILES,
		.prepare = prepare,
		.use = use,
		.listen = listen_on,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	if (argc > 1 && strcmp(argv[1], "--stdio") == 0)
		return stdio_main(argc - 2, argv + 2);
	return service_main(&program);
}
