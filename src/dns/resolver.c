#include "dns/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "base/network.h"
#include "io/log.h"
#include "service/service.h"

enum {
	RECORDS_MAX_BYTES = 256 * 1024,
	ADDRESS_TEXT = 128,
	CLASS_IN = 1,
	RCODE_NOERROR = 0,
	RCODE_SERVFAIL = 2,
};

struct resolver {
	struct ub_ctx *ub;
	uv_poll_t      poll; /* its answers */
};

/* --- configuration --- */

struct option {
	const char *name, *value;
};

static const struct option options[] = {
	{ "module-config:", "validator iterator" },
	/*
	 * The library's hardening. Two stay off: harden-referral-path asks twice as much, and
	 * harden-algo-downgrade refuses what RFC 6840 section 5.11 wants to be accepted.
	 */
	{ "harden-glue:", "yes" },
	{ "harden-dnssec-stripped:", "yes" },
	{ "harden-below-nxdomain:", "yes" },
	{ "harden-algo-downgrade:", "no" },
	{ "qname-minimisation:", "yes" }, /* RFC 9156 */
	{ "aggressive-nsec:", "yes" },    /* RFC 8198 */
	{ "val-clean-additional:", "yes" },
	{ "do-tcp:", "yes" },               /* what does not fit comes again by TCP */
	{ "edns-buffer-size:", "1232" },    /* no fragments */
	{ "outgoing-num-tcp:", "100" },
	{ "outgoing-range:", "1500" },
	/* a host that came back is found again, though nobody asks often */
	{ "infra-keep-probing:", "yes" },
	{ "infra-host-ttl:", "300" },
	/* memory */
	{ "rrset-cache-size:", "32m" },
	{ "msg-cache-size:", "16m" },
	{ "key-cache-size:", "8m" },
	{ "neg-cache-size:", "4m" },
	{ "infra-cache-numhosts:", "20000" },
	{ "cache-max-ttl:", "86400" },
	{ "cache-max-negative-ttl:", "900" },
};

/* A resolver of this house knows its private networks. */
static const struct option forward_options[] = {
	{ "unblock-lan-zones:", "yes" },
	{ "insecure-lan-zones:", "yes" },
};

static bool
fail(char *error, size_t size, const char *what, int code)
{
	snprintf(error, size, "dns: %s: %s", what, ub_strerror(code));
	return false;
}

static bool
set_options(struct ub_ctx *ub, const struct option *list, size_t n, char *error,
    size_t size)
{
	for (size_t i = 0; i < n; i++) {
		int code = ub_ctx_set_option(ub, list[i].name, list[i].value);

		if (code != 0)
			return fail(error, size, list[i].name, code);
	}
	return true;
}

static bool
is_loopback(struct bytes host)
{
	uint8_t        address[16];
	struct network loopback;

	return network_parse_address(host, address) &&
	    ((network_parse(BYTES("127.0.0.0/8"), &loopback) &&
	         network_contains(&loopback, address)) ||
	        (network_parse(BYTES("::1/128"), &loopback) &&
	            network_contains(&loopback, address)));
}

/* Else the library refuses to ask there: names of strangers may point to it. */
static int
allow_loopback(struct ub_ctx *ub, struct bytes host)
{
	if (!is_loopback(host))
		return 0;
	return ub_ctx_set_option(ub, "do-not-query-localhost:", "no");
}

static bool
set_forward(struct ub_ctx *ub, const struct endpoint_list *list, char *error,
    size_t size)
{
	char address[ADDRESS_TEXT];
	int  code = 0;

	for (size_t i = 0; i < list->n && code == 0; i++) {
		struct bytes host = list->v[i].host;

		snprintf(address, sizeof address, "%.*s@%u", BYTES_ARG(host),
		    list->v[i].port);
		code = ub_ctx_set_fwd(ub, address);
		if (code == 0)
			code = allow_loopback(ub, host);
		if (code != 0)
			return fail(error, size, address, code);
	}
	return list->n == 0 ||
	    set_options(ub, forward_options,
	        sizeof forward_options / sizeof forward_options[0], error, size);
}

