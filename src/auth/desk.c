#include "auth/desk.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/name.h"
#include "base/network.h"
#include "io/clock.h"
#include "io/peer.h"
#include "mail/attempts.h"
#include "service/event.h"

enum {
	CHECKS_MAX = 256,          /* being looked at, or waiting for a thread */
	CHECKS_MAX_STRANGERS = 192, /* the others are for those who are known */
	PASSWORD_MAX = 1024,
	LISTENER_MAX = 64,
};

_Static_assert((int)NAME_MAX_BYTES <= (int)ATTEMPTS_USER_MAX,
    "attempts know every name");

struct asker {
	struct asker *next, **link; /* in the desk's list */
	struct desk  *desk;
	struct peer  *peer;
	bool          is_pop3d; /* each of its questions comes with a socket */
};

/* One question. */
struct login {
	struct login     *next, **link; /* in the desk's list */
	struct desk      *desk;
	struct asker     *asker; /* NULL: it is gone */
	uint64_t          q;
	uint64_t          came_ms;
	int               mailbox; /* the socket, or -1 */
	char              listener[LISTENER_MAX];
	char              address[INET6_ADDRSTRLEN];
	char              user[NAME_MAX_BYTES + 1];
	bool              has_begun; /* attempt counts */
	struct attempt    attempt;
	uv_timer_t        delay;
	struct check_task task;
	struct check     *check; /* its password is being looked at */
	size_t            password_len;
	char              password[];
};

struct desk {
	uv_loop_t           *loop;
	desk_mailbox        *mailbox;
	const struct config *config;
	struct checker      *checker;
	struct attempts     *attempts;
	struct asker        *askers;
	struct login        *logins;
	size_t               n_checks;
	bool                 is_stopping;
	uint64_t             answers[PASSWORD_TRY_LATER + 1];
};

/* --- the end of a question --- */

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
free_login(struct login *l)
{
	explicit_bzero(l->password, l->password_len);
	*l->link = l->next;
	if (l->next)
		l->next->link = l->link;
	if (l->mailbox != -1)
		close(l->mailbox);
	uv_close((uv_handle_t *)&l->delay, on_closed);
}

/* A name that is no user's is not written: people type passwords into that field. */
static void
log_login(const struct login *l, const struct check_result *result)
{
	static const char *const names[] = {
		[PASSWORD_NO] = "no",
		[PASSWORD_YES] = "yes",
		[PASSWORD_TRY_LATER] = "later",
	};
	struct event e = event_begin("login", NULL);

	event_text(&e, "peer", bytes_of(l->address));
	event_text(&e, "listener", bytes_of(l->listener));
	event_text(&e, "user", bytes_of(result->is_user ? l->user : "?"));
	event_text(&e, "result", bytes_of(names[result->answer]));
	event_number(&e, "ms", clock_monotonic_ms() - l->came_ms);
	if (result->answer == PASSWORD_TRY_LATER)
		event_text(&e, "why", bytes_of(result->why));
	event_end(&e);
}

static void
send_answer(struct peer *peer, uint64_t q, enum password_answer answer,
    struct bytes user)
{
	const struct msg_password m = { q, (uint8_t)answer,
		answer == PASSWORD_YES ? user : BYTES("") };
	struct buf                b;

	buf_init(&b, FRAME_MAX);
	msg_password_add(&b, &m);
	peer_send(peer, buf_bytes(&b), NULL, 0);
	buf_finish(&b);
}

static void
count_attempt(struct login *l, enum password_answer answer)
{
	static const enum attempt_end ends[] = {
		[PASSWORD_NO] = ATTEMPT_FAILED,
		[PASSWORD_YES] = ATTEMPT_SUCCEEDED,
		[PASSWORD_TRY_LATER] = ATTEMPT_VOID,
	};

	if (l->has_begun)
		attempts_end(l->desk->attempts, &l->attempt, ends[answer],
		    clock_monotonic_ms());
	l->has_begun = false;
}

