#include "remote/problem.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/network.h"
#include "base/printable.h"
#include "mail/date.h"

static void
set_text(struct problem *p, struct bytes text)
{
	struct buf b;

	buf_init(&b, PROBLEM_TEXT_MAX + 1);
	printable_add(&b, text, PROBLEM_TEXT_MAX);
	snprintf(p->text, sizeof p->text, "%s", buf_string(&b));
	buf_finish(&b);
}

void
problem_set(struct problem *p, enum problem_kind kind, struct status status,
    const char *format, ...)
{
	char    text[PROBLEM_TEXT_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	p->kind = kind;
	p->status = status;
	p->is_reply = false;
	set_text(p, bytes_of(text));
}

void
problem_set_reply(struct problem *p, enum problem_kind kind,
    struct status status, struct bytes reply)
{
	p->kind = kind;
	p->status = status;
	p->is_reply = true;
	set_text(p, reply);
}

void
problem_set_host(struct problem *p, struct bytes name, const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (network_is_ipv4(address))
		inet_ntop(AF_INET, address + 12, text, sizeof text);
	else
		inet_ntop(AF_INET6, address, text, sizeof text);
	snprintf(p->host, sizeof p->host, "%.*s%s[%s]", BYTES_ARG(name),
	    name.n > 0 ? " " : "", text);
}

static bool
is_permanent(const struct problem *p)
{
	return p->kind == PROBLEM_PERMANENT || p->kind == PROBLEM_LOOP;
}

struct outcome
problem_outcome(const struct problem *p)
{
	struct outcome o = outcome_of(
	    is_permanent(p) ? OUTCOME_FAILED : OUTCOME_DEFERRED, p->status,
	    bytes_of(p->text));

	o.status.class = is_permanent(p) ? 5 : 4;
	o.host = bytes_of(p->host);
	o.is_reply = p->is_reply;
	return o;
}

struct outcome
problem_outcome_of_down(
    const struct problem *p, uint64_t probe_ms, char *text, size_t size)
{
	struct outcome o = problem_outcome(p);
	struct buf     b;

	buf_init(&b, size - 1);
	if (p->host[0] != '\0')
		buf_addf(&b, "%s%s ", p->host, p->is_reply ? " said" : ":");
	printable_add(&b, bytes_of(p->text), size / 2);
	buf_add_string(&b, "; tried again at ");
	date_add_rfc3339(&b, probe_ms);
	snprintf(text, size, "%s", buf_string(&b));
	buf_finish(&b);
	o.kind = OUTCOME_DEFERRED;
	if (o.status.class != 4)
		o.status = STATUS(4, 4, 1);
	o.text = bytes_of(text);
	o.host = BYTES(""); /* it was not asked about this one; the text names it */
	o.is_reply = false;
	o.is_down = true;
	return o;
}