static bool
set_anchors(struct ub_ctx *ub, struct bytes text, char *error, size_t size)
{
	struct buf line;
	size_t     n = 0;
	int        code = 0;

	buf_init(&line, text.n + 1);
	while (code == 0 && source_record(&text, &line)) {
		code = ub_ctx_add_ta(ub, buf_string(&line));
		n++;
	}
	buf_finish(&line);
	if (code != 0)
		return fail(error, size, "anchor", code);
	if (n == 0)
		snprintf(error, size, "dns: anchor: no record is in it");
	return n > 0;
}

/* The root is a stub that is primed, RFC 8109. */
static bool
set_hints(struct ub_ctx *ub, struct bytes text, char *error, size_t size)
{
	struct bytes host;
	struct buf   line;
	char         address[ADDRESS_TEXT];
	size_t       n = 0;
	int          code = 0;

	if (text.n == 0)
		return true;
	buf_init(&line, text.n + 1);
	while (code == 0 && source_record(&text, &line)) {
		if (!source_address(buf_bytes(&line), &host) ||
		    !bytes_to_string(host, address, sizeof address))
			continue;
		code = ub_ctx_set_stub(ub, ".", address, 1);
		if (code == 0)
			code = allow_loopback(ub, host);
		n++;
	}
	buf_finish(&line);
	if (code != 0)
		return fail(error, size, "root_hints", code);
	if (n == 0)
		snprintf(error, size, "dns: root_hints: no address is in it");
	return n > 0;
}

/* Anchors are not looked at before the first question; this one needs no server. */
static bool
try_it(struct ub_ctx *ub, char *error, size_t size)
{
	struct ub_result *result = NULL;
	int code = ub_resolve(ub, "localhost", DNS_A, CLASS_IN, &result);

	ub_resolve_free(result);
	return code == 0 ||
	    fail(error, size, "libunbound does not take the anchors", code);
}

static bool
configure(struct ub_ctx *ub, const struct config_dns *config,
    const struct sources *sources, char *error, size_t size)
{
	int code = ub_ctx_debugout(ub, NULL);

	if (code == 0)
		code = ub_ctx_async(ub, 1);
	if (code != 0)
		return fail(error, size, "libunbound", code);
	return set_options(
	           ub, options, sizeof options / sizeof options[0], error, size) &&
	    set_forward(ub, &config->forward, error, size) &&
	    set_anchors(ub, buf_bytes(&sources->anchors), error, size) &&
	    set_hints(ub, buf_bytes(&sources->hints), error, size) &&
	    try_it(ub, error, size);
}

/* --- its life --- */

static void
on_answers(uv_poll_t *poll, int status, int events)
{
	struct resolver *r = poll->data;

	(void)events;
	if (status == 0 && ub_process(r->ub) == 0)
		return;
	log_text("libunbound has failed: ending"); /* to be started again */
	uv_poll_stop(poll);
	service_end(1);
}

static void
free_resolver(uv_handle_t *handle)
{
	free(handle->data);
}

struct resolver *
resolver_open(uv_loop_t *loop, const struct config_dns *config,
    const struct sources *sources, char *error, size_t size)
{
	struct resolver *r = calloc(1, sizeof *r);

	if (r)
		r->ub = ub_ctx_create();
	if (r == NULL || r->ub == NULL) {
		snprintf(error, size, "dns: no memory");
		free(r);
		return NULL;
	}
	if (!configure(r->ub, config, sources, error, size) ||
	    uv_poll_init(loop, &r->poll, ub_fd(r->ub)) != 0) {
		ub_ctx_delete(r->ub);
		free(r);
		return NULL;
	}
	r->poll.data = r;
	uv_poll_start(&r->poll, UV_READABLE, on_answers);
	return r;
}

