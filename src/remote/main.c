/*
 * ampel-remote: mail for other hosts goes out. May be asked: to deliver this there (queue).
 */
#include <unistd.h>

#include "service/service.h"

static bool
prepare(const struct config *config, char *error, size_t size)
{
	(void)config;
	(void)error;
	(void)size;
	return true;
}

static void
use(const struct config *config)
{
	(void)config;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)role;
	(void)serial;
	(void)name;
	close(socket);
}

static void
stop(void)
{
	service_end(0);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-remote",
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
	};

	return service_main(&program);
}
