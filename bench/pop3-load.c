/*
 * bench-pop3-load: clients that log in over POP3S and fetch a whole mailbox, so that the
 * server is what is measured. One thread a client, each message waits for the one before
 * it as real clients do, unless --ahead lets so many requests be on their way.
 * Prints one line of JSON.
 *
 *     bench-pop3-load --port P --user NAME --password WORD [--clients N]
 *         [--sessions K] [--messages M] [--ahead N]
 *
 * Each client makes K sessions one after the other; --messages 0 only logs in.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, INPUT_MAX = 256 * 1024, COMMAND_MAX = 64 };

struct options {
	unsigned    port, clients, sessions, messages, ahead;
	const char *user, *password;
};

struct client {
	const struct options *options;
	SSL_CTX              *context;
	SSL                  *ssl;
	pthread_t             thread;
	size_t                begin, end; /* of what was read and not yet used */
	char                  input[INPUT_MAX];
	unsigned long         fetched, bytes, sessions, errors;
	double                login_seconds;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool
fill(struct client *c)
{
	int n;

	if (c->begin > 0) {
		memmove(c->input, c->input + c->begin, c->end - c->begin);
		c->end -= c->begin;
		c->begin = 0;
	}
	if (c->end == INPUT_MAX)
		return false;
	n = SSL_read(c->ssl, c->input + c->end, (int)(INPUT_MAX - c->end));
	if (n <= 0)
		return false;
	c->end += (size_t)n;
	return true;
}

/* Whether the next line says +OK. */
static bool
is_ok(struct client *c)
{
	for (;;) {
		char *from = c->input + c->begin;
		char *lf = memchr(from, '\n', c->end - c->begin);
		bool  ok;

		if (lf) {
			ok = memcmp(from, "+OK", 3) == 0;
			c->begin = (size_t)(lf - c->input) + 1;
			return ok;
		}
		if (!fill(c))
			return false;
	}
}

/* Pass over the text of a message, its dot included. */
static bool
pass_text(struct client *c)
{
	static const char end[] = "\r\n.\r\n";
	const size_t      n = sizeof end - 1;

	for (;;) {
		char *from = c->input + c->begin;
		char *at = memmem(from, c->end - c->begin, end, n);

		if (at) {
			c->bytes += (size_t)(at - from) + n;
			c->begin += (size_t)(at - from) + n;
			return true;
		}
		if (c->end - c->begin > n) { /* all but what may be the end's beginning */
			c->bytes += c->end - c->begin - n;
			c->begin = c->end - n;
		}
		if (!fill(c))
			return false;
	}
}

static bool
say(struct client *c, const char *line)
{
	return SSL_write(c->ssl, line, (int)strlen(line)) > 0;
}

static bool
log_in(struct client *c)
{
	char user[512], password[512];

	snprintf(user, sizeof user, "USER %s\r\n", c->options->user);
	snprintf(password, sizeof password, "PASS %s\r\n", c->options->password);
	return is_ok(c) && say(c, user) && is_ok(c) && say(c, password) && is_ok(c);
}

static bool
fetch(struct client *c)
{
	unsigned asked = 0;
	char     line[COMMAND_MAX];

	for (unsigned got = 0; got < c->options->messages; got++) {
		while (asked < c->options->messages &&
		    asked < got + c->options->ahead) {
			snprintf(line, sizeof line, "RETR %u\r\n", ++asked);
			if (!say(c, line))
				return false;
		}
		if (!is_ok(c) || !pass_text(c))
			return false;
		c->fetched++;
	}
	return true;
}

static int
connect_to(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int          on = 1;
	int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool
session(struct client *c)
{
	double begun = now();
	int    fd = connect_to(c->options->port);
	bool   good = false;

	c->begin = c->end = 0;
	c->ssl = SSL_new(c->context);
	if (fd != -1 && c->ssl && SSL_set_fd(c->ssl, fd) == 1 &&
	    SSL_connect(c->ssl) == 1 && log_in(c)) {
		c->login_seconds += now() - begun;
		good = fetch(c) && say(c, "QUIT\r\n") && is_ok(c);
	}
	SSL_free(c->ssl);
	if (fd != -1)
		close(fd);
	return good;
}

static void *
run(void *context)
{
	struct client *c = context;

	for (unsigned i = 0; i < c->options->sessions; i++)
		if (session(c))
			c->sessions++;
		else
			c->errors++;
	return NULL;
}

static struct options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "user", required_argument, NULL, 'u' },
		{ "password", required_argument, NULL, 'w' },
		{ "clients", required_argument, NULL, 'c' },
		{ "sessions", required_argument, NULL, 's' },
		{ "messages", required_argument, NULL, 'm' },
		{ "ahead", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .clients = 1, .sessions = 1, .ahead = 1 };

	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'p': o.port = n; break;
		case 'u': o.user = optarg; break;
		case 'w': o.password = optarg; break;
		case 'c': o.clients = n; break;
		case 's': o.sessions = n; break;
		case 'm': o.messages = n; break;
		case 'a': o.ahead = n; break;
		default: exit(64);
		}
	}
	if (o.port == 0 || !o.user || !o.password || o.clients == 0 ||
	    o.clients > CLIENTS_MAX || o.ahead == 0)
		exit(64);
	return o;
}

int
main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);
	struct client *clients = calloc(o.clients, sizeof *clients);
	SSL_CTX       *context = SSL_CTX_new(TLS_client_method());
	struct client  sum = { .errors = 0 };
	double         begun = now(), seconds;

	if (!clients || !context)
		return 1;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	for (unsigned i = 0; i < o.clients; i++) {
		clients[i].options = &o;
		clients[i].context = context;
		if (pthread_create(&clients[i].thread, NULL, run, &clients[i]) != 0)
			return 1;
	}
	for (unsigned i = 0; i < o.clients; i++) {
		pthread_join(clients[i].thread, NULL);
		sum.fetched += clients[i].fetched;
		sum.bytes += clients[i].bytes;
		sum.sessions += clients[i].sessions;
		sum.errors += clients[i].errors;
		sum.login_seconds += clients[i].login_seconds;
	}
	seconds = now() - begun;
	printf("{\"seconds\": %.4f, \"sessions\": %lu, \"messages\": %lu, "
	       "\"bytes\": %lu, \"errors\": %lu, \"login_seconds\": %.4f}\n",
	    seconds, sum.sessions, sum.fetched, sum.bytes, sum.errors,
	    sum.login_seconds);
	SSL_CTX_free(context);
	free(clients);
	return sum.errors == 0 ? 0 : 1;
}
