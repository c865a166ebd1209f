#include "io/clock.h"
#include "smtpd/journal.h"
#include "smtpd/session_inside.h"

static const struct smtp_reply trouble = { 451, { 4, 3, 0 },
	BYTES_INIT("mail server temporarily rejected message") };

void
session_open_message(struct session *s)
{
	uint64_t  now = clock_now_ms();
	uint8_t   random[ID_RANDOM];
	struct id id;

	if (!message_open(&s->message, &s->worker->memory)) {
		smtp_server_answer_data(&s->smtp, NULL, 0);
		return;
	}
	random_fill(random, sizeof random);
	id = id_make(now, random);
	smtp_server_answer_data(&s->smtp, &id, now);
}

void
session_store_body(struct session *s)
{
	if (!message_add(&s->message, smtp_server_body(&s->smtp)))
		smtp_server_body_failed(&s->smtp);
}

/*
 * The promise is the answer's: 250 comes from the queue, for what is safe, and is
 * passed on as it is.
 */
static void
on_committed(const struct submit_result *result, void *context)
{
	struct session *s = context;

	s->commit = NULL;
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp,
	    (struct smtp_reply){ result->code, result->status, result->text });
	client_pump(&s->client);
}

/* Nobody else will write its final line. */
static void
fail_commit(struct session *s)
{
	const struct smtp_refusal refusal = {
		.reply = trouble,
		.envelope = smtp_server_envelope(&s->smtp),
	};

	journal_refusal(bytes_of(s->client.peer),
	    smtp_server_authenticated(&s->smtp), &refusal);
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp, trouble);
}

void
session_commit(struct session *s)
{
	if (message_seal(&s->message))
		s->commit = commit_begin(&s->worker->commits,
		    smtp_server_envelope(&s->smtp), s->message.fd, on_committed, s);
	message_handed_on(&s->message);
	if (s->commit == NULL) {
		fail_commit(s);
		return;
	}
	s->client.deadline_ms = clock_monotonic_ms() + s->policy->commit_timeout_ms;
}

void
session_give_up_commit(struct session *s)
{
	commit_leave(s->commit, COMMIT_GIVEN_UP);
	s->commit = NULL;
	message_drop(&s->message);
	smtp_server_answer_commit(&s->smtp, trouble);
}

void
session_discard_message(struct session *s)
{
	if (s->commit)
		commit_leave(s->commit, COMMIT_CLIENT_GONE);
	s->commit = NULL;
	message_drop(&s->message);
}
