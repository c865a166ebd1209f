#include "service/dns_client.h"

#include <stdlib.h>

#include "base/buf.h"
#include "io/memfile.h"
#include "service/asking.h"

/* The DNS has no larger answers than 64 KiB; each record brings its length. */
enum { RECORDS_MAX_BYTES = 256 * 1024 };

struct dns_question {
	struct question question; /* first */
	dns_answered   *answered;
	void           *context;
};

struct dns_client {
	struct asking asking; /* first */
};

static void
fail(struct question *question)
{
	static const struct dns_answer nobody = {
		.result = DNS_TRY_LATER,
		.text = BYTES_INIT("the resolver did not answer"),
	};
	struct dns_question *q = (struct dns_question *)question;

	q->answered(&nobody, q->context);
	free(q);
}

/* All of them are there and nothing else. */
static bool
are_records(struct bytes list, uint32_t n)
{
	struct frame_reader r = frame_reader_of(list);

	if (n > DNS_RECORDS_MAX)
		return false;
	while (n-- > 0)
		frame_bytes(&r);
	return frame_end(&r);
}

/* Records come with FOUND, and only then. */
static bool
is_answer(const struct msg_dns *m, struct bytes records)
{
	return m->result <= DNS_BOGUS && (m->result == DNS_FOUND) == (m->n > 0) &&
	    are_records(records, m->n);
}

static void
answer(struct dns_client *c, const struct msg_dns *m, struct bytes records)
{
	const struct dns_answer answer = {
		.result = (enum dns_result)m->result,
		.is_secure = m->is_secure == 1 && m->result != DNS_BOGUS,
		.ttl_s = m->ttl,
		.canonical = m->canonical,
		.n = m->n,
		.records = frame_reader_of(records),
		.text = m->text,
	};
	struct dns_question *q =
	    (struct dns_question *)asking_answered(&c->asking, m->q);

	if (q == NULL) /* forgotten */
		return;
	q->answered(&answer, q->context);
	free(q);
}

/* False: no sealed memory file, too large, or no memory. */
static bool
read_records(int fd, struct buf *large)
{
	uint64_t size;

	return memfile_check(fd, RECORDS_MAX_BYTES, &size) == MEMFILE_SEALED &&
	    memfile_read(fd, 0, large) == 0;
}

static bool
on_dns(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_dns m;
	struct buf     large;
	bool           good;

	(void)peer;
	if (!msg_dns_read(frame, &m) || n_fds != (m.is_large == 1 ? 1 : 0))
		return false;
	buf_init(&large, RECORDS_MAX_BYTES);
	good = m.is_large != 1 || (m.records.n == 0 && read_records(fds[0], &large));
	if (m.is_large == 1)
		m.records = buf_bytes(&large);
	good = good && is_answer(&m, m.records);
	if (good)
		answer(context, &m, m.records);
	buf_finish(&large);
	return good;
}

static const struct peer_permit permits[] = {
	{ MSG_DNS, NULL, on_dns, 1 },
};

static const struct asking_kind dns_kind = {
	.permits = permits,
	.n_permits = sizeof permits / sizeof permits[0],
	.timeout_ms = DNS_TIMEOUT_MS,
	.fail = fail,
	.waits = true,
};

struct dns_client *
dns_client_new(uv_loop_t *loop)
{
	struct dns_client *c = malloc(sizeof *c);

	if (c)
		asking_init(&c->asking, loop, &dns_kind);
	return c;
}

void
dns_client_free(struct dns_client *c)
{
	asking_free(c ? &c->asking : NULL);
}

void
dns_client_connect(struct dns_client *c, int socket)
{
	asking_connect(&c->asking, socket);
}

struct dns_question *
dns_ask(struct dns_client *c, struct bytes name, enum dns_type type,
    dns_answered *answered, void *context)
{
	const struct msg_ask_dns m = { question_number(&c->asking.ring),
		(uint16_t)type, name };
	struct dns_question     *q;
	struct buf               frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_dns_add(&frame, &m);
	q = asking_ask(&c->asking, sizeof *q, m.q, &frame);
	if (q) {
		q->answered = answered;
		q->context = context;
	}
	return q;
}

void
dns_forget(struct dns_question *q)
{
	asking_forget(q ? &q->question : NULL);
}
