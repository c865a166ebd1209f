/*
 * ampel-lookup: does this recipient exist, where does it lead, may that address
 * relay. Knows the users' names, the aliases, the networks and the rules; never a password. What only
 * an account can see, its deliver process is asked, and ampel-dns what a client is called.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

#include "io/clock.h"
#include "io/log.h"
#include "lookup/asker.h"
#include "lookup/extensions.h"
#include "lookup/rules.h"
#include "lookup/tables.h"
#include "service/service.h"

enum {
	ERROR_MAX = 64 * 1024,
	OPEN_FILES = 16 * 1024, /* a socket for each deliver process, as queue has it */
};

/* What is made from files. */
struct sources {
	struct tables *tables;
	struct rules  *rules;
};

static struct office  office;
static struct sources next; /* of the configuration that was prepared last */
static bool           is_used;

static void
want_deliver(struct bytes user)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_want_deliver_add(&frame, &(struct msg_want_deliver){ user });
	service_control_send(buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
}

static bool
on_deliver_for(struct peer *control, struct bytes frame, int *fds,
    size_t n_fds, void *context)
{
	struct msg_deliver_for m;

	(void)control;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_deliver_for_read(frame, &m))
		return false;
	/* to one in our place, before it was refused its configuration */
	if (office.extensions != NULL)
		extensions_deliver_for(office.extensions, &m);
	return true;
}

static void
sources_close(struct sources *s)
{
	tables_close(s->tables);
	rules_close(s->rules);
	*s = (struct sources){ .tables = NULL };
}

/* Both are read, so that all mistakes are told at once. */
static bool
sources_open(struct sources *s, const struct config *config, struct buf *error)
{
	s->tables = tables_open(config, error);
	s->rules = rules_open(config, error);
	if (s->tables && s->rules)
		return true;
	sources_close(s);
	return false;
}

/* From now on the answers come from these. */
static void
work_with(const struct config *config, const struct sources *s)
{
	struct sources old = { office.tables, office.rules };

	sources_close(&old);
	office.config = config;
	office.tables = s->tables;
	office.rules = s->rules;
}

/* The first time. */
static bool
open_office(void)
{
	uint64_t seed;

	office.loop = service_loop();
	if (office.dns == NULL)
		office.dns = dns_client_new(office.loop);
	random_fill(&seed, sizeof seed);
	if (office.extensions == NULL)
		office.extensions = extensions_new(office.loop, seed, want_deliver);
	return office.dns != NULL && office.extensions != NULL;
}

static bool
open_sources(struct sources *s, const struct config *config, char *error, size_t size)
{
	struct buf   reasons;
	struct bytes text;
	bool         is_good;

	buf_init(&reasons, ERROR_MAX);
	is_good = sources_open(s, config, &reasons);
	text = buf_bytes(&reasons);
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	snprintf(error, size, "%.*s", BYTES_ARG(text));
	buf_finish(&reasons);
	return is_good;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct sources fresh;

	if (!open_office()) {
		snprintf(error, size, "no memory");
		return false;
	}
	if (!open_sources(&fresh, config, error, size))
		return false;
	/* a neighbour that is ahead of us may ask before the first use */
	if (!is_used) {
		work_with(config, &fresh);
		return true;
	}
	sources_close(&next);
	next = fresh;
	return true;
}

static void
use(const struct config *config)
{
	is_used = true;
	if (next.tables != NULL)
		work_with(config, &next);
	next = (struct sources){ .tables = NULL };
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	if (role == ROLE_DELIVER)
		extensions_add_process(office.extensions, serial, socket);
	else if (role == ROLE_DNS)
		dns_client_connect(office.dns, socket);
	else if (!asker_open(&office, role, socket))
		log_text("%.*s cannot be answered", BYTES_ARG(name));
}

/* Whoever would still be answered has ended, or hears "try later" of his client. */
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
	static const struct peer_permit control[] = {
		{ MSG_DELIVER_FOR, NULL, on_deliver_for, 0 },
	};
	static const struct program program = {
		.name = "ampel-lookup",
		.open_files = OPEN_FILES,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.control = control,
		.n_control = sizeof control / sizeof control[0],
		.stop = stop,
		.stats = stats,
	};
	uint64_t seed;

	random_fill(&seed, sizeof seed);
	if (!quota_init(&office.quota, seed))
		return EX_OSERR;
	return service_main(&program);
}
