#include "proto/smtp_client_offers.h"

#include <stddef.h>

#include "base/number.h"
#include "proto/sasl.h"

/* RFC 1870 section 3: 0 is no limit; without a number none is known. */
static void
take_size(struct smtp_client_offers *o, struct bytes parameters)
{
	if (!number_parse(bytes_trim(parameters), UINT64_MAX, &o->size_max))
		o->size_max = 0;
}

static void
take_mechanisms(struct smtp_client_offers *o, struct bytes parameters)
{
	static const unsigned bits[] = {
		[SASL_PLAIN] = SMTP_OFFER_AUTH_PLAIN,
		[SASL_LOGIN] = SMTP_OFFER_AUTH_LOGIN,
	};
	struct bytes name;

	while (bytes_split(&parameters, ' ', &name))
		o->bits |= bits[sasl_find(name)];
}

static const struct keyword {
	struct bytes name;
	unsigned     bit;
	void (*take)(struct smtp_client_offers *o, struct bytes parameters);
} keywords[] = {
	{ BYTES_INIT("PIPELINING"), SMTP_OFFER_PIPELINING, NULL },
	{ BYTES_INIT("8BITMIME"), SMTP_OFFER_8BITMIME, NULL },
	{ BYTES_INIT("SMTPUTF8"), SMTP_OFFER_SMTPUTF8, NULL },
	{ BYTES_INIT("CHUNKING"), SMTP_OFFER_CHUNKING, NULL },
	{ BYTES_INIT("DSN"), SMTP_OFFER_DSN, NULL },
	{ BYTES_INIT("STARTTLS"), SMTP_OFFER_STARTTLS, NULL },
	{ BYTES_INIT("SIZE"), SMTP_OFFER_SIZE, take_size },
	{ BYTES_INIT("AUTH"), 0, take_mechanisms },
	{ BYTES_INIT("XQUEUE"), SMTP_OFFER_XQUEUE, NULL },
};

/* "AUTH=LOGIN" is how servers older than the RFC say it. */
static size_t
keyword_len(struct bytes line)
{
	size_t n = bytes_find(line, ' ');

	return bytes_find(bytes_first(line, n), '=');
}

void
smtp_client_offers_add(struct smtp_client_offers *o, struct bytes line)
{
	struct bytes text = bytes_trim(line);
	size_t       n = keyword_len(text);

	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		const struct keyword *k = &keywords[i];

		if (!bytes_equal_nocase(bytes_first(text, n), k->name))
			continue;
		o->bits |= k->bit;
		if (k->take)
			k->take(o, bytes_from(text, n + 1));
	}
}
