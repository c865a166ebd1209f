#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/peer.h"
#include "pop3d/journal.h"
#include "pop3d/stdio_inside.h"

enum {
	WHY_TEXT = 256,
	WRONG_MS = 1000, /* after the first wrong password, twice that after the next */
};

struct login {
	enum password_answer answer;
	bool                 is_listed;
	char                 why[WHY_TEXT];
};

static int
left_ms(uint64_t deadline_ms)
{
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0;
}

/* Whether something has come, or the other end is closed, in time. */
static bool
wait_readable(int socket, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = socket, .events = POLLIN };
	int           n;

	do
		n = poll(&p, 1, left_ms(deadline_ms));
	while (n == -1 && errno == EINTR);
	return n == 1;
}

/*
 * The program runs; takes the socket. The first word over it comes from the user's mailbox, so
 * the password was right. An end without one is the program's answer.
 */
static void
hear(struct stdio_session *s, struct login *l, struct checker_run *run, int socket)
{
	const uint64_t deadline_ms = clock_monotonic_ms() + CHECKER_TIMEOUT_MS;

	if (!wait_readable(socket, deadline_ms))
		close(socket);
	else if (stdio_drop_open(&s->drop, socket))
		l->is_listed = true;
	else
		stdio_drop_close(&s->drop);
	if (l->is_listed) {
		l->answer = PASSWORD_YES;
		close(run->pidfd);
	} else {
		l->answer =
		    checker_end(run, left_ms(deadline_ms), l->why, sizeof l->why);
	}
}

static void
check(struct stdio_session *s, struct login *l)
{
	struct checker_run run;
	int                pair[2];

	if (peer_pair(pair) == -1) {
		snprintf(l->why, sizeof l->why, "no socket for a mailbox");
		return;
	}
	l->answer = checker_start(&s->checker, pop3_server_user(&s->pop3),
	    pop3_server_password(&s->pop3), pair[1], &run, l->why, sizeof l->why);
	close(pair[1]);
	if (l->answer == PASSWORD_YES)
		hear(s, l, &run, pair[0]);
	else
		close(pair[0]);
}

/* A name that is no user's is not written: people type passwords into that field. */
static void
log_login(const struct stdio_session *s, const struct login *l, uint64_t began_ms)
{
	const struct journal_login login = {
		.peer = s->setting->peer,
		.user = l->answer == PASSWORD_YES ? buf_bytes(&s->user) : BYTES("?"),
		.answer = l->answer,
		.why = bytes_of(l->why),
		.ms = clock_monotonic_ms() - began_ms,
	};

	journal_login(&login);
	if (l->answer == PASSWORD_YES && !l->is_listed)
		journal_maildrop_failed(s->setting->peer, buf_bytes(&s->user));
}

enum pop3_login
stdio_login(struct stdio_session *s)
{
	const uint64_t began_ms = clock_monotonic_ms();
	struct login   l = { .answer = PASSWORD_TRY_LATER };

	buf_clear(&s->user);
	buf_add_bytes(&s->user, pop3_server_user(&s->pop3));
	check(s, &l);
	log_login(s, &l, began_ms);
	if (l.is_listed)
		return POP3_LOGIN_OK;
	if (l.answer != PASSWORD_NO)
		return POP3_LOGIN_TRY_LATER;
	poll(NULL, 0, WRONG_MS << s->n_wrong++);
	return POP3_LOGIN_NO;
}
