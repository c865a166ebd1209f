#include "io/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char           space[CMSG_SPACE(sizeof(int) * PEER_DESCRIPTORS)];
};

void
packet_close(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] != -1)
			close(fds[i]);
		fds[i] = -1;
	}
}

int
packet_send(int socket, struct bytes frame, const int *fds, size_t n_fds)
{
	union control   control = { .align = { 0 } };
	struct iovec    part = { 0 };
	struct msghdr   message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *rights;

	if (frame.n == 0 || frame.n > PEER_FRAME_MAX || n_fds > PEER_DESCRIPTORS)
		return EMSGSIZE;
	memcpy(&part.iov_base, &frame.p, sizeof frame.p);
	part.iov_len = frame.n;
	if (n_fds > 0) {
		message.msg_control = control.space;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(socket, &message, MSG_NOSIGNAL) == -1)
		if (errno != EINTR)
			return errno;
	return 0;
}

static size_t
take_descriptors(struct msghdr *message, int *fds)
{
	struct cmsghdr *rights = CMSG_FIRSTHDR(message);
	size_t          n;

	if (rights == NULL || rights->cmsg_level != SOL_SOCKET ||
	    rights->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(rights), n * sizeof(int));
	return n;
}

int
packet_receive(int socket, char *buffer, size_t *n, int *fds, size_t *n_fds)
{
	union control control;
	struct iovec  part = { .iov_base = buffer, .iov_len = PEER_FRAME_MAX };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof control.space,
	};
	ssize_t       got;

	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return errno;
	*n_fds = take_descriptors(&message, fds);
	if (got > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		*n = (size_t)got;
		return 0;
	}
	packet_close(fds, *n_fds);
	return got == 0 ? ENODATA : EMSGSIZE;
}
