#include "ampel/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ampel/command.h"
#include "io/peer.h"
#include "io/socket_address.h"
#include "mail/paths.h"

int
ask_connect(const struct config *config, pid_t *pid)
{
	char                    path[PATHS_MAX];
	struct sockaddr_storage address;
	struct endpoint         e = { .kind = ENDPOINT_UNIX };
	struct ucred            who;
	socklen_t               length, size = sizeof who;
	int                     fd;

	if (!paths_get(config, PATH_CONTROL, BYTES(""), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	e.host = bytes_of(path);
	length = socket_address(&e, &address);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, length) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	if (pid)
		*pid = who.pid;
	return fd;
}

bool
ask_send(int socket, enum command_verb verb, char *const *names, size_t n)
{
	struct msg_command m = { .verb = (uint8_t)verb };
	struct buf         list, frame;
	bool               sent;

	buf_init(&list, FRAME_MAX / 2);
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; i < n; i++)
		frame_add_bytes(&list, bytes_of(names[i]));
	m.names = buf_bytes(&list);
	msg_command_add(&frame, &m);
	sent = !list.failed && !frame.failed &&
	    peer_send_blocking(socket, buf_bytes(&frame), NULL, 0);
	buf_finish(&list);
	buf_finish(&frame);
	return sent;
}

bool
ask_receive(int socket, char *buffer, struct bytes *frame, int *fds)
{
	return peer_receive_blocking(socket, buffer, frame, fds, 0);
}

int
ask_door(const struct config *config, enum command_verb verb, char *buffer,
    int *code)
{
	int             fds[FRAME_DESCRIPTORS] = { -1, -1, -1, -1 };
	int             supervisor = ask_connect(config, NULL);
	struct bytes    frame;
	struct msg_done m;

	if (supervisor < 0) {
		fprintf(stderr, "ampel: the server does not run (%s)\n",
		    strerror(errno));
		*code = EX_ABSENT;
		return -1;
	}
	*code = EX_LATER;
	if (ask_send(supervisor, verb, NULL, 0) &&
	    ask_receive(supervisor, buffer, &frame, fds) &&
	    msg_done_read(frame, &m) && m.exit_code) {
		*code = m.exit_code;
		fprintf(stderr, "ampel: %.*s\n", BYTES_ARG(m.text));
	}
	close(supervisor);
	return fds[0];
}
