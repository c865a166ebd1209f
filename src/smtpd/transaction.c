#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "io/log.h"
#include "service/service.h"
#include "smtpd/record.h"
#include "smtpd/session_private.h"

void
transaction_drop(struct session *s)
{
	if (s->handover)
		handover_abandon(s->handover, HANDOVER_CLIENT_GONE);
	s->handover = NULL;
	if (s->file)
		message_file_close(s->file);
	free(s->file);
	s->file = NULL;
}

static void
on_recipient(enum recipient_answer answer, void *context)
{
	static const enum smtp_recipient_answer answers[] = {
		[RECIPIENT_UNKNOWN] = SMTP_RECIPIENT_UNKNOWN,
		[RECIPIENT_NOT_OURS] = SMTP_RECIPIENT_NOT_OURS,
		[RECIPIENT_OK] = SMTP_RECIPIENT_OK,
		[RECIPIENT_TRY_LATER] = SMTP_RECIPIENT_TRY_LATER,
	};
	struct session *s = context;

	s->question = NULL;
	smtp_server_answer_recipient(&s->smtp, answers[answer]);
	session_pump(s);
}

void
transaction_ask_recipient(struct session *s)
{
	s->question = lookup_recipient(s->worker->lookup,
	    smtp_server_recipient(&s->smtp), on_recipient, s);
	if (s->question == NULL)
		smtp_server_answer_recipient(&s->smtp, SMTP_RECIPIENT_TRY_LATER);
}

void
transaction_open_file(struct session *s)
{
	uint64_t  now = clock_now_ms();
	uint8_t   random[ID_RANDOM];
	struct id id;

	s->file = calloc(1, sizeof *s->file);
	if (s->file == NULL || message_file_open(s->file, &s->worker->memory,
	                           service_directory()) == -1) {
		log_text("a message cannot be taken: no memory file");
		transaction_drop(s);
		smtp_server_answer_data(&s->smtp, NULL, 0);
		return;
	}
	random_fill(random, sizeof random);
	id = id_make(now, random);
	smtp_server_answer_data(&s->smtp, &id, now);
}

void
transaction_store(struct session *s)
{
	if (message_file_write(s->file, smtp_server_body(&s->smtp)) == 0)
		return;
	log_text("a message cannot be stored: %s", strerror(errno));
	smtp_server_body_failed(&s->smtp);
}

static void
on_answer(const struct submit_result *result, void *context)
{
	struct session   *s = context;
	struct smtp_reply reply = { result->code, result->status, result->text };

	s->handover = NULL;
	smtp_server_answer_commit(&s->smtp, reply);
	session_pump(s);
}

/* Not handed over: 452 or 451, and the log has the final line. */
static void
fail_commit(struct session *s, struct smtp_reply reply)
{
	struct smtp_refusal refusal = { .reply = reply };

	record_refusal(smtp_server_envelope(&s->smtp), &refusal);
	transaction_drop(s);
	smtp_server_answer_commit(&s->smtp, reply);
}

void
transaction_commit(struct session *s)
{
	uint64_t now = uv_now(s->worker->loop);

	if (message_file_seal(s->file) == -1) {
		log_text("a message cannot be stored: %s", strerror(errno));
		fail_commit(s, SMTP_REPLY(452, 4, 3, 1, "no space for the message"));
		return;
	}
	s->handover = handover_begin(s->worker->submit,
	    smtp_server_envelope(&s->smtp), s->file, on_answer, s);
	if (s->handover == NULL) {
		fail_commit(s, SMTP_REPLY(451, 4, 3, 0, "too busy, try again later"));
		return;
	}
	free(s->file);
	s->file = NULL;
	s->deadline_ms = now + s->policy->commit_timeout_ms;
}

/* What comes of it all the same stands in the log. */
void
transaction_give_up(struct session *s)
{
	struct id_text id = id_text(&smtp_server_envelope(&s->smtp)->id);
	char           text[100];

	snprintf(text, sizeof text,
	    "mail server temporarily rejected message (ref %s)", id.p);
	handover_abandon(s->handover, HANDOVER_TOO_LATE);
	s->handover = NULL;
	smtp_server_answer_commit(&s->smtp,
	    (struct smtp_reply){ 451, STATUS(4, 3, 0), bytes_of(text) });
}
