/*
 * ampel-remote: mail for other hosts goes out. May be asked: to deliver this there (queue).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/log.h"
#include "io/tls.h"
#include "remote/desk.h"
#include "service/route_passwords.h"
#include "service/service.h"

enum {
	OPEN_FILES = 16 * 1024,
	AUTHORITIES_MAX = 16 * 1024 * 1024,
	PATH_MAX_BYTES = 4096,
	TICK_MS = 5 * 1000,
	STOP_TICKS = 2, /* for what the queue does not acknowledge */
};

static struct desk        *desk;
static struct buf          authorities;
static struct tls_context *prepared; /* for the configuration that came last */
static struct buf          passwords; /* of its routes */
static uv_timer_t          timer;
static unsigned            quiet_ticks;
static bool                is_stopping;

static void
end_if_done(bool is_patient)
{
	size_t given_back;

	if (!desk_is_quiet(desk) || (is_patient && !desk_is_acknowledged(desk)))
		return;
	given_back = desk_given_back(desk);
	if (given_back > 0)
		log_text("%zu deliveries given back", given_back);
	is_stopping = false; /* once */
	service_end(0);
}

static void
changed(void)
{
	if (is_stopping)
		end_if_done(true);
}

static void
on_tick(uv_timer_t *unused)
{
	(void)unused;
	if (is_stopping && desk_is_quiet(desk) && ++quiet_ticks >= STOP_TICKS)
		end_if_done(false);
}

/* The file is out of reach later on. Without it nothing is verified, and what must be waits. */
static bool
before_sandbox(const struct config *config)
{
	char path[PATH_MAX_BYTES];

	buf_init(&authorities, AUTHORITIES_MAX);
	if (config->authorities.n == 0)
		return true;
	if (!bytes_to_string(config->authorities, path, sizeof path) ||
	    file_read(path, &authorities, NULL) == -1)
		log_text("%.*s: %s: no certificate can be verified",
		    BYTES_ARG(config->authorities), strerror(errno));
	return true;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	(void)config;
	tls_context_drop(prepared);
	prepared = tls_client_context_new(buf_bytes(&authorities), error, size);
	if (prepared == NULL)
		return false;
	buf_wipe(&passwords);
	buf_init(&passwords, ROUTE_PASSWORDS_MAX);
	if (!service_read_secrets(&passwords)) {
		snprintf(error, size, "the passwords of routes cannot be read");
		return false;
	}
	if (desk != NULL)
		return true;
	desk = desk_new(service_loop(), changed);
	if (desk == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	uv_timer_init(service_loop(), &timer);
	uv_timer_start(&timer, on_tick, TICK_MS, TICK_MS);
	return true;
}

static void
use(const struct config *config)
{
	desk_use(desk, config, prepared, &passwords);
	prepared = NULL;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	if (role == ROLE_QUEUE) {
		desk_connect_queue(desk, socket);
	} else if (role == ROLE_DNS) {
		desk_connect_dns(desk, socket);
	} else if (role == ROLE_FETCH) {
		desk_connect_fetch(desk, socket);
	} else {
		log_text("%.*s is no neighbour of ours", BYTES_ARG(name));
		close(socket);
	}
}

static void
stop(void)
{
	if (desk == NULL) {
		service_end(0);
		return;
	}
	is_stopping = true;
	desk_stop(desk);
	end_if_done(true);
}

static void
stats(struct buf *b)
{
	desk_stats(desk, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-remote",
		.open_files = OPEN_FILES,
		.before_sandbox = before_sandbox,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	return service_main(&program);
}
