#include "io/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_MAX = 64,           /* a time, or syslog's */
	SYSLOG_INFO = 2 * 8 + 6, /* mail.info, RFC 5424 section 6.2.1 */
};

static const char *program_name = "ampel";
static bool        is_file;   /* journald and syslog have clocks of their own */
static bool        is_syslog; /* its socket: each line has a head */

void
log_open(const char *program)
{
	struct stat st;

	program_name = program;
	is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- when stderr is the client --- */

static bool
is_same(int fd, int other)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino && (S_ISSOCK(a.st_mode) || S_ISFIFO(a.st_mode));
}

/* -1: there is none. */
static int
syslog_socket(void)
{
	const struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = "/dev/log",
	};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
leave_client(void)
{
	int  fd = syslog_socket();
	bool has_left;

	is_syslog = fd != -1;
	if (fd == -1)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	has_left = dup2(fd, STDERR_FILENO) != -1;
	close(fd);
	return has_left;
}

bool
log_open_beside_client(const char *program)
{
	bool is_client = is_same(STDERR_FILENO, STDOUT_FILENO) ||
	    is_same(STDERR_FILENO, STDIN_FILENO);

	if (is_client && !leave_client())
		return false;
	log_open(program);
	return true;
}

/* --- lines --- */

/* "2026-11-24T23:30:38.042Z ", and its length. */
static size_t
print_time(char text[HEAD_MAX])
{
	struct timespec now;
	struct tm       tm;
	size_t          n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) == NULL)
		return 0;
	n = strftime(text, HEAD_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(
	    text + n, HEAD_MAX - n, ".%03ldZ ", now.tv_nsec / 1000000);
	return n;
}

static size_t
print_head(char text[HEAD_MAX])
{
	int n;

	if (is_file)
		return print_time(text);
	if (!is_syslog)
		return 0;
	n = snprintf(text, HEAD_MAX, "<%d>%s: ", SYSLOG_INFO, program_name);
	return n > 0 && n < HEAD_MAX ? (size_t)n : 0;
}

void
log_line(struct bytes line)
{
	/* A write to a pipe is whole up to PIPE_BUF, 4096, the line end included; one to
	 * a file, where the time stands in front, always is. */
	char         text[HEAD_MAX + LOG_LINE_MAX];
	size_t       n = print_head(text);
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
	int     n = is_syslog ? 0 : snprintf(text, sizeof text, "%s: ", program_name);
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
