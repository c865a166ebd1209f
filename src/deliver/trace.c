#include "deliver/trace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/printable.h"
#include "base/utf8.h"

enum { ADDRESS_BYTES = 512 }; /* cut when it is no such */

void
trace_add_address(struct buf *b, struct bytes address)
{
	if (address.n <= ADDRESS_BYTES && utf8_is_plain(address))
		buf_add_bytes(b, address);
	else
		printable_add(b, address, ADDRESS_BYTES);
}

/* "NAME: TEXT" with what may stand around it. */
static void
make_line(char line[TRACE_LINE], const char *before, struct bytes text,
    const char *after)
{
	struct buf b = { .p = line, .cap = TRACE_LINE, .max = TRACE_LINE - 1 };

	buf_add_string(&b, before);
	trace_add_address(&b, text);
	buf_add_string(&b, after);
	buf_string(&b);
}

/* In an mbox a blank ends the address, and nobody is MAILER-DAEMON. */
static void
make_from_line(char line[TRACE_LINE], struct bytes reverse_path, uint64_t now_ms)
{
	char      after[64];
	time_t    now = (time_t)(now_ms / 1000);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(after, sizeof after, " %a %b %e %H:%M:%S %Y\n", &utc);
	if (reverse_path.n == 0)
		reverse_path = BYTES("MAILER-DAEMON");
	make_line(line, "From ", bytes_first(reverse_path, ADDRESS_BYTES), "");
	for (char *c = line + 5; *c != '\0'; c++)
		if (*c == ' ')
			*c = '-';
	snprintf(line + strlen(line), TRACE_LINE - strlen(line), "%s", after);
}

void
trace_make(struct trace *t, struct bytes reverse_path, struct bytes recipient,
    uint64_t now_ms)
{
	make_from_line(t->from_line, reverse_path, now_ms);
	make_line(t->return_path, "Return-Path: <", reverse_path, ">\n");
	make_line(t->delivered_to, "Delivered-To: ", recipient, "\n");
}