void
resolver_close(struct resolver *r)
{
	if (r == NULL)
		return;
	uv_poll_stop(&r->poll);
	uv_close((uv_handle_t *)&r->poll, free_resolver);
	ub_ctx_delete(r->ub);
}

/* --- questions --- */

static void
try_later(struct msg_dns *m, const char *why)
{
	*m = (struct msg_dns){ .result = DNS_TRY_LATER, .text = bytes_of(why) };
}

/* The data of the records, as many as are taken; false: no memory. */
static bool
add_records(struct buf *b, const struct ub_result *result, uint32_t *n)
{
	for (*n = 0; result->data[*n] != NULL && *n < DNS_RECORDS_MAX; ++*n)
		frame_add_bytes(b,
		    (struct bytes){ result->data[*n], (size_t)result->len[*n] });
	return !b->failed;
}

static void
fill_found(struct msg_dns *m, const struct ub_result *result, struct buf *records)
{
	m->result = DNS_FOUND;
	if (add_records(records, result, &m->n))
		m->records = buf_bytes(records);
	else
		try_later(m, "no memory for the answer");
}

/* Where the chain of CNAMEs ends, lower case, in a buffer of its own. */
static bool
fill_canonical(struct msg_dns *m, const struct ub_result *result, struct buf *name)
{
	struct bytes text = bytes_of(result->canonname);

	if (text.n > 1 && text.p[text.n - 1] == '.')
		text.n--;
	if (!dns_name_is_host(text))
		return false;
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(name, byte_lower(text.p[i]));
	m->canonical = buf_bytes(name);
	return !name->failed;
}

static const char *
rcode_text(int rcode)
{
	static const char *const texts[] = {
		[1] = "a name server does not understand the question (FORMERR)",
		[RCODE_SERVFAIL] = "no name server gave an answer (SERVFAIL)",
		[4] = "a name server does not do that (NOTIMP)",
		[5] = "a name server refused to answer (REFUSED)",
	};
	size_t i = (size_t)rcode;

	return i < sizeof texts / sizeof texts[0] && texts[i] ? texts[i]
	                                                      : "no answer";
}

static void
fill_answer(struct msg_dns *m, const struct ub_result *result, struct buf *records)
{
	m->is_secure = result->secure && !result->bogus;
	m->ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0;
	if (result->bogus) {
		m->result = DNS_BOGUS;
		m->text = bytes_of(
		    result->why_bogus ? result->why_bogus : "DNSSEC says so");
	} else if (result->havedata) {
		fill_found(m, result, records);
	} else if (result->nxdomain) {
		m->result = DNS_NO_NAME;
	} else if (result->rcode == RCODE_NOERROR) {
		m->result = DNS_NO_DATA;
	} else {
		try_later(m, rcode_text(result->rcode));
	}
}

static void
on_resolved(void *context, int code, struct ub_result *result)
{
	struct errand *e = context;
	struct msg_dns m = { .canonical = bytes_of(e->name) };
	struct buf     records, canonical;

	buf_init(&records, RECORDS_MAX_BYTES);
	buf_init(&canonical, DNS_NAME_MAX);
	if (code != 0)
		try_later(&m, ub_strerror(code));
	else
		fill_answer(&m, result, &records);
	if (code == 0 && result->canonname && m.result != DNS_TRY_LATER &&
	    !fill_canonical(&m, result, &canonical))
		try_later(&m, "a CNAME leads to what is no host name");
	e->answered(e, &m);
	buf_finish(&records);
	buf_finish(&canonical);
	ub_resolve_free(result);
}

bool
resolver_ask(struct resolver *r, struct errand *errand)
{
	return ub_resolve_async(r->ub, errand->name, errand->type, CLASS_IN,
	           errand, on_resolved, NULL) == 0;
}
