#include "proto/smtp_server_private.h"

#include "mail/date.h"

/*
 * Input for one SMTP_BODY. The header filter may bring what it held back before, and
 * fields that are missing, on top of it.
 */
enum { DATA_CHUNK = SMTP_BODY_CHUNK - 1024 };

/* A whole field that we add; the name of a host is no longer than 255. */
enum { FIELD_MAX = 512 };

/* What a client may send in vain, beyond twice the size limit. */
enum { DRAIN_SLACK = 1024 * 1024 };

/*
 * RFC 6409 section 8.1 and 8.2: what every message must or should have, for those that come
 * from where they are written. False: no memory.
 */
static bool
add_missing_fields(struct smtp_server *s)
{
	const struct envelope  *e = &s->transaction.envelope;
	struct header_addition *missing = s->header.missing;
	struct arena           *arena = &s->transaction.arena;
	struct buf              text;

	buf_init(&text, FIELD_MAX);
	buf_add_string(&text, "Date: ");
	date_add_rfc5322(&text, e->arrival_ms);
	buf_add_char(&text, '\n');
	missing[0].name = BYTES("Date");
	missing[0].field = arena_copy(arena, buf_bytes(&text));
	buf_clear(&text);
	buf_addf(&text, "Message-ID: <%s@%.*s>\n", id_text(&e->id).p,
	    BYTES_ARG(s->policy->hostname));
	missing[1].name = BYTES("Message-ID");
	missing[1].field = arena_copy(arena, buf_bytes(&text));
	buf_finish(&text);
	return missing[0].field.p != NULL && missing[1].field.p != NULL;
}

void
smtp_intake_begin(struct smtp_server *s)
{
	s->state = s->is_chunked ? SMTP_STATE_CHUNK : SMTP_STATE_DATA;
	s->body_failed = false;
	s->data = (struct smtp_data){ .is_chunked = s->is_chunked };
	/* A program in the place of qmail-queue changes nothing: hi-q's marks come this way. */
	s->header = (struct header_filter){ .keeps_ours = s->transaction.is_queue };
	if ((s->policy->auth || s->policy->is_local) &&
	    !s->transaction.is_queue && !add_missing_fields(s))
		s->out.failed = true;
}

/* Whether what comes in is still worth keeping. */
static bool
is_stored(const struct smtp_server *s)
{
	return !s->body_failed && s->data.fault == SMTP_DATA_FINE &&
	    s->data.size_bytes <= s->size_max;
}

/* Whether more came in vain than a client may send. */
static bool
is_drained(const struct smtp_server *s)
{
	uint64_t max = s->size_max;

	return max <= (UINT64_MAX - DRAIN_SLACK) / 2 &&
	    s->data.size_bytes > 2 * max + DRAIN_SLACK;
}

/* What is wrong with mail data; a fault before its size, its size before hops. */
static const struct smtp_reply *
data_refusal(const struct smtp_server *s)
{
	static const struct smtp_reply faults[] = {
		[SMTP_DATA_BARE_CR] = { 550, { 5, 6, 0 },
		    BYTES_INIT("a CR without LF in the message; closing") },
		[SMTP_DATA_BARE_LF] = { 550, { 5, 6, 0 },
		    BYTES_INIT("an LF without CR in the message; closing") },
		[SMTP_DATA_NUL] = { 550, { 5, 6, 0 },
		    BYTES_INIT("a NUL in the message; closing") },
		[SMTP_DATA_LONG_LINE] = { 550, { 5, 6, 0 },
		    BYTES_INIT("a line over 64 KiB in the message; closing") },
	};
	static const struct smtp_reply too_large = { 552, { 5, 3, 4 },
		BYTES_INIT("message too large") };
	static const struct smtp_reply looping = { 554, { 5, 4, 6 },
		BYTES_INIT("too many hops: the message loops") };
	static const struct smtp_reply no_space = { 452, { 4, 3, 1 },
		BYTES_INIT("no space for the message, try again later") };

	if (s->data.fault != SMTP_DATA_FINE)
		return &faults[s->data.fault];
	if (s->data.size_bytes > s->size_max)
		return &too_large;
	if (s->header.hops >= s->policy->hops_max)
		return &looping;
	return s->body_failed ? &no_space : NULL;
}

/* What was decoded becomes a part of the message. */
static void
take_decoded(struct smtp_server *s)
{
	header_filter_feed(&s->header, buf_bytes(&s->decoded), &s->body);
	if (s->data.is_ended) {
		header_filter_end(&s->header, &s->body);
		s->state = SMTP_STATE_DATA_END;
	}
	if (!is_stored(s))
		buf_clear(&s->body);
}

/* At most what the chunk that comes still has. */
static struct bytes
within_chunk(const struct smtp_server *s, struct bytes input)
{
	if (s->state != SMTP_STATE_CHUNK || s->bdat.octets >= input.n)
		return input;
	return bytes_first(input, (size_t)s->bdat.octets);
}

size_t
smtp_intake_feed(struct smtp_server *s, struct bytes input)
{
	size_t used;

	input = bytes_first(within_chunk(s, input), DATA_CHUNK);
	buf_clear(&s->decoded);
	used = smtp_data_feed(&s->data, input, &s->decoded);
	if (s->state == SMTP_STATE_CHUNK)
		s->bdat.octets -= used;
	take_decoded(s);
	if (is_drained(s))
		smtp_server_end(s, *data_refusal(s));
	return used;
}

static void
refuse_message(struct smtp_server *s, const struct smtp_reply *refusal)
{
	/* Whoever sends this may be smuggling: nothing behind it is read. */
	if (s->data.fault != SMTP_DATA_FINE) {
		smtp_server_end(s, *refusal);
		return;
	}
	smtp_server_reply(s, *refusal);
	smtp_server_end_transaction(s);
}

void
smtp_intake_judge(struct smtp_server *s)
{
	const struct smtp_reply *refusal = data_refusal(s);

	if (refusal == NULL)
		smtp_server_ask(s, SMTP_QUESTION_COMMIT);
	else
		refuse_message(s, refusal);
}

void
smtp_intake_end_chunk(struct smtp_server *s)
{
	const struct smtp_reply *refusal = data_refusal(s);

	if (s->bdat.is_last) {
		buf_clear(&s->decoded);
		smtp_data_end(&s->data, &s->decoded);
		take_decoded(s);
	} else if (refusal != NULL) {
		refuse_message(s, refusal);
	} else {
		s->state = SMTP_STATE_CHUNKS;
		smtp_server_reply(s, SMTP_REPLY(250, 2, 0, 0, "ok, go on"));
	}
}
