#include "smtpd/stdio_commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "smtpd/journal.h"

enum { ACCEPTED_MAX = 64 };

/* -1: no memory, or no file. */
static int
make_envelope(const struct stdio_session *s, const struct envelope *e)
{
	struct buf text, target;
	int        fd = -1;

	buf_init(&text, QMAIL_QUEUE_ENVELOPE_MAX);
	buf_init(&target, QMAIL_QUEUE_ADDRESS_MAX);
	qmail_envelope_add_reverse_path(&text, e->reverse_path);
	for (size_t i = 0; i < e->n_recipients; i++) {
		buf_clear(&target);
		stdio_recipients_add_target(
		    &s->recipients, e->recipients[i].address, &target);
		text.failed |= target.failed;
		qmail_envelope_add_recipient(&text, buf_bytes(&target));
	}
	qmail_envelope_add_end(&text);
	if (!text.failed)
		fd = memfile_of("envelope", buf_bytes(&text));
	buf_finish(&target);
	buf_finish(&text);
	return fd;
}

static struct stdio_queue_end
queue(struct stdio_session *s, const struct envelope *e)
{
	struct stdio_queue_end end = { .code = QMAIL_QUEUE_WRITE_ERROR };
	int                    envelope = make_envelope(s, e);

	if (envelope != -1 && message_seal(&s->message))
		end = stdio_queue_run(&s->queue, s->message.fd, envelope);
	if (envelope != -1)
		close(envelope);
	return end;
}

static void
write_final_line(const struct stdio_session *s, const struct envelope *e,
    const struct smtp_reply *reply, uint64_t began_ms)
{
	const struct journal_message m = {
		.id = e->id,
		.peer = s->peer.address,
		.from = e->reverse_path,
		.rcpt = e->recipients[0].address,
		.user = e->user,
		.tls = e->tls,
		.n_recipients = e->n_recipients,
		.size_bytes = e->size_bytes,
		.ms = clock_monotonic_ms() - began_ms,
	};
	const struct submit_result result = {
		.code = reply->code,
		.status = reply->status,
		.text = reply->text,
	};

	journal_result(&m, &result, NULL);
}

/*
 * The promise is the program's: 250 for an exit code 0, and nothing else. Its process id is what
 * a queue of qmail's kind calls the message by.
 */
static struct smtp_reply
reply_to(const struct stdio_queue_end *end, char accepted[ACCEPTED_MAX])
{
	if (end->code != QMAIL_QUEUE_OK)
		return qmail_queue_reply(
		    end->code, (struct bytes){ end->text, end->text_bytes });
	snprintf(accepted, ACCEPTED_MAX, "ok %" PRIu64 " qp %ld",
	    clock_now_ms() / 1000, (long)end->pid);
	return (struct smtp_reply){ 250, { 2, 0, 0 }, bytes_of(accepted) };
}

void
stdio_commit(struct stdio_session *s)
{
	const struct envelope *e = smtp_server_envelope(&s->smtp);
	uint64_t               began_ms = clock_monotonic_ms();
	struct stdio_queue_end end;
	struct smtp_reply      reply;
	char                   accepted[ACCEPTED_MAX];

	stdio_recipients_rest(&s->recipients); /* the program may want its place */
	end = queue(s, e);
	reply = reply_to(&end, accepted);
	write_final_line(s, e, &reply, began_ms);
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp, reply);
}
