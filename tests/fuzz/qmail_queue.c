/*
 * An envelope of a queue program, whole and byte by byte: the same. Of a whole one the records
 * are what stands between the NULs, and written again they are its text. A caller who takes
 * them for addresses of SMTP writes as many, and none that is longer.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/qmail_queue.h"

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
add_record(struct buf *b, char letter, struct bytes address)
{
	check(bytes_find(address, '\0') == address.n);
	check(address.n < QMAIL_QUEUE_ADDRESS_MAX);
	buf_add_char(b, letter);
	buf_add_bytes(b, address);
	buf_add_char(b, '\0');
}

static void
check_records(const struct qmail_envelope *e, struct bytes text)
{
	struct buf   again;
	struct bytes recipient;
	size_t       at = 0, n = 0;

	buf_init(&again, text.n);
	add_record(&again, 'F', qmail_envelope_reverse_path(e));
	for (; qmail_envelope_next(e, &at, &recipient); n++)
		add_record(&again, 'T', recipient);
	buf_add_char(&again, '\0');
	check(!again.failed && n == qmail_envelope_count(e));
	check(bytes_equal(buf_bytes(&again), bytes_first(text, again.len)));
	check(bytes_equal(buf_bytes(&again), buf_bytes(&e->text)));
	buf_finish(&again);
}

static void
check_caller(const struct qmail_envelope *e)
{
	struct qmail_envelope again;
	struct buf            text;
	struct bytes          recipient;
	size_t                at = 0;

	buf_init(&text, e->text.len);
	qmail_envelope_add_reverse_path(&text, qmail_envelope_reverse_path(e));
	while (qmail_envelope_next(e, &at, &recipient))
		qmail_envelope_add_recipient(&text, recipient);
	qmail_envelope_add_end(&text);
	check(!text.failed);
	qmail_envelope_init(&again);
	qmail_envelope_feed(&again, buf_bytes(&text));
	check(qmail_envelope_end(&again) == QMAIL_QUEUE_OK);
	check(qmail_envelope_count(&again) == qmail_envelope_count(e));
	qmail_envelope_finish(&again);
	buf_finish(&text);
}

/* Nothing that a program says makes a success of a failure, or changes its class. */
static void
check_replies(struct bytes text)
{
	static const int codes[] = { 1, 11, 31, 71, QMAIL_QUEUE_CUSTOM,
		QMAIL_QUEUE_CRASHED };

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		struct smtp_reply reply = qmail_queue_reply(codes[i], text);

		check(reply.code == 451 || reply.code == 554);
		check(reply.status.class == reply.code / 100);
		check(reply.text.n > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes          text = { (const char *)data, size };
	struct qmail_envelope whole, cut;
	bool                  wants = true, wants_whole;

	qmail_envelope_init(&whole);
	qmail_envelope_init(&cut);
	wants_whole = qmail_envelope_feed(&whole, text);
	for (size_t i = 0; i < size && wants; i++)
		wants = qmail_envelope_feed(&cut, (struct bytes){ text.p + i, 1 });
	check(wants == wants_whole);
	check(qmail_envelope_end(&whole) == qmail_envelope_end(&cut));
	check(wants == (qmail_envelope_end(&whole) == QMAIL_QUEUE_READ_ERROR));
	if (qmail_envelope_end(&whole) == QMAIL_QUEUE_OK) {
		check(bytes_equal(buf_bytes(&whole.text), buf_bytes(&cut.text)));
		check_records(&whole, text);
		check_caller(&whole);
	}
	check_replies(text);
	qmail_envelope_finish(&whole);
	qmail_envelope_finish(&cut);
	return 0;
}
