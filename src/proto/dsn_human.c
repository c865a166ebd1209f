/* What happened, who says so, and what to do; for people, in this order. */
#include "mail/date.h"
#include "proto/dsn_private.h"

#define INDENT "    "

enum { ANY = 1000 };

/* What to do; the first row that fits. */
static const struct {
	uint16_t    class, subject, detail;
	const char *advice;
} table[] = {
	{ 4, 4, 7,
	    "It was tried for as long as this server keeps a message. You can send"
	    " it again later; if it fails again, tell the recipient by other means." },
	{ ANY, 1, 1,
	    "There is no such mailbox. Check the spelling of the address, above all"
	    " in front of the @, or ask the recipient for the right one." },
	{ ANY, 1, 2,
	    "There is no such domain. Check the spelling behind the @." },
	{ ANY, 1, 3,
	    "That is not written as an address must be. Check its spelling." },
	{ ANY, 1, 6,
	    "The mailbox has moved and nobody knows where to. Ask the recipient for"
	    " the new address." },
	{ ANY, 1, 7,
	    "The other server does not accept your own address as the sender. Check"
	    " how it is written in the settings of your mail program." },
	{ ANY, 1, 8,
	    "The other server finds no way to answer to your own address. Show this"
	    " message to your administrator." },
	{ ANY, 1, 10,
	    "That domain declares that it takes no mail at all. Check the spelling"
	    " behind the @." },
	{ ANY, 1, ANY,
	    "The address is not accepted there. Check its spelling, or ask the"
	    " recipient for the right one." },
	{ ANY, 2, 1,
	    "The mailbox takes no mail now. Tell the recipient by other means." },
	{ ANY, 2, 2,
	    "The mailbox is full. Tell the recipient by other means, and send the"
	    " message again when there is room." },
	{ ANY, 2, 3,
	    "The message is too large for that mailbox. Send less at once, or put"
	    " the file where the recipient can fetch it." },
	{ ANY, 2, ANY,
	    "Something is wrong with that mailbox. Tell the recipient by other"
	    " means." },
	{ ANY, 3, 4,
	    "The message is too large for the other server. Send less at once, or"
	    " put the file where the recipient can fetch it." },
	{ ANY, 4, 4,
	    "No mail server is known for that domain. Check the spelling behind the"
	    " @; if it is right, only the domain's owner can mend this." },
	{ ANY, 4, 6,
	    "The message goes in circles. The recipient's mail is set up wrongly,"
	    " which only an administrator can mend: show this message to yours." },
	{ ANY, 4, ANY,
	    "The other server could not be reached, or the connection broke. There"
	    " is nothing wrong with your message: send it again later." },
	{ ANY, 6, 7,
	    "The other server does not know international addresses. Ask the"
	    " recipient for an address of plain letters." },
	{ ANY, 6, ANY,
	    "The other server cannot take this kind of message. Send plain text,"
	    " without attachments." },
	{ ANY, 7, 5,
	    "That domain takes mail on a protected connection only, and none could"
	    " be made. The message was not sent without protection. Show this"
	    " message to your administrator." },
	{ ANY, 7, ANY,
	    "The other server refuses the message by its own rules; sending it once"
	    " more will not help. Reach the recipient by other means, who can ask"
	    " that server's administrator to let you in." },
	{ 4, ANY, ANY,
	    "It was tried again and again. You can send it once more later; if it"
	    " fails again, tell the recipient by other means." },
	{ ANY, ANY, ANY,
	    "Reach the recipient by other means. If you cannot tell from the words"
	    " above what is wrong, show this message to your administrator." },
};

static bool
fits(uint16_t wanted, uint16_t is)
{
	return wanted == ANY || wanted == is;
}

static const char *
advice_for(struct status s)
{
	size_t i = 0;

	while (!fits(table[i].class, s.class) ||
	    !fits(table[i].subject, s.subject) ||
	    !fits(table[i].detail, s.detail))
		i++;
	return table[i].advice;
}

/* ---- above the recipients ---- */

static const char *const singular[] = {
	[DSN_FAILED] = "could not be delivered to the recipient below. It will not be"
	               " tried again.",
	[DSN_DELAYED] = "has not reached the recipient below yet. You need not do"
	                " anything: it is being tried again.",
	[DSN_DELIVERED] = "was delivered to the recipient below.",
	[DSN_RELAYED] = "was passed on for the recipient below to another server, which"
	                " does not report what becomes of it.",
	[DSN_EXPANDED] = "was accepted for the address below, which stands for others;"
	                 " their deliveries are not reported.",
};

static const char *const plural[] = {
	[DSN_FAILED] = "could not be delivered to the recipients below. It will not be"
	               " tried again.",
	[DSN_DELAYED] = "has not reached the recipients below yet. You need not do"
	                " anything: it is being tried again.",
	[DSN_DELIVERED] = "was delivered to the recipients below.",
	[DSN_RELAYED] = "was passed on for the recipients below to other servers, which"
	                " do not report what becomes of it.",
	[DSN_EXPANDED] = "was accepted for the addresses below, which stand for others;"
	                 " their deliveries are not reported.",
};

static const char *const mixed =
    "is reported on below, recipient by recipient.";

static bool
is_mixed(const struct dsn *d)
{
	for (size_t i = 1; i < d->n_recipients; i++)
		if (d->recipients[i].action != d->recipients[0].action)
			return true;
	return false;
}

