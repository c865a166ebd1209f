#include "fetch/retrieval.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "fetch/download.h"
#include "proto/mta_sts.h"

enum {
	ADDRESSES_MAX = 4,   /* of each kind */
	ADDRESSES_BYTES = 1024,
	WHY_MAX = 512,
};

struct retrieval {
	struct retrieval    *next, *before;
	struct retrievals   *all;
	bool                 is_running;
	char                 host[DNS_NAME_MAX + 1];
	struct dns_question *questions[2]; /* AAAA and A, while they are open */
	struct buf           addresses;    /* as libcurl takes them */
	char                 why[WHY_MAX]; /* there are no addresses */
	struct download     *download;
	retrieved           *ended;
	void                *context;
};

/* --- the line --- */

static void run_next(struct retrievals *all);

static void
free_retrieval(struct retrieval *r)
{
	struct retrievals *all = r->all;

	*(r->before ? &r->before->next : &all->first) = r->next;
	*(r->next ? &r->next->before : &all->last) = r->before;
	all->n--;
	all->n_running -= r->is_running;
	for (size_t i = 0; i < 2; i++)
		dns_forget(r->questions[i]);
	download_cancel(r->download);
	buf_finish(&r->addresses);
	free(r);
}

static void
end(struct retrieval *r, struct bytes text, const char *why)
{
	struct retrievals *all = r->all;

	r->ended(text, why, r->context);
	free_retrieval(r);
	run_next(all);
}

/* --- the text --- */

static void
on_downloaded(struct bytes text, const char *why, void *context)
{
	struct retrieval *r = context;

	r->download = NULL;
	end(r, text, why);
}

static void
download(struct retrieval *r)
{
	const struct download_what what = {
		.host = r->host,
		.path = "/.well-known/mta-sts.txt",
		.addresses = buf_string(&r->addresses),
		.authorities = r->all->authorities,
		.max_bytes = STS_POLICY_MAX,
	};

	r->download = download_start(r->all->loop, &what, on_downloaded, r);
	if (r->download == NULL)
		end(r, BYTES(""), "no memory");
}

/* --- the addresses --- */

static void
add_address(struct buf *b, enum dns_type type, struct bytes data)
{
	char    text[INET6_ADDRSTRLEN];
	uint8_t address[16];

	if (!dns_address_read(type, data, address))
		return;
	if (type == DNS_A)
		inet_ntop(AF_INET, address + 12, text, sizeof text);
	else
		inet_ntop(AF_INET6, address, text, sizeof text);
	buf_addf(b, type == DNS_A ? "%s%s" : "%s[%s]", b->len > 0 ? "," : "", text);
}

static void
add_addresses(
    struct retrieval *r, enum dns_type type, const struct dns_answer *answer)
{
	struct frame_reader records = answer->records;

	for (uint32_t i = 0; i < answer->n && i < ADDRESSES_MAX; i++)
		add_address(&r->addresses, type, frame_bytes(&records));
	if (answer->result != DNS_FOUND && answer->text.n > 0)
		snprintf(r->why, sizeof r->why, "%s: %.*s", r->host,
		    BYTES_ARG(bytes_first(answer->text, 128)));
}

static void
on_addresses(
    struct retrieval *r, enum dns_type type, const struct dns_answer *answer)
{
	r->questions[type == DNS_A] = NULL;
	add_addresses(r, type, answer);
	if (r->questions[0] || r->questions[1])
		return;
	if (r->addresses.len > 0 && !r->addresses.failed)
		download(r);
	else
		end(r, BYTES(""), r->why);
}

static void
on_aaaa(const struct dns_answer *answer, void *context)
{
	on_addresses(context, DNS_AAAA, answer);
}

static void
on_a(const struct dns_answer *answer, void *context)
{
	on_addresses(context, DNS_A, answer);
}

/* False: no memory. */
static bool
run(struct retrieval *r)
{
	struct bytes host = bytes_of(r->host);

	r->is_running = true;
	r->all->n_running++;
	r->questions[0] = dns_ask(r->all->dns, host, DNS_AAAA, on_aaaa, r);
	r->questions[1] = dns_ask(r->all->dns, host, DNS_A, on_a, r);
	return r->questions[0] && r->questions[1];
}

/* --- turns --- */

/* The next whose turn it is; not those who fail at once, whose end calls us again. */
static void
run_next(struct retrievals *all)
{
	struct retrieval *r = all->first;

	if (all->n_running >= RETRIEVALS_MAX)
		return;
	while (r && r->is_running)
		r = r->next;
	if (r && !run(r))
		end(r, BYTES(""), "no memory");
}

struct retrieval *
retrieval_start(struct retrievals *all, struct bytes domain, retrieved *ended,
    void *context)
{
	struct retrieval *r;

	if (all->n >= RETRIEVALS_MAX + RETRIEVALS_WAITING_MAX)
		return NULL;
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->all = all;
	r->ended = ended;
	r->context = context;
	buf_init(&r->addresses, ADDRESSES_BYTES);
	snprintf(r->host, sizeof r->host, "mta-sts.%.*s", BYTES_ARG(domain));
	snprintf(r->why, sizeof r->why, "%s has no address", r->host);
	r->before = all->last;
	*(all->last ? &all->last->next : &all->first) = r;
	all->last = r;
	all->n++;
	if (all->n_running >= RETRIEVALS_MAX || run(r))
		return r;
	free_retrieval(r);
	return NULL;
}

void
retrievals_cancel(struct retrievals *all)
{
	while (all->first)
		free_retrieval(all->first);
}
