#include "lookup/asker.h"

#include <pwd.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/clock.h"
#include "io/peer.h"
#include "lookup/connections.h"
#include "lookup/recipients.h"

enum {
	SENDER_MEMORY = 1024 * 1024, /* extensions and owners of all targets of an alias */
	ACCOUNT_MEMORY = 16 * 1024,  /* a line of passwd */
	ACCOUNT_NAME_MAX = 255,
};

/* The handlers' context is the office: an asker has nothing of its own. */

static void
send_answer(struct peer *peer, struct buf *frame, const int *fds, size_t n_fds)
{
	if (!frame->failed)
		peer_send(peer, buf_bytes(frame), fds, n_fds);
	buf_finish(frame);
}

/* Whether the reverse-path is his who authenticated. */
static bool
on_ask_sender(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct office        *office = context;
	struct msg_ask_sender m;
	struct msg_sender     answer;
	struct address        address;
	struct arena          arena;
	struct buf            b;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_sender_read(frame, &m))
		return false;
	office->questions++;
	tables_refresh(office->tables, office->config, clock_monotonic_ms());
	arena_init(&arena, SENDER_MEMORY);
	answer = (struct msg_sender){ .q = m.q };
	answer.is_own = address_parse_utf8(m.address, &address) &&
	    directory_is_own(tables_directory(office->tables), &arena, &address,
	        m.user);
	buf_init(&b, FRAME_MAX);
	msg_sender_add(&b, &answer);
	send_answer(peer, &b, NULL, 0);
	arena_finish(&arena);
	return true;
}

/* Of this host, whoever has mail here. */
static struct bytes
account_name(uint32_t uid, char *room, size_t size)
{
	struct passwd  account;
	struct passwd *found = NULL;

	if (getpwuid_r(uid, &account, room, size, &found) != 0 || found == NULL)
		return BYTES("");
	return bytes_first(bytes_of(found->pw_name), ACCOUNT_NAME_MAX);
}

static bool
on_ask_account(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	static char            room[ACCOUNT_MEMORY];
	struct office         *office = context;
	struct msg_ask_account m;
	struct msg_account     answer;
	struct buf             b;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_account_read(frame, &m))
		return false;
	office->questions++;
	answer = (struct msg_account){ m.q, account_name(m.uid, room, sizeof room) };
	buf_init(&b, FRAME_MAX);
	msg_account_add(&b, &answer);
	send_answer(peer, &b, NULL, 0);
	return true;
}

static const struct peer_permit smtpd_permits[] = {
	{ MSG_ASK_CONNECT, NULL, connections_ask, 0 },
	{ MSG_ASK_RECIPIENT, NULL, recipients_ask, 0 },
	{ MSG_ASK_SENDER, NULL, on_ask_sender, 0 },
	{ MSG_ASK_ACCOUNT, NULL, on_ask_account, 0 },
};

static const struct peer_permit pop3d_permits[] = {
	{ MSG_ASK_CONNECT, NULL, connections_ask, 0 },
};

static const struct peer_permit queue_permits[] = {
	{ MSG_ASK_ROUTE, NULL, recipients_route, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)why;
	connections_forget(context, peer);
	recipients_forget(context, peer);
	peer_close(peer);
}

bool
asker_open(struct office *office, enum peer_role role, int socket)
{
	const struct peer_permit *permits = NULL;
	size_t                    n = 0;

	if (role == ROLE_SMTPD) {
		permits = smtpd_permits;
		n = sizeof smtpd_permits / sizeof smtpd_permits[0];
	} else if (role == ROLE_POP3D) {
		permits = pop3d_permits;
		n = sizeof pop3d_permits / sizeof pop3d_permits[0];
	} else if (role == ROLE_QUEUE) {
		permits = queue_permits;
		n = sizeof queue_permits / sizeof queue_permits[0];
	}
	if (permits != NULL &&
	    peer_open(office->loop, socket, permits, n, on_gone, office))
		return true;
	close(socket);
	return false;
}
