/*
 * bench-lookup-load: what a question costs ampel-lookup. We are its supervisor and the smtpd that
 * asks: one question after the other, each after the answer to the last.
 *
 *     bench-lookup-load PROGRAM CONFIG N KIND=FILE...
 *
 * CONFIG is the part of ampel.conf that lookup gets. Each FILE has addresses, one a line; N questions
 * of each kind are asked, the file again from its beginning when it ends. Prints for each kind its
 * name, the CPU of lookup and the time for one question in microseconds, and how many were answered
 * ok, unknown, not ours, otherwise; then "memory" and the peak of lookup's in MB.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "io/peer_blocking.h"
#include "proto/message.h"

enum { WAIT_MS = 60 * 1000, FILE_SIZE_MAX = 256 * 1024 * 1024, ANSWERS = 4 };

struct lookup {
	pid_t     pid;
	int       control, peer;
	clockid_t clock; /* its CPU */
	uint64_t  q;
	char      room[PEER_FRAME_MAX];
};

static void
die(const char *what)
{
	fprintf(stderr, "bench-lookup-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct bytes
receive(struct lookup *l, int socket)
{
	int          fds[PEER_DESCRIPTORS];
	struct bytes frame;

	if (!peer_receive_blocking(socket, l->room, &frame, fds, WAIT_MS))
		die("no frame of lookup");
	return frame;
}

#define SEND(socket, name, fd, ...) \
	do { \
		struct buf b_; \
\
		buf_init(&b_, FRAME_MAX); \
		msg_##name##_add(&b_, &(struct msg_##name){ __VA_ARGS__ }); \
		if (b_.failed || \
		    !peer_send_blocking(socket, buf_bytes(&b_), \
		        (int[]){ fd }, fd == -1 ? 0 : 1)) \
			die("cannot send"); \
		buf_finish(&b_); \
	} while (0)

static struct buf
read_whole(const char *path)
{
	struct buf text;

	buf_init(&text, FILE_SIZE_MAX);
	if (file_read(path, &text, NULL) == -1)
		die(path);
	return text;
}

static void
start(struct lookup *l, const char *program)
{
	int pair[2];

	if (peer_pair(pair) == -1)
		die("socketpair");
	l->pid = fork();
	if (l->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(pair[1], 3) == 3)
			execl(program, "ampel-lookup", (char *)NULL);
		_exit(127);
	}
	if (l->pid == -1 || clock_getcpuclockid(l->pid, &l->clock) != 0)
		die("cannot start lookup");
	close(pair[1]);
	l->control = pair[0];
}

static void
prepare(struct lookup *l, const char *config)
{
	struct buf          text = read_whole(config);
	int                 fd = memfile_of("config", buf_bytes(&text));
	struct msg_prepared prepared;
	struct msg_refused  refused;
	struct bytes        frame;

	if (fd == -1)
		die("memfile");
	SEND(l->control, config, fd, .generation = 1, .name = BYTES("lookup"));
	close(fd);
	buf_finish(&text);
	frame = receive(l, l->control);
	if (msg_refused_read(frame, &refused))
		fprintf(stderr, "%.*s\n", BYTES_ARG(refused.text));
	if (!msg_prepared_read(frame, &prepared))
		die("the configuration is refused");
}

static void
use(struct lookup *l)
{
	struct msg_ready ready;
	int              pair[2];

	if (peer_pair(pair) == -1)
		die("socketpair");
	SEND(l->control, peer, pair[1], .role = ROLE_SMTPD, .serial = 1,
	    .name = BYTES("smtp"));
	close(pair[1]);
	l->peer = pair[0];
	SEND(l->control, use, -1, .generation = 1);
	if (!msg_ready_read(receive(l, l->control), &ready))
		die("lookup is not ready");
}

static uint8_t
ask(struct lookup *l, struct bytes address)
{
	struct msg_recipient m;

	SEND(l->peer, ask_recipient, -1, .q = ++l->q, .address = address,
	    .user = BYTES(""));
	if (!msg_recipient_read(receive(l, l->peer), &m) || m.q != l->q)
		die("another answer");
	return m.answer;
}

static double
microseconds(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) == -1)
		die("clock");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
measure(struct lookup *l, struct bytes kind, const char *path, unsigned n)
{
	struct buf   text = read_whole(path);
	struct bytes rest = buf_bytes(&text), address;
	unsigned     count[ANSWERS] = { 0 };
	double       cpu = microseconds(l->clock);
	double       wall = microseconds(CLOCK_MONOTONIC);

	for (unsigned i = 0; i < n; i++) {
		uint8_t answer;

		if (!bytes_split(&rest, '\n', &address)) {
			rest = buf_bytes(&text);
			if (!bytes_split(&rest, '\n', &address))
				die("no addresses");
		}
		answer = ask(l, address);
		count[answer == RECIPIENT_OK              ? 0
		        : answer == RECIPIENT_UNKNOWN  ? 1
		        : answer == RECIPIENT_NOT_OURS ? 2
		                                       : 3]++;
	}
	cpu = microseconds(l->clock) - cpu;
	wall = microseconds(CLOCK_MONOTONIC) - wall;
	printf("%.*s %.2f %.2f %u %u %u %u\n", BYTES_ARG(kind), cpu / n, wall / n,
	    count[0], count[1], count[2], count[3]);
	buf_finish(&text);
}

static void
print_memory(const struct lookup *l)
{
	char  path[64], line[256];
	long  kilobytes = 0;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%d/status", (int)l->pid);
	status = fopen(path, "r");
	if (status == NULL)
		die(path);
	while (fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kilobytes = strtol(line + 6, NULL, 10);
	fclose(status);
	printf("memory %.1f\n", (double)kilobytes / 1024);
}

int
main(int argc, char **argv)
{
	static struct lookup l;
	unsigned long        n;

	if (argc < 5 || (n = strtoul(argv[3], NULL, 10)) == 0) {
		fprintf(stderr, "usage: bench-lookup-load PROGRAM CONFIG N KIND=FILE...\n");
		return 2;
	}
	start(&l, argv[1]);
	prepare(&l, argv[2]);
	use(&l);
	for (int i = 4; i < argc; i++) {
		struct bytes what = bytes_of(argv[i]);
		size_t       equals = bytes_find(what, '=');

		if (equals == what.n)
			die("KIND=FILE");
		measure(&l, bytes_first(what, equals), argv[i] + equals + 1,
		    (unsigned)n);
	}
	print_memory(&l);
	SEND(l.control, stop, -1, .unused = 0);
	waitpid(l.pid, NULL, 0);
	return 0;
}
