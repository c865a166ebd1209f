/*
 * bench-rcpt-flood: strangers who guess names. Connection after connection names as many unknown
 * recipients as a session may get wrong, and goes. Until TERM; then it prints how many there were.
 *
 *     bench-rcpt-flood PORT DOMAIN NAMES-A-SESSION SESSIONS-A-SECOND
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 8 * 1024, NAMES_MAX = 50, REPLY_SECONDS = 30 };

static volatile sig_atomic_t is_over;

static void
on_term(int signal)
{
	(void)signal;
	is_over = 1;
}

static int
open_connection(unsigned port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	struct timeval timeout = { .tv_sec = REPLY_SECONDS };
	int            fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether so many whole replies came. refused counts those that begin "550". */
static bool
read_replies(int fd, unsigned n, unsigned long *refused)
{
	char   line[1024];
	size_t length = 0;

	while (n > 0) {
		char    block[2048];
		ssize_t got = read(fd, block, sizeof block);

		if (got <= 0)
			return false;
		for (ssize_t i = 0; i < got; i++) {
			if (length < sizeof line)
				line[length++] = block[i];
			if (block[i] != '\n')
				continue;
			if (length > 3 && line[3] == ' ')
				n -= n > 0;
			*refused += memcmp(line, "550", 3) == 0;
			length = 0;
		}
	}
	return true;
}

static bool
say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static void
run_session(unsigned port, const char *domain, unsigned names,
    unsigned long number, unsigned long *refused)
{
	char   text[TEXT_MAX];
	size_t n = 0;
	int    fd = open_connection(port);

	if (fd == -1)
		return;
	n += (size_t)snprintf(text, sizeof text, "MAIL FROM:<a@client.example>\r\n");
	for (unsigned i = 0; i < names; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		    "RCPT TO:<guess%lu-%u@%s>\r\n", number, i, domain);
	if (read_replies(fd, 1, refused) && say(fd, "EHLO client.example\r\n") &&
	    read_replies(fd, 1, refused) && say(fd, text))
		read_replies(fd, 1 + names, refused);
	close(fd);
}

static void
wait_until(const struct timespec *begin, double seconds)
{
	struct timespec at = *begin;

	at.tv_sec += (time_t)seconds;
	at.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

int
main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term };
	struct timespec  begin;
	unsigned long    sessions = 0, refused = 0;
	unsigned         names, rate;

	if (argc != 5) {
		fprintf(stderr, "usage: bench-rcpt-flood PORT DOMAIN NAMES RATE\n");
		return 2;
	}
	names = (unsigned)strtoul(argv[3], NULL, 10);
	rate = (unsigned)strtoul(argv[4], NULL, 10);
	if (names > NAMES_MAX || rate == 0 || strlen(argv[2]) > 100)
		return 2;
	sigaction(SIGTERM, &term, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (; !is_over; sessions++) {
		run_session((unsigned)strtoul(argv[1], NULL, 10), argv[2], names,
		    sessions, &refused);
		wait_until(&begin, (double)(sessions + 1) / rate);
	}
	printf("%lu %lu\n", sessions, refused);
	return 0;
}
