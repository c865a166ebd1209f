/*
 * ampel-hiq: stands in front of the queue, looks like it, and lets only those messages
 * through that the filters let pass.
 *
 *     smtpd --submit--> [submit server] -> desk -> judge -> stages
 *                                            |
 *     queue <--submit-- [submit client] <----+
 */
#include <stdio.h>
#include <unistd.h>

#include "hiq/desk.h"
#include "hiq/probe.h"
#include "service/service.h"

static struct {
	struct submit_server *server;
	struct submit_client *queue;
	struct desk          *desk;
	struct filters       *prepared; /* what the next `use` means */
} hiq;

static bool
begin(const struct filters *filters)
{
	/* Where a message too large for a memory file is copied before it is judged. */
	const char *scratch = service_directory();
	uv_loop_t  *loop = service_loop();

	hiq.queue = submit_client_new(loop);
	if (hiq.queue == NULL)
		return false;
	hiq.desk = desk_new(loop, hiq.queue);
	if (hiq.desk == NULL)
		return false;
	hiq.server = submit_server_new(loop, (uint32_t)filters->concurrency,
	    filters->message_max, scratch ? scratch : "/var/tmp",
	    desk_received, desk_cancelled, hiq.desk);
	return hiq.server != NULL;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct filters *filters = filters_of(config, service_directory());

	if (filters == NULL || (hiq.server == NULL && !begin(filters))) {
		snprintf(error, size, "out of memory");
		filters_release(filters);
		return false;
	}
	if (!probe_filters(filters, error, size)) {
		filters_release(filters);
		return false;
	}
	filters_release(hiq.prepared);
	hiq.prepared = filters;
	return true;
}

static void
use(const struct config *config)
{
	(void)config;
	submit_server_limit(hiq.server, hiq.prepared->message_max);
	desk_use(hiq.desk, hiq.prepared);
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	(void)name;
	if (hiq.server && role == ROLE_QUEUE)
		submit_client_connect(hiq.queue, socket);
	else if (!hiq.server || role != ROLE_SMTPD ||
	    !submit_server_add(hiq.server, socket))
		close(socket);
}

static void
on_idle(void)
{
	service_end(0);
}

static void
stop(void)
{
	if (hiq.desk)
		desk_stop(hiq.desk, on_idle);
	else
		service_end(0);
}

static void
stats(struct buf *b)
{
	desk_stats(hiq.desk, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-hiq",
		.open_files = 4096,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	return service_main(&program);
}
