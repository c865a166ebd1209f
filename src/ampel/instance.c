#include "ampel/instance.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/mailbox.h"
#include "ampel/role.h"
#include "ampel/secrets.h"
#include "ampel/supervisor.h"
#include "ampel/want.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/place.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 30 * 1000,
	GOOD_LIFE_MS = 60 * 1000, /* after which a failure counts as the first */
};

struct instance *
instance_find(const struct supervisor *s, enum peer_role role,
    const struct instance *after)
{
	struct instance *i = after ? after->next : s->instances;

	while (i && i->role != role)
		i = i->next;
	return i;
}

bool
instance_can_be_wired(const struct instance *i)
{
	return i->state == INSTANCE_PREPARED || i->state == INSTANCE_READY;
}

struct instance *
instance_new(struct supervisor *s, enum peer_role role, struct bytes name,
    const char *directory, bool chroot)
{
	struct instance *i = calloc(1, sizeof *i);
	struct instance **end = &s->instances;

	if (i == NULL)
		return NULL;
	i->supervisor = s;
	i->role = role;
	i->chroot = chroot;
	i->socket = -1;
	if (directory && (i->directory = strdup(directory)) == NULL) {
		free(i);
		return NULL;
	}
	bytes_to_string(bytes_first(name, sizeof i->name - 1), i->name,
	    sizeof i->name);
	uv_timer_init(&s->loop, &i->again);
	i->again.data = i;
	while (*end)
		end = &(*end)->next;
	*end = i;
	return i;
}

void
instance_set_uid(struct instance *i, uint32_t uid, uint32_t gid)
{
	i->drop = true;
	i->uid = uid;
	i->gid = gid;
}

static void
drop_process(struct instance *i)
{
	peer_close(i->control);
	child_close(i->child);
	i->control = NULL;
	i->child = NULL;
	i->state = INSTANCE_DOWN;
}

static void
free_closed(uv_handle_t *timer)
{
	struct instance *i = timer->data;

	free(i->directory);
	free(i);
}

void
instance_free(struct instance *i)
{
	struct instance **at = &i->supervisor->instances;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	want_forget_all(i);
	if (i->socket >= 0)
		close(i->socket);
	drop_process(i);
	uv_close((uv_handle_t *)&i->again, free_closed);
}

void
instance_send(
    struct instance *i, const struct buf *frame, const int *fds, size_t n_fds)
{
	if (i->control && !frame->failed)
		peer_send(i->control, buf_bytes(frame), fds, n_fds);
}

bool
instance_send_config(struct instance *i, const struct config *config,
    const struct secrets *secrets, uint64_t generation)
{
	struct msg_config m = {
		.generation = generation,
		.drop = i->drop,
		.uid = i->uid,
		.gid = i->gid,
		.chroot = i->chroot,
		.directory = bytes_of(i->directory),
		.name = bytes_of(i->name),
	};
	struct buf part, frame;
	int        fds[] = { -1, -1 };

	fds[1] = secrets_find(
	    secrets, i->role, bytes_of(i->name), &m.ticket_key);
	buf_init(&part, 16 * 1024 * 1024);
	buf_init(&frame, FRAME_MAX);
	config_add_part(&part, config, role_part(i->role));
	msg_config_add(&frame, &m);
	if (!part.failed)
		fds[0] = memfile_of("config", buf_bytes(&part));
	if (fds[0] >= 0) {
		instance_send(i, &frame, fds, fds[1] >= 0 ? 2 : 1);
		close(fds[0]);
	}
	buf_finish(&part);
	buf_finish(&frame);
	return fds[0] >= 0;
}

void
instance_use(struct instance *i, uint64_t generation)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_use_add(&frame, &(struct msg_use){ generation });
	instance_send(i, &frame, NULL, 0);
	buf_finish(&frame);
}

void
instance_stop(struct instance *i)
{
	struct buf frame;

	i->is_wanted = false;
	uv_timer_stop(&i->again);
	if (i->state == INSTANCE_DOWN) /* what was wanted of it will not come */
		want_fail_all(i);
	if (i->state == INSTANCE_DOWN || i->state == INSTANCE_STOPPING)
		return;
	i->state = INSTANCE_STOPPING;
	i->is_told_to_stop = true;
	buf_init(&frame, FRAME_MAX);
	msg_stop_add(&frame, &(struct msg_stop){ 0 });
	instance_send(i, &frame, NULL, 0);
	buf_finish(&frame);
}

/* --- what the child says --- */

static bool
on_prepared(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance    *i = context;
	struct msg_prepared m;
	bool                is_first = i->state == INSTANCE_STARTING;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_prepared_read(frame, &m))
		return false;
	if (is_first)
		i->state = INSTANCE_PREPARED;
	supervisor_prepared(i->supervisor, i, m.generation, is_first);
	return true;
}

static bool
on_refused(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance   *i = context;
	struct msg_refused m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_refused_read(frame, &m))
		return false;
	supervisor_refused(i->supervisor, i, m.generation, m.text);
	return true;
}

