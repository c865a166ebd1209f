#include "tools/sendmail_relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "service/local_session.h"

enum { PIECE = 8 * 1024 };

static int
complain_absent(void)
{
	fprintf(stderr, "sendmail: the mail server does not run, or has no "
	    "listener \"local\" (%s)\n", strerror(errno));
	return EX_TEMPFAIL;
}

/* --- -bs --- */

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

/* One piece from one to the other. False: from has ended, or to takes no more. */
static bool
pass_on(int from, int to)
{
	char    piece[PIECE];
	ssize_t n;

	do
		n = read(from, piece, sizeof piece);
	while (n == -1 && errno == EINTR);
	return n > 0 && write_all(to, piece, (size_t)n);
}

int
sendmail_relay_smtp(void)
{
	int           server = local_socket();
	struct pollfd both[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = server, .events = POLLIN },
	};

	if (server == -1)
		return complain_absent();
	for (;;) {
		if (poll(both, 2, -1) == -1 && errno != EINTR)
			return EX_OSERR;
		if (both[1].revents && !pass_on(server, STDOUT_FILENO))
			return EX_OK;
		if (!both[0].revents || pass_on(STDIN_FILENO, server))
			continue;
		/* the client has said all; the server's last words still come */
		shutdown(server, SHUT_WR);
		both[0].fd = -1;
	}
}

/* --- -bv --- */

/* The last line of the next reply. */
static bool
read_reply(FILE *server, char *line, int size)
{
	do
		if (fgets(line, size, server) == NULL || strlen(line) < 4)
			return false;
	while (line[3] == '-');
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

/* The address stands in a command: no line end may be in it. */
static bool
ask(FILE *server, const char *before, const char *address, const char *after,
    char *line, int size)
{
	if (strcspn(address, "\r\n") < strlen(address))
		return false;
	return fprintf(server, "%s%s%s\r\n", before, address, after) > 0 &&
	    fflush(server) == 0 && read_reply(server, line, size);
}

int
sendmail_relay_verify(char **addresses, int n)
{
	FILE *server = NULL;
	char  line[2048];
	int   fd = local_socket(), code = EX_OK;

	if (fd == -1)
		return complain_absent();
	server = fdopen(fd, "r+");
	if (server == NULL || !read_reply(server, line, sizeof line) ||
	    !ask(server, "EHLO ", "localhost", "", line, sizeof line) ||
	    !ask(server, "MAIL FROM:<", "", ">", line, sizeof line))
		return EX_TEMPFAIL;
	for (int i = 0; i < n; i++) {
		if (!ask(server, "RCPT TO:<", addresses[i], ">", line, sizeof line))
			return EX_TEMPFAIL;
		printf("%s: %s\n", addresses[i], line);
		if (line[0] != '2')
			code = line[0] == '4' ? EX_TEMPFAIL : EX_NOUSER;
	}
	fclose(server);
	return code;
}
