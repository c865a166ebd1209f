/* The message in chunks, RFC 3030 section 2, instead of behind DATA. */
#include "proto/smtp_server_private.h"

/*
 * The octets of a refused chunk are no commands, for the client may send them at once. What
 * follows of its message would be taken for the whole: the transaction is void.
 */
void
smtp_bdat_refuse(struct smtp_server *s, struct smtp_reply reply)
{
	s->line.octets = s->bdat.octets;
	smtp_server_reply(s, reply);
	if (smtp_server_is_in_transaction(s))
		smtp_server_end_transaction(s);
}

/* What the message may still have. */
static uint64_t
octets_left(const struct smtp_server *s)
{
	uint64_t used = s->state == SMTP_STATE_CHUNKS ? s->data.size_bytes : 0;
	uint64_t max = s->size_max;

	return max > used ? max - used : 0;
}

void
smtp_bdat_begin(
    struct smtp_server *s, struct bytes arg, const struct smtp_reply *refusal)
{
	if (!smtp_bdat_parse(&s->bdat, arg)) {
		smtp_server_end(s, SMTP_REPLY(501, 5, 5, 4, "BDAT needs a size; closing"));
	} else if (s->bdat.octets > octets_left(s)) {
		smtp_server_end(s, SMTP_REPLY(552, 5, 3, 4, "message too large; closing"));
	} else if (refusal != NULL) {
		smtp_bdat_refuse(s, *refusal);
	} else if (s->bdat.is_malformed) {
		smtp_bdat_refuse(
		    s, SMTP_REPLY(501, 5, 5, 4, "only LAST may stand behind the size"));
	} else if (s->state == SMTP_STATE_CHUNKS) {
		s->state = SMTP_STATE_CHUNK;
	} else {
		s->is_chunked = true;
		smtp_server_ask(s, SMTP_QUESTION_DATA);
	}
}
