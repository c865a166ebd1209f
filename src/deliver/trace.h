/*
 * The lines that delivery puts above a message, and tells programs of: each with its line
 * end, one line, printable: in UTF-8 (RFC 6532) when the address is.
 */
#ifndef AMPEL_DELIVER_TRACE_H
#define AMPEL_DELIVER_TRACE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { TRACE_LINE = 640 };

struct trace {
	char from_line[TRACE_LINE];    /* "From ann@far.example Wed Nov 25 11:04:00 2026" */
	char return_path[TRACE_LINE];  /* "Return-Path: <ann@far.example>" */
	char delivered_to[TRACE_LINE]; /* "Delivered-To: joe-list@example.org" */
};

/*
 * An address as it stands in them: as it is, of any script, since it must be known again if it
 * comes back. What is none is cut, and made printable.
 */
void trace_add_address(struct buf *b, struct bytes address);

void trace_make(struct trace *t, struct bytes reverse_path,
    struct bytes recipient, uint64_t now_ms);

#endif
