/*
 * ampel-lookup: does this recipient exist, where does it lead, may that address
 * relay. Knows the users' names, the aliases and the networks; never a password.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

#include "io/clock.h"
#include "io/log.h"
#include "lookup/asker.h"
#include "lookup/tables.h"
#include "service/service.h"

enum { ERROR_MAX = 64 * 1024 };

static struct office  office;
static struct tables *next; /* of the configuration that was prepared last */
static bool           is_used;

/* From now on the answers come from these. */
static void
work_with(const struct config *config, struct tables *tables)
{
	tables_close(office.tables);
	office.config = config;
	office.tables = tables;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct tables *tables;
	struct buf     reasons;
	struct bytes   text;

	buf_init(&reasons, ERROR_MAX);
	tables = tables_open(config, &reasons);
	text = buf_bytes(&reasons);
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	snprintf(error, size, "%.*s", BYTES_ARG(text));
	buf_finish(&reasons);
	if (tables == NULL)
		return false;
	/* a neighbour that is ahead of us may ask before the first use */
	if (!is_used) {
		work_with(config, tables);
		return true;
	}
	tables_close(next);
	next = tables;
	return true;
}

static void
use(const struct config *config)
{
	is_used = true;
	if (next != NULL)
		work_with(config, next);
	next = NULL;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	office.loop = service_loop();
	if (!asker_open(&office, role, socket))
		log_text("%.*s cannot be answered", BYTES_ARG(name));
}

/* Every question is answered when it comes: nothing is in flight. */
static void
stop(void)
{
	service_end(0);
}

static void
stats(struct buf *b)
{
	buf_addf(b, "questions %llu", (unsigned long long)office.questions);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-lookup",
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};
	uint64_t seed;

	random_fill(&seed, sizeof seed);
	if (!quota_init(&office.quota, seed))
		return EX_OSERR;
	return service_main(&program);
}