static const char *
what_became(const struct dsn *d)
{
	enum dsn_action action = d->recipients[0].action;

	if (is_mixed(d))
		return mixed;
	return d->n_recipients == 1 ? singular[action] : plural[action];
}

static void
add_paragraph(struct buf *b, const struct buf *text)
{
	dsn_add_folded(b, buf_bytes(text), "", 0);
	buf_add_char(b, '\n');
}

static void
add_double(struct buf *b, const struct dsn *d)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_add_string(&text,
	    "This is for the administrator. A message without a return address,"
	    " most likely a notification that a delivery had failed, could not be"
	    " delivered itself. So nobody can be told, and you are. Often the"
	    " address it was for had been forged, and there is nothing to do.");
	if (d->reverse_path.n > 0) {
		buf_add_string(&text, " Its return address was <");
		dsn_add_address(&text, d, d->reverse_path);
		buf_add_string(&text, ">.");
	}
	add_paragraph(b, &text);
	buf_finish(&text);
}

static void
add_introduction(struct buf *b, const struct dsn *d)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_add_string(&text, "This is the mail server ");
	dsn_add_clean(&text, d->hostname, DSN_HOST_MAX, false);
	buf_add_char(&text, '.');
	add_paragraph(b, &text);
	if (d->is_double)
		add_double(b, d);
	buf_clear(&text);
	buf_add_string(&text, d->is_double ? "The message of " : "Your message of ");
	date_add_rfc5322(&text, d->arrival_ms);
	buf_addf(&text, " %s", what_became(d));
	add_paragraph(b, &text);
	buf_finish(&text);
}

/* ---- the recipients ---- */

/* A sentence, and below it what somebody said, further in. */
static void
add_said(struct buf *b, const struct buf *sentence, struct bytes said)
{
	struct buf clean;

	buf_add_string(b, INDENT);
	dsn_add_folded(b, buf_bytes(sentence), INDENT, sizeof INDENT - 1);
	buf_init(&clean, DSN_TEXT_MAX);
	dsn_add_clean(&clean, said, DSN_TEXT_MAX, false);
	buf_add_string(b, INDENT INDENT);
	dsn_add_folded(
	    b, buf_bytes(&clean), INDENT INDENT, 2 * (sizeof INDENT - 1));
	buf_finish(&clean);
}

/* What the other side said, verbatim; or we ourselves. */
static void
add_reason(struct buf *b, const struct dsn_recipient *r)
{
	const struct outcome *o = &r->outcome;
	struct buf            sentence;

	if (o->text.n == 0)
		return;
	buf_init(&sentence, 1024);
	if (o->host.n > 0) {
		buf_add_string(&sentence, o->is_reply ? "The mail server " :
		                                        "With the mail server ");
		dsn_add_clean(&sentence, o->host, DSN_HOST_MAX, false);
		buf_add_string(
		    &sentence, o->is_reply ? " answered:" : " this happened:");
	} else {
		buf_add_string(&sentence, "The reason:");
	}
	add_said(b, &sentence, o->text);
	buf_finish(&sentence);
}

/* RFC 3461 section 6.3: it may differ from what the sender wrote. */
static void
add_written(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	size_t       colon = bytes_find(r->orcpt, ';');
	struct bytes written = bytes_trim(bytes_from(r->orcpt, colon + 1));

	if (written.n == 0 || bytes_equal_nocase(written, r->address))
		return;
	buf_add_string(b, INDENT "You wrote to <");
	dsn_add_address(b, d, written);
	buf_add_string(b, ">.\n");
}

static void
add_advice(struct buf *b, const char *advice)
{
	buf_add_string(b, INDENT);
	dsn_add_folded(b, bytes_of(advice), INDENT, sizeof INDENT - 1);
}

static void
add_until(struct buf *b, uint64_t until_ms)
{
	if (until_ms == 0)
		return;
	buf_add_string(b, INDENT "It will be tried until ");
	date_add_rfc5322(b, until_ms);
	buf_add_string(b, ".\n");
	add_advice(b, "If that fails too, you will be told.");
}

static void
add_recipient(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	static const char *const became[] = {
		[DSN_FAILED] = ": not delivered",
		[DSN_DELAYED] = ": delayed",
		[DSN_DELIVERED] = ": delivered",
		[DSN_RELAYED] = ": passed on",
		[DSN_EXPANDED] = ": accepted",
	};

	buf_add_char(b, '<');
	dsn_add_address(b, d, r->address);
	buf_addf(b, ">%s\n", is_mixed(d) ? became[r->action] : "");
	add_written(b, d, r);
	add_reason(b, r);
	if (r->action == DSN_FAILED && !d->is_double)
		add_advice(b, advice_for(r->outcome.status));
	if (r->action == DSN_DELAYED)
		add_until(b, r->will_retry_until_ms);
	buf_add_char(b, '\n');
}

void
dsn_add_human(struct buf *b, const struct dsn *d)
{
	const size_t n = dsn_count(d);

	add_introduction(b, d);
	for (size_t i = 0; i < n; i++)
		add_recipient(b, d, &d->recipients[i]);
	if (n < d->n_recipients)
		buf_addf(b, "And %zu more recipients.\n\n", d->n_recipients - n);
	buf_addf(b,
	    "For administrators: the log has it under %s.\n"
	    "What follows is for machines, then comes the message itself or its "
	    "header.\n",
	    id_text(&d->original_id).p);
}
