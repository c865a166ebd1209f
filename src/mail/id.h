/*
 * A message id: 48 bits of milliseconds since 1970, then 80 random bits, chosen
 * by the process that accepts the message. As text, 26 characters that sort by
 * time. The same id stands in the reply, in every log line, in the queue and in
 * the name of the Maildir file.
 */
#ifndef AMPEL_MAIL_ID_H
#define AMPEL_MAIL_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base32.h"
#include "base/bytes.h"

enum { ID_BITS = BASE32_BITS, ID_TEXT = BASE32_TEXT, ID_RANDOM = 10 };

struct id {
	uint8_t bits[ID_BITS];
};

struct id id_make(uint64_t now_ms, const uint8_t random[ID_RANDOM]);

/* NUL-terminated text, by value so that it can stand in an argument list. */
struct id_text {
	char p[ID_TEXT + 1];
};

struct id_text id_text(const struct id *id);
bool           id_parse(struct bytes text, struct id *out);
bool           id_equal(const struct id *a, const struct id *b);
uint64_t       id_time_ms(const struct id *id);

/* The bits as bytes, for frames; the view borrows. Reading takes exactly ID_BITS. */
struct bytes   id_bytes(const struct id *id);
bool           id_read(struct bytes bits, struct id *out);

#endif
