/* Why a connection cannot be used any more, and the words for it. */
#include "proto/smtp_client_private.h"

#include "base/printable.h"

enum { LINE_SHOWN_MAX = 200 }; /* of what was no reply */

static void
end(struct smtp_client *c, enum smtp_client_fault fault, struct status status,
    struct bytes text, bool is_reply)
{
	struct status for_now = STATUS(4, status.subject, status.detail);

	if (c->state == SMTP_CLIENT_STATE_CLOSED)
		return;
	c->fault = fault;
	c->fault_status = status;
	c->fault_is_reply = is_reply;
	printable_add(&c->fault_text, text, SMTP_CLIENT_TEXT_MAX);
	if (c->transaction.is_open)
		smtp_client_lose_all(c, for_now, is_reply);
	c->state = SMTP_CLIENT_STATE_CLOSED;
	buf_finish(&c->in);
	c->in_used = 0;
}

void
smtp_client_end(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text)
{
	end(c, fault, status, text, false);
}

void
smtp_client_end_by_reply(struct smtp_client *c, enum smtp_client_fault fault)
{
	end(c, fault, smtp_client_reply_status(&c->reply), buf_bytes(&c->reply.text),
	    true);
}

static void
say_goodbye(struct smtp_client *c)
{
	if (c->state != SMTP_CLIENT_STATE_CLOSED)
		buf_add_string(&c->out, "QUIT\r\n");
}

void
smtp_client_part(struct smtp_client *c, enum smtp_client_fault fault,
    struct status status, struct bytes text)
{
	say_goodbye(c);
	smtp_client_end(c, fault, status, text);
}

void
smtp_client_part_by_reply(struct smtp_client *c, enum smtp_client_fault fault)
{
	say_goodbye(c);
	smtp_client_end_by_reply(c, fault);
}

void
smtp_client_end_malformed(struct smtp_client *c, enum smtp_client_reply_result result,
    struct bytes line)
{
	static const char *const reasons[] = {
		[SMTP_CLIENT_REPLY_MALFORMED] = "not a reply: ",
		[SMTP_CLIENT_REPLY_OTHER_CODE] = "another code within a reply: ",
		[SMTP_CLIENT_REPLY_LONG_LINE] = "a line of a reply is too long: ",
		[SMTP_CLIENT_REPLY_MANY_LINES] = "a reply has too many lines: ",
	};
	struct buf text;

	buf_init(&text, SMTP_CLIENT_TEXT_MAX);
	buf_add_string(&text, reasons[result]);
	printable_add_value(&text, line, LINE_SHOWN_MAX);
	smtp_client_end(c, SMTP_CLIENT_FAULT_PROTOCOL, STATUS(4, 5, 0),
	    buf_bytes(&text));
	buf_finish(&text);
}

void
smtp_client_end_out_of_place(struct smtp_client *c, const char *where)
{
	struct buf text;

	buf_init(&text, SMTP_CLIENT_TEXT_MAX);
	buf_addf(&text, "cannot be %s: ", where);
	printable_add_value(&text, buf_bytes(&c->reply.text), LINE_SHOWN_MAX);
	smtp_client_end(c, SMTP_CLIENT_FAULT_PROTOCOL, STATUS(4, 5, 0),
	    buf_bytes(&text));
	buf_finish(&text);
}

/* --- for the driver --- */

enum smtp_client_fault
smtp_client_fault(const struct smtp_client *c)
{
	return c->fault;
}

struct bytes
smtp_client_fault_text(const struct smtp_client *c)
{
	return buf_bytes(&c->fault_text);
}

struct status
smtp_client_fault_status(const struct smtp_client *c)
{
	return c->fault_status;
}

bool
smtp_client_fault_is_reply(const struct smtp_client *c)
{
	return c->fault_is_reply;
}
