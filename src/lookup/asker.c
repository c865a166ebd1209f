#include "lookup/asker.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "lookup/connections.h"

enum {
	TARGETS_IN_FRAME = 48 * 1024,
	TARGETS_MAX = 16 * 1024 * 1024, /* as much as lookup_client reads */
	ROUTE_MEMORY = 4096,            /* an extension and an owner */
	SENDER_MEMORY = 1024 * 1024,    /* the same of all targets of an alias */
	ACCOUNT_MEMORY = 16 * 1024,     /* a line of passwd */
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

/* Where an address leads. <Postmaster> is written without a domain. */
static void
find_route(struct office *office, struct arena *arena, struct bytes text,
    struct route *route)
{
	struct address address = { .local = text };
	uint64_t       now_ms = clock_monotonic_ms();

	office->questions++;
	tables_refresh(office->tables, office->config, now_ms);
	*route = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	if (bytes_find(text, '@') != text.n && !address_parse_utf8(text, &address))
		return;
	do {
		arena_reset(arena);
		directory_route(
		    tables_directory(office->tables), arena, &address, route);
	} while (route->kind == ROUTE_UNKNOWN_USER &&
	    tables_refresh_soon(office->tables, office->config, now_ms));
}

static bool
is_over_quota(struct office *office, struct bytes user, enum recipient_answer answer)
{
	bool counts = user.n > 0 &&
	    (answer == RECIPIENT_OK || answer == RECIPIENT_NOT_OURS);

	return counts && !quota_take(&office->quota, user,
	                     office->config->daily_recipients,
	                     clock_monotonic_ms());
}

static bool
on_ask_recipient(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	static const enum recipient_answer answers[] = {
		[ROUTE_UNKNOWN_USER] = RECIPIENT_UNKNOWN,
		[ROUTE_NOT_OURS] = RECIPIENT_NOT_OURS,
		[ROUTE_USER] = RECIPIENT_OK,
		[ROUTE_EXPANDED] = RECIPIENT_OK,
	};
	struct office           *office = context;
	struct msg_ask_recipient m;
	struct msg_recipient     answer;
	struct route             route;
	struct arena             arena;
	struct buf               b;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_recipient_read(frame, &m))
		return false;
	arena_init(&arena, ROUTE_MEMORY);
	find_route(office, &arena, m.address, &route);
	answer = (struct msg_recipient){ m.q, (uint8_t)answers[route.kind] };
	if (is_over_quota(office, m.user, answers[route.kind]))
		answer.answer = RECIPIENT_LIMIT;
	buf_init(&b, FRAME_MAX);
	msg_recipient_add(&b, &answer);
	send_answer(peer, &b, NULL, 0);
	arena_finish(&arena);
	return true;
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

static void
send_route(struct peer *peer, uint64_t q, const struct route *route,
    struct bytes targets)
{
	struct msg_route answer = {
		.q = q,
		.kind = (uint8_t)route->kind,
		.user = route->user,
		.extension = route->extension,
		.owner = route->owner,
		.is_large = targets.n > TARGETS_IN_FRAME,
	};
	struct buf b;
	int        fd = -1;

	if (!answer.is_large) {
		answer.targets = targets;
	} else if ((fd = memfile_of("targets", targets)) == -1) {
		/* unanswered the question becomes "try later" */
		log_text("cannot pass on a list: %s", strerror(errno));
		return;
	}
	buf_init(&b, FRAME_MAX);
	msg_route_add(&b, &answer);
	send_answer(peer, &b, &fd, fd == -1 ? 0 : 1);
	if (fd != -1)
		close(fd);
}

static bool
on_ask_route(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_ask_route m;
	struct route         route;
	struct arena         arena;
	struct buf           targets;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_route_read(frame, &m))
		return false;
	arena_init(&arena, ROUTE_MEMORY);
	buf_init(&targets, TARGETS_MAX);
	find_route(context, &arena, m.address, &route);
	for (size_t i = 0; i < route.n_targets; i++)
		frame_add_bytes(&targets, route.targets[i]);
	if (targets.failed)
		log_text("the list %.*s is too long", BYTES_ARG(m.address));
	else
		send_route(peer, m.q, &route, buf_bytes(&targets));
	buf_finish(&targets);
	arena_finish(&arena);
	return true;
}

static const struct peer_permit smtpd_permits[] = {
	{ MSG_ASK_CONNECT, NULL, connections_ask, 0 },
	{ MSG_ASK_RECIPIENT, NULL, on_ask_recipient, 0 },
	{ MSG_ASK_SENDER, NULL, on_ask_sender, 0 },
	{ MSG_ASK_ACCOUNT, NULL, on_ask_account, 0 },
};

static const struct peer_permit pop3d_permits[] = {
	{ MSG_ASK_CONNECT, NULL, connections_ask, 0 },
};

static const struct peer_permit queue_permits[] = {
	{ MSG_ASK_ROUTE, NULL, on_ask_route, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)why;
	connections_forget(context, peer);
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
