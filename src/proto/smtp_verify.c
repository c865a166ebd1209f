/* VRFY, RFC 5321 section 3.5. */
#include "proto/smtp_server_private.h"

#include "mail/address.h"

static bool
parse(struct bytes arg, struct address *path)
{
	struct bytes     rest;
	enum path_result result = address_parse_path(arg, path, &rest);

	return result == PATH_OK || result == PATH_POSTMASTER;
}

/*
 * Section 3.5.3 and 7.3: no address is confirmed to whoever asks. A program of this host may
 * ask; of what is no whole path nothing is known.
 */
void
smtp_verify_begin(struct smtp_server *s, struct bytes arg)
{
	struct address path;

	if (!s->policy->is_local || !parse(arg, &path)) {
		smtp_server_reply(s,
		    SMTP_REPLY(252, 2, 0, 0, "send the message and you will see"));
		return;
	}
	buf_clear(&s->recipient);
	address_add_canonical(&s->recipient, &path);
	s->out.failed |= s->recipient.failed;
	smtp_server_ask(s, SMTP_QUESTION_VERIFY);
}

/* An answer, whatever it is: no error of the client, and nothing that was refused. */
void
smtp_verify_answer(struct smtp_server *s, enum smtp_recipient_answer answer)
{
	static const struct smtp_reply unknown = { 550, { 5, 1, 1 },
		BYTES_INIT("nobody of that name here") };
	static const struct smtp_reply not_ours = { 551, { 5, 1, 6 },
		BYTES_INIT("not a domain of this server") };
	static const struct smtp_reply try_later = { 451, { 4, 3, 0 },
		BYTES_INIT("cannot be looked up now, try again later") };
	struct buf text;

	if (answer == SMTP_RECIPIENT_OK) {
		buf_init(&text, SMTP_REPLY_MAX);
		buf_addf(&text, "<%.*s>", BYTES_ARG(buf_bytes(&s->recipient)));
		smtp_reply_add(&s->out,
		    &(struct smtp_reply){ 250, { 2, 1, 5 }, buf_bytes(&text) });
		buf_finish(&text);
	} else if (answer == SMTP_RECIPIENT_UNKNOWN) {
		smtp_reply_add(&s->out, &unknown);
	} else if (answer == SMTP_RECIPIENT_NOT_OURS) {
		smtp_reply_add(&s->out, &not_ours);
	} else {
		smtp_reply_add(&s->out, &try_later);
	}
	buf_finish(&s->recipient);
}
