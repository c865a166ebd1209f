/*
 * ampel-dns: what is in the DNS, and whether DNSSEC proves it. May be asked: the records
 * of a name (remote, fetch, the administrator).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/desk.h"
#include "dns/resolver.h"
#include "dns/sources.h"
#include "io/log.h"
#include "service/service.h"

enum { ERROR_MAX = 512, PART_MAX = 1024 * 1024 };

static struct {
	struct sources   sources;
	struct desk     *desk;
	struct buf       part;      /* the configuration in use, as text */
	struct resolver *next;      /* what was prepared last; NULL: nothing changes */
	struct buf       next_part;
} dns;

/*
 * The files of the configuration are outside the chroot, and the library's own too: one
 * resolver is opened here, so that it has read them.
 */
static bool
before_sandbox(const struct config *config)
{
	char             error[ERROR_MAX];
	struct resolver *first = NULL;

	if (sources_read(&dns.sources, &config->dns, error, sizeof error))
		first = resolver_open(service_loop(), &config->dns, &dns.sources,
		    error, sizeof error);
	if (first == NULL)
		log_text("%s", error);
	resolver_close(first);
	return first != NULL;
}

/* Without a change the cache is kept. */
static bool
has_changed(const struct config *config)
{
	buf_finish(&dns.next_part);
	buf_init(&dns.next_part, PART_MAX);
	config_add_part(&dns.next_part, config, PART_DNS);
	return dns.part.p == NULL || dns.next_part.failed ||
	    !bytes_equal(buf_bytes(&dns.part), buf_bytes(&dns.next_part));
}

/* From now on the answers come from what was prepared. */
static void
use_next(void)
{
	desk_use(dns.desk, dns.next);
	dns.next = NULL;
	buf_finish(&dns.part);
	dns.part = dns.next_part;
	dns.next_part = (struct buf){ 0 };
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	bool is_first = dns.part.p == NULL;

	if (!sources_are_of(&dns.sources, &config->dns)) {
		snprintf(error, size,
		    "another anchor or root_hints needs a stop and a start");
		return false;
	}
	resolver_close(dns.next);
	dns.next = NULL;
	if (!has_changed(config))
		return true;
	if (dns.desk == NULL)
		dns.desk = desk_open(service_loop());
	if (dns.desk == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	dns.next = resolver_open(
	    service_loop(), &config->dns, &dns.sources, error, size);
	if (dns.next == NULL)
		return false;
	if (is_first) /* a neighbour that is ahead of us may ask before the first use */
		use_next();
	return true;
}

static void
use(const struct config *config)
{
	(void)config;
	if (dns.next)
		use_next();
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	if (!desk_add(dns.desk, role, socket))
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
	desk_add_stats(dns.desk, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-dns",
		.open_files = RESOLVER_FILES,
		.before_sandbox = before_sandbox,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};
	int code = service_main(&program);

	/* ends the library's threads: exit(3) takes the ground from under them */
	desk_close(dns.desk);
	return code;
}
