/*
 * bench-smtp-load: a load of small messages over SMTP from one thread, so that the
 * server under it is what is measured. Optionally it watches a Maildir's new/ and
 * knows when the last file came. Prints one line of JSON.
 *
 *     bench-smtp-load --port P [--address A] --connections N --messages M
 *         [--per-connection K] [--size BYTES] [--rcpt ADDRESS] [--pipeline]
 *         [--watch DIRECTORY] [--timeout SECONDS]
 *
 * Like Postfix's smtp-source each command waits for its reply unless --pipeline.
 * A message that is not accepted is counted, not sent again.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 10000, REPLY_MAX = 4096, MESSAGE_MAX = 1 << 20 };

/* What the next whole reply answers. */
enum step {
	STEP_CONNECT,
	STEP_GREETING,
	STEP_EHLO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_MESSAGE,
	STEP_QUIT,
	STEPS
};

static const unsigned expected[STEPS] = {
	[STEP_GREETING] = 220,
	[STEP_EHLO] = 250,
	[STEP_MAIL] = 250,
	[STEP_RCPT] = 250,
	[STEP_DATA] = 354,
	[STEP_MESSAGE] = 250,
	[STEP_QUIT] = 221,
};

struct connection {
	int         fd;   /* -1: not connected */
	enum step   step;
	unsigned    sent; /* messages begun on this connection */
	const char *out;  /* what is still to be written */
	size_t      out_len;
	size_t      in_len;
	char        in[REPLY_MAX];
};

static struct {
	struct sockaddr_in server;
	unsigned           connections, messages, per_connection;
	unsigned           timeout_s;
	size_t             size;
	const char        *recipient;
	const char        *watch;
	bool               pipeline;
} option = {
	.connections = 1,
	.messages = 1000,
	.timeout_s = 300,
	.size = 4096,
	.recipient = "alice@mx.example",
};

static struct connection *connections;
static int                epoll_fd = -1;
static int                watch_fd = -1;

static char   mail_text[128], rcpt_text[512], *message_text, pipelined_text[1024];
static size_t message_len;

static struct {
	unsigned begun, accepted, failed, delivered, open;
	double   first_mail, last_reply, last_file;
	char     complaint[200];
} count;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench-smtp-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- what is sent ---- */

static void
make_texts(void)
{
	static const char head[] = "From: Load <load@client.example>\r\n"
	                           "To: Alice <alice@mx.example>\r\n"
	                           "Subject: a message of the load\r\n"
	                           "\r\n";
	size_t line = 0;
	char  *p;

	snprintf(mail_text, sizeof(mail_text), "MAIL FROM:<load@client.example>\r\n");
	snprintf(rcpt_text, sizeof(rcpt_text), "RCPT TO:<%s>\r\n", option.recipient);
	snprintf(pipelined_text, sizeof(pipelined_text), "%s%sDATA\r\n", mail_text,
	    rcpt_text);

	message_text = malloc(option.size + sizeof(head) + 16);
	if (!message_text)
		die("message");
	p = stpcpy(message_text, head);
	while ((size_t)(p - message_text) + 2 < option.size) {
		if (line++ % 72 == 71)
			p = stpcpy(p, "\r\n");
		else
			*p++ = 'x';
	}
	p = stpcpy(p, "\r\n.\r\n");
	message_len = (size_t)(p - message_text);
}

static void
watch_events(struct connection *c, bool writing)
{
	struct epoll_event e = {
		.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0),
		.data.ptr = c,
	};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e) == -1)
		die("epoll_ctl");
}

static void
disconnect(struct connection *c)
{
	if (c->fd == -1)
		return;
	close(c->fd);
	c->fd = -1;
	count.open--;
}

/* The message in hand, if any, is lost; whatever comes next needs a new connection. */
static void
fail(struct connection *c, const char *why, size_t len)
{
	size_t shown = strcspn(why, "\r\n\"\\");

	if (count.complaint[0] == '\0')
		snprintf(count.complaint, sizeof(count.complaint), "%.*s",
		    (int)(shown < len ? shown : len), why);
	if (c->step >= STEP_MAIL && c->step <= STEP_MESSAGE)
		count.failed++;
	else if (c->step <= STEP_EHLO && count.begun < option.messages) {
		count.begun++;
		count.failed++;
	}
	disconnect(c);
}