static bool
on_ready(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance *i = context;
	struct msg_ready m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_ready_read(frame, &m))
		return false;
	if (i->state == INSTANCE_PREPARED)
		i->state = INSTANCE_READY;
	supervisor_ready(i->supervisor, i);
	return true;
}

static bool
on_want_deliver(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance        *i = context;
	struct msg_want_deliver m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if ((i->role != ROLE_QUEUE && i->role != ROLE_LOOKUP) ||
	    !msg_want_deliver_read(frame, &m))
		return false;
	want_deliver(i->supervisor, i->role, m.user);
	return true;
}

static bool
on_user_known(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance      *i = context;
	struct msg_user_known m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (i->role != ROLE_DELIVER || !msg_user_known_read(frame, &m))
		return false;
	want_user_known(i, m.name);
	return true;
}

static bool
on_want_mailbox(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct instance        *i = context;
	struct msg_want_mailbox m;

	(void)peer;
	if (i->role != ROLE_AUTH || n_fds != 1 ||
	    !msg_want_mailbox_read(frame, &m))
		return false;
	mailbox_want(i->supervisor, m.user, fds[0]);
	fds[0] = -1;
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_PREPARED, NULL, on_prepared, 0 },
	{ MSG_REFUSED, NULL, on_refused, 0 },
	{ MSG_READY, NULL, on_ready, 0 },
	{ MSG_WANT_DELIVER, NULL, on_want_deliver, 0 },
	{ MSG_USER_KNOWN, NULL, on_user_known, 0 },
	{ MSG_WANT_MAILBOX, NULL, on_want_mailbox, 1 },
};

/* --- its process --- */

static void
on_control_gone(struct peer *peer, const char *why, void *context)
{
	struct instance *i = context;

	/* The process ends by itself, or did what no child of ours does. */
	(void)why;
	peer_close(peer);
	i->control = NULL;
	if (!i->is_told_to_stop)
		child_signal(i->child, SIGKILL);
}

static void
log_end(const struct instance *i, struct child_end end)
{
	if (i->is_told_to_stop && end.exited && end.code == 0)
		return;
	if (end.exited && end.code == 0)
		return; /* deliver when it is idle, mailbox after its session */
	log_text("%s (%s) ended: %s %d", role_program(i->role), i->name,
	    end.exited ? "exit code" : "signal", end.code);
}

static void
on_ended(struct child *child, struct child_end end, void *context)
{
	struct instance *i = context;
	bool             good = end.exited && end.code == 0;

	(void)child;
	log_end(i, end);
	if (clock_monotonic_ms() - i->started_ms > GOOD_LIFE_MS || good)
		i->failures = 0;
	else
		i->failures++;
	drop_process(i);
	supervisor_ended(i->supervisor, i); /* which may free it */
}

/* The other programs of ours. */
static bool
find_program(const char *name, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "../libexec/ampel/%s", name);
	return place_beside(path, out, size);
}

static int
spawn(struct instance *i)
{
	char              path[4096];
	const char       *argv[] = { role_program(i->role), NULL };
	int               pair[2];
	struct child_spec spec = { .path = path, .argv = argv, .n_fds = 4 };

	if (!find_program(role_program(i->role), path, sizeof path))
		return ENAMETOOLONG;
	if (peer_pair(pair) != 0)
		return errno;
	spec.fds = (const int[]){ -1, i->supervisor->log, i->supervisor->log,
		pair[1] };
	i->child = child_start(&i->supervisor->loop, &spec, on_ended, i);
	close(pair[1]);
	if (i->child == NULL) {
		close(pair[0]);
		return errno ? errno : EAGAIN;
	}
	i->control = peer_open(&i->supervisor->loop, pair[0], permits,
	    sizeof permits / sizeof permits[0], on_control_gone, i);
	if (i->control == NULL) {
		close(pair[0]);
		drop_process(i);
		return ENOMEM;
	}
	return 0;
}

static void
start_now(struct instance *i)
{
	struct supervisor *s = i->supervisor;
	int                error = spawn(i);

	i->started_ms = clock_monotonic_ms();
	if (error == 0 &&
	    instance_send_config(i, s->config, s->secrets, s->generation)) {
		i->serial = ++s->last_serial;
		i->state = INSTANCE_STARTING;
		i->is_told_to_stop = false;
		return;
	}
	log_text("cannot start %s: %s", role_program(i->role),
	    error ? strerror(error) : "no memory");
	drop_process(i);
	i->failures++;
	supervisor_ended(s, i);
}

static void
on_again(uv_timer_t *timer)
{
	start_now(timer->data);
}

/* 0 at first, then doubling. */
static uint64_t
backoff_ms(unsigned failures)
{
	uint64_t ms = BACKOFF_FIRST_MS;

	if (failures == 0)
		return 0;
	while (--failures > 0 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void
instance_start_once(struct instance *i)
{
	start_now(i);
}

void
instance_start(struct instance *i)
{
	uint64_t wait = backoff_ms(i->failures);

	i->is_wanted = true;
	if (i->state != INSTANCE_DOWN || uv_is_active((uv_handle_t *)&i->again))
		return;
	if (wait == 0)
		start_now(i);
	else
		uv_timer_start(&i->again, on_again, wait, 0);
}
