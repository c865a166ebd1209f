/*
 * Dates in UTC, computed without the C library's time zone machinery, so that
 * engines stay pure.
 */
#ifndef AMPEL_MAIL_DATE_H
#define AMPEL_MAIL_DATE_H

#include <stdint.h>

struct buf;

/* RFC 5322 section 3.3: "Tue, 24 Nov 2026 23:30:38 +0000". */
void date_add_rfc5322(struct buf *b, uint64_t now_ms);
/* RFC 3339: "2026-11-24T23:30:38Z". */
void date_add_rfc3339(struct buf *b, uint64_t now_ms);

#endif
