#include "lookup/reverse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/network.h"
#include "proto/dns_record.h"

enum { ADDRESS_BYTES = 16, IPV4_AT = 12 };

struct reverse_question {
	uv_timer_t           timer;
	struct dns_client   *dns;
	uint8_t              address[ADDRESS_BYTES];
	reverse_known       *known;
	void                *context;
	struct dns_question *question; /* the one that is open */
	size_t               n_names;
	size_t               at;       /* the name whose addresses are asked for */
	char                 names[REVERSE_NAMES_MAX][DNS_NAME_MAX + 1];
};

void
reverse_zone(const uint8_t address[16], char out[REVERSE_ZONE_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t            n = 0;

	if (network_is_ipv4(address)) {
		snprintf(out, REVERSE_ZONE_MAX, "%u.%u.%u.%u.in-addr.arpa",
		    address[IPV4_AT + 3], address[IPV4_AT + 2],
		    address[IPV4_AT + 1], address[IPV4_AT]);
		return;
	}
	for (unsigned i = ADDRESS_BYTES; i-- > 0;) {
		out[n++] = digits[address[i] & 15];
		out[n++] = '.';
		out[n++] = digits[address[i] >> 4];
		out[n++] = '.';
	}
	memcpy(out + n, "ip6.arpa", sizeof "ip6.arpa");
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
reverse_forget(struct reverse_question *q)
{
	if (q == NULL)
		return;
	dns_forget(q->question);
	q->question = NULL;
	uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void
end(struct reverse_question *q, const char *name)
{
	reverse_known *known = q->known;
	void          *context = q->context;
	char           copy[DNS_NAME_MAX + 1];

	snprintf(copy, sizeof copy, "%s", name);
	reverse_forget(q);
	known(bytes_of(copy), context);
}

static void
on_timeout(uv_timer_t *timer)
{
	end(timer->data, "");
}

static enum dns_type
address_type(const struct reverse_question *q)
{
	return network_is_ipv4(q->address) ? DNS_A : DNS_AAAA;
}

/* Whether one of the addresses is ours. */
static bool
confirms(const struct reverse_question *q, const struct dns_answer *answer)
{
	struct frame_reader records = answer->records;
	uint8_t             address[ADDRESS_BYTES];

	for (uint32_t i = 0; answer->result == DNS_FOUND && i < answer->n; i++)
		if (dns_address_read(
		        address_type(q), frame_bytes(&records), address) &&
		    memcmp(address, q->address, sizeof address) == 0)
			return true;
	return false;
}

static dns_answered on_addresses;

/* Those of the next name; without one it is over. */
static void
ask_addresses(struct reverse_question *q)
{
	if (q->at < q->n_names)
		q->question = dns_ask(q->dns, bytes_of(q->names[q->at]),
		    address_type(q), on_addresses, q);
	if (q->question == NULL)
		end(q, "");
}

static void
on_addresses(const struct dns_answer *answer, void *context)
{
	struct reverse_question *q = context;

	q->question = NULL;
	if (confirms(q, answer)) {
		end(q, q->names[q->at]);
		return;
	}
	q->at++;
	ask_addresses(q);
}

/* The root is nobody's name. */
static void
take_name(struct reverse_question *q, struct bytes record)
{
	char *name = q->names[q->n_names];

	if (dns_host_read(record, name) && strcmp(name, ".") != 0)
		q->n_names++;
}

static void
on_names(const struct dns_answer *answer, void *context)
{
	struct reverse_question *q = context;
	struct frame_reader      records = answer->records;

	q->question = NULL;
	for (uint32_t i = 0; answer->result == DNS_FOUND && i < answer->n &&
	     q->n_names < REVERSE_NAMES_MAX; i++)
		take_name(q, frame_bytes(&records));
	ask_addresses(q);
}

struct reverse_question *
reverse_ask(uv_loop_t *loop, struct dns_client *dns, const uint8_t address[16],
    reverse_known *known, void *context)
{
	struct reverse_question *q = calloc(1, sizeof *q);
	char                     zone[REVERSE_ZONE_MAX];

	if (q == NULL || uv_timer_init(loop, &q->timer) != 0) {
		free(q);
		return NULL;
	}
	q->timer.data = q;
	q->dns = dns;
	q->known = known;
	q->context = context;
	memcpy(q->address, address, sizeof q->address);
	reverse_zone(address, zone);
	q->question = dns_ask(dns, bytes_of(zone), DNS_PTR, on_names, q);
	if (q->question == NULL ||
	    uv_timer_start(&q->timer, on_timeout, REVERSE_TIMEOUT_MS, 0) != 0) {
		reverse_forget(q);
		return NULL;
	}
	return q;
}