static void
flush(struct connection *c)
{
	ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);

	if (n == -1 && errno != EAGAIN) {
		fail(c, strerror(errno), SIZE_MAX);
		return;
	}
	if (n > 0) {
		c->out += n;
		c->out_len -= (size_t)n;
	}
	/* Small commands fit; only a message can meet a full socket. */
	if (c->out_len > 0)
		watch_events(c, true);
}

static void
say(struct connection *c, enum step step, const char *text, size_t len)
{
	c->step = step;
	c->out = text;
	c->out_len = len;
	flush(c);
}

static void
say_line(struct connection *c, enum step step, const char *text)
{
	say(c, step, text, strlen(text));
}

/* A new transaction, or the end of this connection. */
static void
next_message(struct connection *c)
{
	bool full = option.per_connection > 0 && c->sent == option.per_connection;

	if (full || count.begun == option.messages) {
		say_line(c, STEP_QUIT, "QUIT\r\n");
		return;
	}
	count.begun++;
	c->sent++;
	if (count.first_mail == 0)
		count.first_mail = now();
	say_line(c, STEP_MAIL, option.pipeline ? pipelined_text : mail_text);
}

/* ---- replies ---- */

static void
replied(struct connection *c)
{
	switch (c->step) {
	case STEP_GREETING:
		say_line(c, STEP_EHLO, "EHLO client.example\r\n");
		break;
	case STEP_EHLO:
		next_message(c);
		break;
	case STEP_MAIL:
		c->step = STEP_RCPT;
		if (!option.pipeline)
			say_line(c, STEP_RCPT, rcpt_text);
		break;
	case STEP_RCPT:
		c->step = STEP_DATA;
		if (!option.pipeline)
			say_line(c, STEP_DATA, "DATA\r\n");
		break;
	case STEP_DATA:
		say(c, STEP_MESSAGE, message_text, message_len);
		break;
	case STEP_MESSAGE:
		count.accepted++;
		count.last_reply = now();
		next_message(c);
		break;
	case STEP_QUIT:
		disconnect(c);
		break;
	case STEP_CONNECT:
	case STEPS:
		break;
	}
}

static unsigned
reply_code(const char *line)
{
	unsigned code = 0;

	for (int i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = code * 10 + (unsigned)(line[i] - '0');
	}
	return code;
}

/* Use whole lines of what came; the last line of a reply has no '-' at 4. */
static void
use_input(struct connection *c)
{
	size_t used = 0;

	while (c->fd != -1) {
		char  *line = c->in + used;
		char  *end = memchr(line, '\n', c->in_len - used);
		size_t len;

		if (!end)
			break;
		len = (size_t)(end - line) + 1;
		used += len;
		if (len > 4 && line[3] == '-')
			continue;
		if (len < 5 || reply_code(line) != expected[c->step])
			fail(c, line, len);
		else
			replied(c);
	}
	memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
}

static void
read_input(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (c->step == STEP_QUIT)
			disconnect(c);
		else
			fail(c, n == 0 ? "connection closed" : strerror(errno), SIZE_MAX);
		return;
	}
	c->in_len += (size_t)n;
	use_input(c);
	if (c->fd != -1 && c->in_len == sizeof(c->in))
		fail(c, "reply too long", SIZE_MAX);
}

/* ---- connections ---- */

static void
connect_now(struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int                one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		die("socket");
	count.open++;
	c->step = STEP_GREETING;
	c->sent = 0;
	c->in_len = 0;
	c->out_len = 0;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == -1)
		die("epoll_ctl");
	if (connect(c->fd, (const struct sockaddr *)&option.server,
	        sizeof(option.server)) == -1 && errno != EINPROGRESS)
		fail(c, strerror(errno), SIZE_MAX);
}

static void
handle(struct connection *c, uint32_t events)
{
	if (c->fd == -1)
		return;
	if ((events & EPOLLOUT) && c->out_len > 0) {
		flush(c);
		if (c->fd != -1 && c->out_len == 0)
			watch_events(c, false);
	}
	if (c->fd != -1 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_input(c);
}

/* ---- the Maildir ---- */

static unsigned
count_files(const char *directory)
{
	DIR           *d = opendir(directory);
	struct dirent *e;
	unsigned       n = 0;

	if (!d)
		die(directory);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

static void
watch_open(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch_fd == -1 || inotify_add_watch(watch_fd, option.watch,
	                          IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) == -1)
		die(option.watch);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch_fd, &e) == -1)
		die("epoll_ctl");
}

