/*
 * The log sink: one line, one write(2) to stderr, so that lines of several
 * processes never mix. Who stands behind stderr (journal, file, syslog) is the
 * supervisor's affair; only a file needs the time from us. A line that cannot be written is lost; nothing waits for it.
 */
#ifndef AMPEL_IO_LOG_H
#define AMPEL_IO_LOG_H

#include <stdbool.h>

#include "base/bytes.h"

enum { LOG_LINE_MAX = 4096 };

/* The line has no LF; one is added. Longer than LOG_LINE_MAX with it, it is cut. */
void log_line(struct bytes line);
/* For people: "PROGRAM: text"; control characters become blanks. */
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * program, a literal, is named in log_text's lines. When stderr is a regular file each
 * line gets the time, UTC, in front; call it again when stderr has become another.
 */
void log_open(const char *program);
/*
 * The same in a session on standard input and output, whose stderr may be the client, too:
 * stunnel makes it so unless it is in the foreground. A line there would be read as a reply, so
 * it becomes syslog's socket, or else nothing; for the programs that we start as well. False: not
 * even /dev/null can be had, and stderr is still the client.
 */
bool log_open_beside_client(const char *program);

#endif
