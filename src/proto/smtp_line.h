/*
 * Command lines out of a stream of bytes. A line ends with CRLF and with nothing
 * else: whoever also took a bare LF would see other commands than the relay in
 * front of him, which is how messages are smuggled.
 */
#ifndef AMPEL_PROTO_SMTP_LINE_H
#define AMPEL_PROTO_SMTP_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* CRLF included. RFC 5321 section 4.5.3.1.4 asks for 512, extensions for more. */
enum { SMTP_LINE_MAX = 2048 };

/* What the next line may be. One that carries SASL may be SASL_LINE_MAX long. */
enum smtp_line_kind {
	SMTP_LINE_COMMAND,
	SMTP_LINE_COMMAND_OR_AUTH, /* only one that begins with AUTH may be so long */
	SMTP_LINE_RESPONSE,
};

/* Zeroed is the start of a stream. */
struct smtp_line {
	uint64_t octets;     /* to be dropped before the next line: BDAT */
	bool     is_skipped; /* the rest of a line that was too long is dropped */
	bool     seen_cr;    /* while skipping: the last byte was a CR */
};

enum smtp_line_result {
	SMTP_LINE_MORE,     /* no whole line yet */
	SMTP_LINE_OK,
	SMTP_LINE_TOO_LONG, /* told once; its rest is dropped by later calls */
	SMTP_LINE_BARE_LF,  /* the stream cannot be trusted any more */
};

/*
 * Take one line off the front of *input. line, without its CRLF, borrows from it.
 * The kind matters where a line begins. The results are the same for every way to cut the
 * stream.
 */
enum smtp_line_result smtp_line_next(struct smtp_line *l, enum smtp_line_kind kind,
    struct bytes *input, struct bytes *line);

#endif
