/*
 * How commands show things: a table on a terminal, JSON lines for programs. What comes
 * from outside is made printable.
 */
#ifndef AMPEL_AMPEL_OUTPUT_H
#define AMPEL_AMPEL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/bytes.h"

/* A service's line: "smtp  running  pid 12", or "smtp  ok"/"smtp  FAILED  why". */
void output_service(bool json, struct bytes name, bool is_status, bool ok,
    struct bytes state, struct bytes text);

/* A JSON string with its quotes: printable ASCII, the rest escaped as \u00xx. */
void output_json(struct buf *b, struct bytes text);

/* "ampel: WHAT: WHY" on stderr; the code is given back. */
int output_complain(int code, const char *what, const char *why);

/* Wait for a process; its exit code, 1 when a signal ended it. */
int output_wait(pid_t pid);

#endif