static void
finish(struct login *l, const struct check_result *result)
{
	struct desk *d = l->desk;

	count_attempt(l, result->answer);
	d->answers[result->answer]++;
	log_login(l, result);
	if (l->asker && result->answer == PASSWORD_YES && l->mailbox != -1)
		d->mailbox(bytes_of(l->user), l->mailbox);
	if (l->asker)
		send_answer(
		    l->asker->peer, l->q, result->answer, bytes_of(l->user));
	free_login(l);
}

static void
try_later(struct login *l, const char *why)
{
	struct check_result result = { .answer = PASSWORD_TRY_LATER };

	bytes_to_string(bytes_of(why), result.why, sizeof result.why);
	finish(l, &result);
}

/* --- its way --- */

static void
on_checked(const struct check_result *result, void *context)
{
	struct login *l = context;

	l->check = NULL;
	l->desk->n_checks--;
	finish(l, result);
}

static void
begin_check(struct login *l)
{
	struct desk *d = l->desk;

	if (d->n_checks >= (l->attempt.is_known ? CHECKS_MAX : CHECKS_MAX_STRANGERS)) {
		try_later(l, "too many passwords to look at");
		return;
	}
	l->check = check_start(d->checker, &l->task, on_checked, l);
	if (l->check)
		d->n_checks++;
	else
		try_later(l, "no memory");
}

static void
on_delay(uv_timer_t *timer)
{
	begin_check(timer->data);
}

static void
begin(struct login *l)
{
	struct desk *d = l->desk;
	uint8_t      address[16] = { 0 }; /* of all whose address is none */

	network_parse_address(bytes_of(l->address), address);
	if (d->is_stopping) {
		try_later(l, "stopping");
		return;
	}
	l->has_begun = attempts_begin(d->attempts, address, bytes_of(l->user),
	    l->came_ms, &l->attempt);
	if (!l->has_begun)
		try_later(l, "too many at once");
	else if (l->attempt.delay_ms == 0)
		begin_check(l);
	else
		uv_timer_start(&l->delay, on_delay, l->attempt.delay_ms, 0);
}

/* NULL: no memory. */
static struct login *
new_login(struct asker *asker, const struct msg_ask_password *m)
{
	struct desk  *d = asker->desk;
	size_t        n = m->password.n <= PASSWORD_MAX ? m->password.n : 0;
	struct login *l = calloc(1, sizeof *l + n + 1);

	if (l == NULL)
		return NULL;
	l->desk = d;
	l->asker = asker;
	l->q = m->q;
	l->came_ms = clock_monotonic_ms();
	l->mailbox = -1;
	bytes_to_string(m->listener, l->listener, sizeof l->listener);
	bytes_to_string(m->address, l->address, sizeof l->address);
	/* an empty password is nobody's, though PAM may say otherwise; nor is one too long */
	if (n > 0)
		name_of_user(&d->config->domains, m->user, l->user);
	l->password_len = n;
	memcpy(l->password, m->password.p, n);
	l->task = (struct check_task){
		l->user, { l->password, l->password_len }, l->address };
	uv_timer_init(d->loop, &l->delay);
	l->delay.data = l;
	l->next = d->logins;
	l->link = &d->logins;
	if (l->next)
		l->next->link = &l->next;
	d->logins = l;
	return l;
}

/* --- askers --- */

static bool
on_ask_password(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct asker           *asker = context;
	struct msg_ask_password m;
	struct login           *l;

	if (!msg_ask_password_read(frame, &m) || n_fds != (asker->is_pop3d ? 1 : 0))
		return false;
	l = new_login(asker, &m);
	if (l == NULL) {
		send_answer(peer, m.q, PASSWORD_TRY_LATER, BYTES(""));
		return true;
	}
	if (asker->is_pop3d) {
		l->mailbox = fds[0];
		fds[0] = -1;
	}
	begin(l);
	return true;
}

