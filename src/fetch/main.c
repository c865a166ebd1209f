/*
 * ampel-fetch: what domains publish by MTA-STS (RFC 8461). May be asked: the policy of a
 * domain (remote). It asks ampel-dns, and web servers over HTTPS.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/desk.h"
#include "fetch/download.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/log.h"
#include "service/service.h"

enum { AUTHORITIES_MAX = 4 * 1024 * 1024, PATH_BYTES = 1024 };

static struct {
	char        path[PATH_BYTES]; /* of the authorities */
	struct buf  authorities;      /* empty: nobody can vouch for a server */
	struct desk *desk;
} fetch;

/*
 * What is outside the chroot: the authorities, and what the libraries read. Without
 * authorities no policy can be had, and mail goes out as if there was none: a server
 * without them still is one.
 */
static bool
before_sandbox(const struct config *config)
{
	buf_init(&fetch.authorities, AUTHORITIES_MAX);
	if (!bytes_to_string(config->authorities, fetch.path, sizeof fetch.path)) {
		log_text("the name of the file of authorities is too long");
		return false;
	}
	if (file_read(fetch.path, &fetch.authorities, NULL) == -1) {
		log_text("no policy can be fetched: %s: %s", fetch.path,
		    strerror(errno));
		buf_clear(&fetch.authorities);
	}
	return download_prepare();
}

/* In a folder of their own: there may be other things in ours. */
static struct memory *
open_memory(void)
{
	const char *own = service_directory();
	char        folder[PATH_BYTES];
	int         n;

	if (own == NULL)
		return memory_open(NULL, clock_now_ms());
	n = snprintf(folder, sizeof folder, "%s/policies", own);
	if (n < 0 || (size_t)n >= sizeof folder)
		return NULL;
	return memory_open(folder, clock_now_ms());
}

static bool
open_desk(void)
{
	struct memory *memory = open_memory();

	if (memory)
		fetch.desk = desk_open(
		    service_loop(), memory, buf_bytes(&fetch.authorities));
	if (fetch.desk == NULL)
		memory_close(memory);
	return fetch.desk != NULL;
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	if (!bytes_equal(config->authorities, bytes_of(fetch.path))) {
		snprintf(error, size,
		    "another file of authorities needs a stop and a start");
		return false;
	}
	if (fetch.desk || open_desk())
		return true;
	snprintf(error, size, "the policies cannot be remembered");
	return false;
}

/* Nothing of it changes while we run. */
static void
use(const struct config *config)
{
	(void)config;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	if (!desk_add(fetch.desk, role, socket))
		log_text("%.*s cannot be answered", BYTES_ARG(name));
}

/* Those who ask have ended before us. */
static void
stop(void)
{
	service_end(0);
}

static void
stats(struct buf *b)
{
	desk_add_stats(fetch.desk, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-fetch",
		.before_sandbox = before_sandbox,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};

	return service_main(&program);
}
