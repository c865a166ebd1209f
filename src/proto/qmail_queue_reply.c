#include "proto/qmail_queue.h"

enum { CUSTOM_MIN = 3 }; /* bytes: a letter and some text */

/* The texts are qmail.c's: people know them, and look for them in logs. */
static const struct row {
	int               first, last;
	struct smtp_reply reply;
} rows[] = {
	{ 11, 11, { 554, { 5, 1, 3 },
	    BYTES_INIT("envelope address too long for qq") } },
	{ 115, 115, { 554, { 5, 1, 3 },
	    BYTES_INIT("envelope address too long for qq") } },
	{ 21, 21, { 554, { 5, 7, 1 },
	    BYTES_INIT("message rejected by spam filter") } },
	{ 31, 31, { 554, { 5, 3, 0 },
	    BYTES_INIT("mail server permanently rejected message") } },
	{ 11, 40, { 554, { 5, 3, 0 }, BYTES_INIT("qq permanent problem") } },
	{ 51, 51, { 451, { 4, 3, 0 }, BYTES_INIT("qq out of memory") } },
	{ 52, 52, { 451, { 4, 3, 0 }, BYTES_INIT("qq timeout") } },
	{ 53, 53, { 451, { 4, 3, 0 },
	    BYTES_INIT("qq write error or disk full") } },
	{ 54, 54, { 451, { 4, 3, 0 }, BYTES_INIT("qq read error") } },
	{ 55, 55, { 451, { 4, 3, 0 },
	    BYTES_INIT("qq unable to read configuration") } },
	{ 56, 56, { 451, { 4, 3, 0 },
	    BYTES_INIT("qq trouble making network connection") } },
	{ 61, 61, { 451, { 4, 3, 0 },
	    BYTES_INIT("qq trouble in home directory") } },
	{ 62, 66, { 451, { 4, 3, 0 },
	    BYTES_INIT("qq trouble creating files in queue") } },
	{ 71, 71, { 451, { 4, 3, 0 },
	    BYTES_INIT("mail server temporarily rejected message") } },
	{ 72, 72, { 451, { 4, 4, 1 },
	    BYTES_INIT("connection to mail server timed out") } },
	{ 73, 73, { 451, { 4, 4, 1 },
	    BYTES_INIT("connection to mail server rejected") } },
	{ 74, 74, { 451, { 4, 4, 2 },
	    BYTES_INIT("communication with mail server failed") } },
	{ 81, 81, { 451, { 4, 3, 0 }, BYTES_INIT("qq internal bug") } },
	{ 91, 91, { 451, { 4, 3, 0 }, BYTES_INIT("qq internal bug") } },
	{ 120, 120, { 451, { 4, 3, 0 }, BYTES_INIT("unable to exec qq") } },
	{ QMAIL_QUEUE_CRASHED, QMAIL_QUEUE_CRASHED,
	    { 451, { 4, 3, 0 }, BYTES_INIT("qq crashed") } },
	{ QMAIL_QUEUE_LOST, QMAIL_QUEUE_LOST,
	    { 451, { 4, 3, 0 }, BYTES_INIT("qq waitpid surprise") } },
};

/* --- a reply of the program's own --- */

/*
 * The status that stands in front, "5.7.1 text", or at the end as qmail writes it, "text
 * (#5.7.1)". It goes from the text in any case: the reply carries it itself.
 */
static struct status
take_status(struct bytes *text)
{
	static const struct status none = { 0 };
	struct status status;
	size_t        blank = bytes_find(*text, ' ');
	size_t        mark = bytes_find_last(*text, '#');

	if (status_parse(bytes_first(*text, blank), &status)) {
		*text = bytes_trim(bytes_from(*text, blank));
		return status;
	}
	if (mark == 0 || mark == text->n || text->p[mark - 1] != '(' ||
	    text->p[text->n - 1] != ')' ||
	    !status_parse((struct bytes){ text->p + mark + 1, text->n - mark - 2 },
	        &status))
		return none;
	*text = bytes_trim(bytes_first(*text, mark - 1));
	return status;
}

/* "D" or "Z", then what is said. */
static bool
read_custom(struct bytes text, struct smtp_reply *reply)
{
	bool          is_permanent = bytes_start(text, BYTES("D"));
	struct status status;

	if (text.n < CUSTOM_MIN ||
	    (!is_permanent && !bytes_start(text, BYTES("Z"))))
		return false;
	text = bytes_trim(bytes_from(text, 1));
	status = take_status(&text);
	if (text.n == 0)
		return false;
	*reply = is_permanent ? SMTP_REPLY(554, 5, 3, 0, "")
	                      : SMTP_REPLY(451, 4, 3, 0, "");
	if (status.class == reply->status.class)
		reply->status = status;
	reply->text = text;
	return true;
}

struct smtp_reply
qmail_queue_reply(int code, struct bytes text)
{
	struct smtp_reply reply;

	if (code == QMAIL_QUEUE_CUSTOM &&
	    read_custom(bytes_first(text, QMAIL_QUEUE_TEXT_MAX), &reply))
		return reply;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (code >= rows[i].first && code <= rows[i].last)
			return rows[i].reply;
	return SMTP_REPLY(451, 4, 3, 0, "qq temporary problem");
}
