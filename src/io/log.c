#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *program_name = "ampel";

void
log_open(const char *program)
{
	program_name = program;
}

void
log_line(struct bytes line)
{
	/* A write to a pipe is whole up to PIPE_BUF, 4096, the line end included. */
	char         text[LOG_LINE_MAX];
	struct bytes cut = bytes_first(line, LOG_LINE_MAX - 1);
	ssize_t      put;

	if (cut.n > 0)
		memcpy(text, cut.p, cut.n);
	text[cut.n] = '\n';
	do
		put = write(STDERR_FILENO, text, cut.n + 1);
	while (put == -1 && errno == EINTR);
}

void
log_text(const char *format, ...)
{
	char    text[LOG_LINE_MAX];
	int     n = snprintf(text, sizeof text, "%s: ", program_name);
	va_list args;

	if (n < 0 || (size_t)n >= sizeof text)
		return;
	va_start(args, format);
	vsnprintf(text + n, sizeof text - (size_t)n, format, args);
	va_end(args);
	/* One line, whatever was printed into it. */
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	log_line(bytes_of(text));
}