static const struct peer_permit smtpd_permits[] = {
	{ MSG_ASK_PASSWORD, NULL, on_ask_password, 0 },
};

static const struct peer_permit pop3d_permits[] = {
	{ MSG_ASK_PASSWORD, NULL, on_ask_password, 1 },
};

/* Nobody waits for it any more. What cannot be stopped still counts when it ends. */
static void
forget(struct login *l)
{
	l->asker = NULL;
	if (l->check && !check_cancel(l->check))
		return;
	if (l->check)
		l->desk->n_checks--;
	count_attempt(l, PASSWORD_TRY_LATER);
	free_login(l);
}

static void
close_asker(struct asker *asker)
{
	struct login *next;

	for (struct login *l = asker->desk->logins; l; l = next) {
		next = l->next;
		if (l->asker == asker)
			forget(l);
	}
	*asker->link = asker->next;
	if (asker->next)
		asker->next->link = asker->link;
	peer_close(asker->peer);
	free(asker);
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	close_asker(context);
}

static struct asker *
new_asker(struct desk *d, bool is_pop3d, int socket)
{
	struct asker *asker = calloc(1, sizeof *asker);

	if (asker == NULL)
		return NULL;
	asker->desk = d;
	asker->is_pop3d = is_pop3d;
	asker->peer = peer_open(d->loop, socket,
	    is_pop3d ? pop3d_permits : smtpd_permits, 1, on_gone, asker);
	if (asker->peer == NULL) {
		free(asker);
		return NULL;
	}
	asker->next = d->askers;
	asker->link = &d->askers;
	if (asker->next)
		asker->next->link = &asker->next;
	d->askers = asker;
	return asker;
}

bool
desk_add(struct desk *d, enum peer_role role, int socket)
{
	if ((role == ROLE_SMTPD || role == ROLE_POP3D) &&
	    new_asker(d, role == ROLE_POP3D, socket))
		return true;
	close(socket);
	return false;
}

/* --- the desk --- */

struct desk *
desk_open(uv_loop_t *loop, desk_mailbox *mailbox)
{
	struct desk *d = calloc(1, sizeof *d);
	uint64_t     seed;

	if (d == NULL)
		return NULL;
	random_fill(&seed, sizeof seed);
	d->attempts = attempts_new(ATTEMPTS_ENTRIES, seed);
	if (d->attempts == NULL) {
		free(d);
		return NULL;
	}
	d->loop = loop;
	d->mailbox = mailbox;
	return d;
}

void
desk_use(struct desk *d, const struct config *config, struct checker *checker)
{
	checker_close(d->checker);
	d->checker = checker;
	d->config = config;
}

void
desk_stop(struct desk *d)
{
	struct login *next;

	d->is_stopping = true;
	for (struct login *l = d->logins; l; l = next) {
		next = l->next;
		if (l->check && !check_cancel(l->check))
			continue;
		if (l->check)
			d->n_checks--;
		l->check = NULL;
		try_later(l, "stopping");
	}
}

void
desk_kill(struct desk *d)
{
	for (struct login *l = d->logins; l; l = l->next)
		if (l->check)
			check_kill(l->check);
}

void
desk_close(struct desk *d)
{
	while (d->askers)
		close_asker(d->askers);
	checker_close(d->checker);
	attempts_free(d->attempts);
	free(d);
}

size_t
desk_checks(const struct desk *d)
{
	return d->n_checks;
}

void
desk_add_stats(const struct desk *d, struct buf *b)
{
	buf_addf(b, "yes %llu, no %llu, later %llu, waiting %zu",
	    (unsigned long long)d->answers[PASSWORD_YES],
	    (unsigned long long)d->answers[PASSWORD_NO],
	    (unsigned long long)d->answers[PASSWORD_TRY_LATER],
	    attempts_at_once(d->attempts));
}
