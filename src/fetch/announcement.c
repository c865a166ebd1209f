#include "fetch/announcement.h"

#include <stdio.h>

#include "base/buf.h"
#include "proto/dns_record.h"

enum { RECORD_MAX = 64 * 1024 };

/* How many records mean to be one; the last of them goes into record. */
static unsigned
count(const struct dns_answer *answer, struct buf *record)
{
	struct frame_reader records = answer->records;
	struct buf          text;
	unsigned            n = 0;

	buf_init(&text, RECORD_MAX);
	for (uint32_t i = 0; i < answer->n; i++) {
		buf_clear(&text);
		if (!dns_txt_add(&text, frame_bytes(&records)) ||
		    !sts_is_record(buf_bytes(&text)))
			continue;
		n++;
		buf_clear(record);
		buf_add_bytes(record, buf_bytes(&text));
	}
	buf_finish(&text);
	return n;
}

/* One record is an announcement; two are none. */
static void
read_records(struct announcement *a, const struct dns_answer *answer)
{
	struct buf   record;
	struct bytes id;
	unsigned     n;

	buf_init(&record, RECORD_MAX);
	n = count(answer, &record);
	if (n == 1 && sts_record_parse(buf_bytes(&record), &id))
		bytes_to_string(id, a->id, sizeof a->id);
	else if (n == 1)
		snprintf(a->why, sizeof a->why, "the record in the DNS is malformed");
	else if (n > 1)
		snprintf(a->why, sizeof a->why, "there are %u records in the DNS", n);
	buf_finish(&record);
}

void
announcement_read(struct announcement *a, const struct dns_answer *answer)
{
	*a = (struct announcement){ 0 };
	switch (answer->result) {
	case DNS_FOUND:
		read_records(a, answer);
		break;
	case DNS_TRY_LATER:
	case DNS_BOGUS:
		snprintf(a->why, sizeof a->why, "the record in the DNS: %.*s",
		    BYTES_ARG(bytes_first(answer->text, 96)));
		break;
	case DNS_NO_DATA:
	case DNS_NO_NAME:
		break;
	}
}
