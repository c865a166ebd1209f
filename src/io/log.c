#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TIME_TEXT = 32 };

static const char *program_name = "ampel";
static bool        is_file; /* journald and syslog have clocks of their own */

void
log_open(const char *program)
{
	struct stat st;

	program_name = program;
	is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

/* "2026-11-24T23:30:38.042Z ", and its length. */
static size_t
print_time(char text[TIME_TEXT])
{
	struct timespec now;
	struct tm       tm;
	size_t          n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) == NULL)
		return 0;
	n = strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(
	    text + n, TIME_TEXT - n, ".%03ldZ ", now.tv_nsec / 1000000);
	return n;
}

void
log_line(struct bytes line)
{
	/* A write to a pipe is whole up to PIPE_BUF, 4096, the line end included; one to
	 * a file, where the time stands in front, always is. */
	char         text[TIME_TEXT + LOG_LINE_MAX];
	size_t       n = is_file ? print_time(text) : 0;
	struct bytes cut = bytes_first(line, LOG_LINE_MAX - 1);
	ssize_t      put;

	if (cut.n > 0)
		memcpy(text + n, cut.p, cut.n);
	n += cut.n;
	text[n++] = '\n';
	do
		put = write(STDERR_FILENO, text, n);
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
