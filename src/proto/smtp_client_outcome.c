/* What has become of each recipient of a transaction. */
#include "proto/smtp_client_private.h"

void
smtp_client_settle(
    struct smtp_client_transaction *t, size_t i, const struct outcome *outcome)
{
	struct smtp_client_recipient *r = &t->recipients[i];

	if (r->is_settled)
		return;
	r->is_settled = true;
	r->outcome = *outcome;
	t->n_open--;
}

void
smtp_client_settle_all(
    struct smtp_client_transaction *t, const struct outcome *outcome)
{
	for (size_t i = 0; i < t->out.n_recipients; i++)
		smtp_client_settle(t, i, outcome);
}

/* Without memory for its text the outcome stands all the same. */
static struct outcome
make_outcome(struct smtp_client_transaction *t, enum outcome_kind kind,
    struct status status, struct bytes text)
{
	return outcome_of(kind, status, arena_copy(&t->arena, text));
}

struct outcome
smtp_client_outcome_of_reply(struct smtp_client *c)
{
	static const enum outcome_kind kinds[] = {
		[2] = OUTCOME_DELIVERED,
		[4] = OUTCOME_DEFERRED,
		[5] = OUTCOME_FAILED,
	};
	struct outcome outcome = make_outcome(&c->transaction,
	    kinds[c->reply.code / 100], smtp_client_reply_status(&c->reply),
	    buf_bytes(&c->reply.text));

	outcome.is_reply = true;
	return outcome;
}

void
smtp_client_settle_by_reply(struct smtp_client *c)
{
	struct outcome outcome = smtp_client_outcome_of_reply(c);

	smtp_client_settle_all(&c->transaction, &outcome);
}

void
smtp_client_fail_all(
    struct smtp_client_transaction *t, struct status status, struct bytes text)
{
	struct outcome outcome = make_outcome(t, OUTCOME_FAILED, status, text);

	smtp_client_settle_all(t, &outcome);
}

/*
 * The promise about duplicates: behind the end of the data only the server knows whether it
 * has taken the message. Where it says that it closes (421) it has not.
 */
void
smtp_client_lose_all(
    struct smtp_client *c, struct status status, bool is_reply)
{
	static const struct bytes doubts[] = {
		[SMTP_CLIENT_FAULT_LOST] = BYTES_INIT("connection lost after the end "
			"of the message: it may have been delivered"),
		[SMTP_CLIENT_FAULT_TIMEOUT] = BYTES_INIT("timed out after the end "
			"of the message: it may have been delivered"),
	};
	struct smtp_client_transaction *t = &c->transaction;
	struct bytes                    text = buf_bytes(&c->fault_text);
	struct outcome                  outcome;

	t->is_in_doubt = t->is_ended && t->n_open > 0 && !is_reply;
	if (t->is_in_doubt && c->fault < sizeof doubts / sizeof *doubts &&
	    doubts[c->fault].n > 0)
		text = doubts[c->fault];
	outcome = make_outcome(t, OUTCOME_DEFERRED, status, text);
	outcome.is_reply = is_reply;
	smtp_client_settle_all(t, &outcome);
}

struct outcome
smtp_client_outcome(const struct smtp_client *c, size_t i)
{
	const struct smtp_client_transaction *t = &c->transaction;
	struct outcome                        outcome;

	if (t->recipients != NULL && i < t->out.n_recipients &&
	    t->recipients[i].is_settled)
		return t->recipients[i].outcome;
	/* it never began: without memory, or where the connection was at its end */
	outcome = outcome_of(OUTCOME_DEFERRED,
	    STATUS(4, c->fault_status.subject, c->fault_status.detail),
	    buf_bytes(&c->fault_text));
	outcome.is_reply = c->fault_is_reply;
	return outcome;
}

bool
smtp_client_is_untried(const struct smtp_client *c)
{
	const struct smtp_client_transaction *t = &c->transaction;

	return c->state == SMTP_CLIENT_STATE_CLOSED && t->is_open && !t->is_tried &&
	    !t->is_in_doubt;
}

bool
smtp_client_is_in_doubt(const struct smtp_client *c)
{
	return c->transaction.is_in_doubt;
}