static void
watch_read(unsigned files_before)
{
	static char buffer[1 << 16] __attribute__((aligned(8)));
	bool        overflow = false;
	ssize_t     n;

	while ((n = read(watch_fd, buffer, sizeof(buffer))) > 0)
		for (char *p = buffer; p < buffer + n;) {
			struct inotify_event e;

			memcpy(&e, p, sizeof(e));
			p += sizeof(e) + e.len;
			if (e.mask & IN_Q_OVERFLOW)
				overflow = true;
			else
				count.delivered++;
		}
	if (overflow)
		count.delivered = count_files(option.watch) - files_before;
	count.last_file = now();
}

/* ---- the run ---- */

static bool
all_sent(void)
{
	return count.accepted + count.failed >= option.messages && count.open == 0;
}

static bool
all_delivered(void)
{
	return !option.watch || count.delivered >= count.accepted;
}

static void
run(void)
{
	unsigned           before = option.watch ? count_files(option.watch) : 0;
	double             deadline = now() + option.timeout_s;
	struct epoll_event events[256];

	if (option.watch)
		watch_open();
	while (!(all_sent() && all_delivered()) && now() < deadline) {
		int n;

		for (unsigned i = 0; i < option.connections; i++)
			if (connections[i].fd == -1 && count.begun < option.messages)
				connect_now(&connections[i]);
		n = epoll_wait(epoll_fd, events, 256, 1000);
		if (n == -1 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				watch_read(before);
			else
				handle(events[i].data.ptr, events[i].events);
		}
	}
}

static void
report(void)
{
	struct rusage u;
	double        cpu;

	getrusage(RUSAGE_SELF, &u);
	cpu = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
	    (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
	printf("{\"accepted\": %u, \"failed\": %u, \"delivered\": %u, "
	       "\"first_mail\": %.6f, \"last_250\": %.6f, \"last_file\": %.6f, "
	       "\"load_cpu\": %.3f, \"complaint\": \"%s\"}\n",
	    count.accepted, count.failed, count.delivered, count.first_mail,
	    count.last_reply, count.last_file, cpu, count.complaint);
}

static unsigned
number(const char *text, unsigned max)
{
	char         *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v > max) {
		fprintf(stderr, "bench-smtp-load: %s: not a number up to %u\n", text, max);
		exit(2);
	}
	return (unsigned)v;
}

static void
read_options(int argc, char *argv[])
{
	static const struct option known[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "connections", required_argument, NULL, 'c' },
		{ "messages", required_argument, NULL, 'm' },
		{ "per-connection", required_argument, NULL, 'k' },
		{ "size", required_argument, NULL, 's' },
		{ "rcpt", required_argument, NULL, 'r' },
		{ "pipeline", no_argument, NULL, 'l' },
		{ "watch", required_argument, NULL, 'w' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	option.server.sin_family = AF_INET;
	option.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &option.server.sin_addr) != 1)
				exit(2);
			break;
		case 'p': option.server.sin_port = htons((uint16_t)number(optarg, 65535)); break;
		case 'c': option.connections = number(optarg, CONNECTIONS_MAX); break;
		case 'm': option.messages = number(optarg, 100000000); break;
		case 'k': option.per_connection = number(optarg, 100000000); break;
		case 's': option.size = number(optarg, MESSAGE_MAX); break;
		case 'r': option.recipient = optarg; break;
		case 'l': option.pipeline = true; break;
		case 'w': option.watch = optarg; break;
		case 't': option.timeout_s = number(optarg, 86400); break;
		default: exit(2);
		}
	if (option.server.sin_port == 0 || option.connections == 0) {
		fprintf(stderr, "bench-smtp-load: --port and --connections are needed\n");
		exit(2);
	}
}

int
main(int argc, char *argv[])
{
	read_options(argc, argv);
	make_texts();
	connections = calloc(option.connections, sizeof(*connections));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || epoll_fd == -1)
		die("start");
	for (unsigned i = 0; i < option.connections; i++)
		connections[i].fd = -1;
	run();
	report();
	return count.accepted == option.messages && all_delivered() ? 0 : 1;
}
