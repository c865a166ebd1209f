/*
 * ampel-auth: is that his password? May be asked by smtpd and pop3d; after its own yes it
 * asks the supervisor for the user's mailbox. Nobody else sees the shadow file.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/check.h"
#include "auth/desk.h"
#include "io/clock.h"
#include "io/log.h"
#include "service/service.h"

enum {
	TICK_MS = 10,
	STOP_MS = 2000, /* how long running checks are awaited */
};

/* Hashes use the processors and 16 MB each; modules of PAM may wait for somebody. */
static const char *const threads[] = {
	[CHECK_FILE] = "8",
	[CHECK_PAM] = "32",
	[CHECK_PROGRAM] = "1",
};

static struct {
	struct desk    *desk;
	struct checker *next; /* of the configuration that was prepared last */
	bool            is_used;
	uv_work_t       first_work;
	uv_timer_t      stop_timer;
	uint64_t        stop_ms;
} auth;

static void
work_nothing(uv_work_t *work)
{
	(void)work;
}

/*
 * libuv aborts when it cannot start its threads, which the limit of a user's processes may
 * forbid: they start while we are still the one who has none. New privileges are renounced
 * before, since each thread does so for itself. A reload does not change the way.
 */
static bool
before_sandbox(const struct config *config)
{
	enum check_kind kind = check_kind_of(config);

	if (kind == CHECK_FILE && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return false;
	return setenv("UV_THREADPOOL_SIZE", threads[kind], 1) == 0 &&
	    uv_queue_work(
	        service_loop(), &auth.first_work, work_nothing, NULL) == 0;
}

static void
want_mailbox(struct bytes user, int socket)
{
	const struct msg_want_mailbox m = { user };
	struct buf                    b;

	buf_init(&b, FRAME_MAX);
	msg_want_mailbox_add(&b, &m);
	service_control_send(buf_bytes(&b), &socket, 1);
	buf_finish(&b);
}

static bool
prepare(const struct config *config, char *error, size_t size)
{
	struct checker *checker;

	if (auth.desk == NULL)
		auth.desk = desk_open(service_loop(), want_mailbox);
	if (auth.desk == NULL) {
		snprintf(error, size, "no memory");
		return false;
	}
	checker = checker_open(service_loop(), config, error, size);
	if (checker == NULL)
		return false;
	/* a neighbour that is ahead of us may ask before the first use */
	if (!auth.is_used) {
		desk_use(auth.desk, config, checker);
		return true;
	}
	checker_close(auth.next);
	auth.next = checker;
	return true;
}

static void
use(const struct config *config)
{
	auth.is_used = true;
	if (auth.next != NULL)
		desk_use(auth.desk, config, auth.next);
	auth.next = NULL;
}

static void
peer(enum peer_role role, uint64_t serial, struct bytes name, int socket)
{
	(void)serial;
	if (!desk_add(auth.desk, role, socket))
		log_text("%.*s cannot be answered", BYTES_ARG(name));
}

static void
on_stop_tick(uv_timer_t *timer)
{
	bool is_idle = desk_checks(auth.desk) == 0;

	if (!is_idle && clock_monotonic_ms() - auth.stop_ms < STOP_MS)
		return;
	uv_timer_stop(timer);
	if (is_idle) {
		desk_close(auth.desk);
		auth.desk = NULL;
	}
	service_end(0);
}

static void
stop(void)
{
	if (auth.desk == NULL) {
		service_end(0);
		return;
	}
	if (auth.stop_ms != 0)
		return;
	auth.stop_ms = clock_monotonic_ms();
	desk_stop(auth.desk);
	uv_timer_init(service_loop(), &auth.stop_timer);
	uv_timer_start(&auth.stop_timer, on_stop_tick, 0, TICK_MS);
}

static void
stats(struct buf *b)
{
	desk_add_stats(auth.desk, b);
}

int
main(void)
{
	static const struct program program = {
		.name = "ampel-auth",
		.may_gain_privileges = true, /* see before_sandbox */
		.open_files = 8192,          /* a socket for each that waits */
		.before_sandbox = before_sandbox,
		.prepare = prepare,
		.use = use,
		.peer = peer,
		.stop = stop,
		.stats = stats,
	};
	int code = service_main(&program);

	if (auth.desk)
		desk_kill(auth.desk);
	/* exit(3) waits for the threads of libuv; one may be in a PAM module that hangs */
	_exit(code);
}
