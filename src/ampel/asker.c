#include "ampel/asker.h"

#include <signal.h>
#include <string.h>

#include "ampel/command.h"
#include "ampel/connect.h"
#include "ampel/instance.h"
#include "ampel/supervisor.h"
#include "base/buf.h"
#include "io/child.h"
#include "io/clock.h"
#include "io/peer.h"

enum {
	START_MAX_MS = 90 * 1000,
	ZAP_GRACE_MS = 2000,
	ZAP_MAX_MS = 10 * 1000,
	ERROR_TEXT = 512,
};

/* --- answers --- */

static void
say_line(struct asker *a, struct bytes name, bool ok, const char *state,
    const char *text)
{
	struct msg_line m = { name, ok, bytes_of(state), bytes_of(text) };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_line_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	if (!ok)
		a->failed = true;
}

void
asker_say_done(struct asker *a, int code, const char *text, int fd)
{
	struct msg_done m = { (uint8_t)code, bytes_of(text) };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_done_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), &fd, fd >= 0 ? 1 : 0);
	buf_finish(&frame);
	a->is_waiting = false;
}

/* --- commands that wait for processes --- */

static bool
is_starting(const struct asker *a)
{
	return a->verb == VERB_START ||
	    (a->verb == VERB_RESTART && a->is_second_half);
}

/* Of everything: the server ends with it. */
static bool
is_end(const struct asker *a)
{
	return a->is_all && (a->verb == VERB_STOP || a->verb == VERB_ZAP);
}

static void
begin_start(struct asker *a, size_t i)
{
	char error[ERROR_TEXT];

	if (service_start(a->supervisor, &a->services[i], error,
	        sizeof error))
		return;
	say_line(a, a->services[i].name, false, "FAILED", error);
	a->is_said[i] = true;
}

static void
begin_stop(struct asker *a, size_t i)
{
	struct supervisor    *s = a->supervisor;
	const struct service *service = &a->services[i];

	a->was_running[i] = service_state(s, service) != SERVICE_STOPPED;
	if (!is_end(a))
		service_stop(s, service);
	if (a->verb == VERB_ZAP)
		service_kill(s, service, SIGTERM);
}

static void
begin(struct asker *a)
{
	a->is_begun = true;
	a->started_ms = clock_monotonic_ms();
	memset(a->is_said, 0, sizeof a->is_said);
	for (size_t i = 0; i < a->n_services; i++)
		(is_starting(a) ? begin_start : begin_stop)(a, i);
	if (is_end(a))
		supervisor_stop(a->supervisor);
}

static uint64_t
patience_ms(const struct asker *a)
{
	if (a->verb == VERB_ZAP)
		return ZAP_MAX_MS;
	if (is_starting(a))
		return START_MAX_MS;
	return a->supervisor->config->stop_timeout_ms;
}

/* A listener of ours that was stopped, and one can still connect there. */
static bool
is_heard(const struct asker *a, size_t i)
{
	const struct config *config = a->supervisor->config;

	if (a->services[i].kind != SERVICE_LISTENER || !a->was_running[i])
		return false;
	for (size_t k = 0; k < config->n_listen; k++) {
		const struct config_listen *l = &config->listen[k];

		if (!bytes_equal(l->name, a->services[i].name))
			continue;
		for (size_t n = 0; n < l->address.n; n++)
			if (connect_answers(&l->address.v[n]))
				return true;
	}
	return false;
}

/* Somebody else has asked for the contrary since. */
static bool
is_overruled(const struct asker *a, enum service_state state)
{
	if (a->supervisor->phase == PHASE_STOPPING)
		return false;
	return is_starting(a)
	    ? state == SERVICE_STOPPED
	    : state == SERVICE_RUNNING || state == SERVICE_STARTING;
}

static void
explain(const struct asker *a, size_t i, enum service_state state, bool good,
    struct buf *text)
{
	const struct service *service = &a->services[i];

	if (!good && is_overruled(a, state))
		buf_add_string(text, is_starting(a) ? "was stopped meanwhile"
		                                    : "was started meanwhile");
	else if (is_starting(a))
		service_describe(a->supervisor, service, text);
	else if (!good && state == SERVICE_STOPPED)
		buf_add_string(text, "its address still accepts connections");
	else if (!good)
		buf_addf(text, "still busy; \"ampel zap %.*s\" kills",
		    BYTES_ARG(service->name));
}

/* A service is where it should be, or it never will, or it is too late: its line. */
static bool
settle(struct asker *a, size_t i, bool late)
{
	struct supervisor *s = a->supervisor;
	enum service_state state = service_state(s, &a->services[i]);
	bool good = is_starting(a) ? state == SERVICE_RUNNING
	                           : state == SERVICE_STOPPED && !is_heard(a, i);
	struct buf text;

	if (!good && !late && !is_overruled(a, state))
		return false;
	a->is_said[i] = true;
	if (good && a->verb == VERB_RESTART && !a->is_second_half)
		return true; /* its start will be told */
	buf_init(&text, ERROR_TEXT);
	explain(a, i, state, good, &text);
	say_line(a, a->services[i].name, good, service_state_name(state),
	    buf_string(&text));
	buf_finish(&text);
	return true;
}

static bool
is_late(const struct asker *a)
{
	return clock_monotonic_ms() - a->started_ms > patience_ms(a);
}

static bool
is_settled(struct asker *a)
{
	bool late = is_late(a);
	bool all = true;

	for (size_t i = 0; i < a->n_services; i++)
		if (!a->is_said[i] && !settle(a, i, late))
			all = false;
	return all;
}

static bool
is_nothing_left(const struct supervisor *s)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(s->config, all, SERVICES_MAX);

	for (size_t i = 0; i < n; i++)
		if (service_state(s, &all[i]) != SERVICE_STOPPED)
			return false;
	return true;
}

/*
 * Nothing starts any more: whoever waits for that is told, and holds up nobody. Who came before
 * the stop is overruled by it; who came behind it may wait for its end and start then.
 */
bool
asker_is_refused(struct asker *a)
{
	if (a->supervisor->phase != PHASE_STOPPING ||
	    (a->verb != VERB_START && a->verb != VERB_RESTART))
		return false;
	if (a->is_begun)
		asker_say_done(a, EX_BAD, "the server was stopped meanwhile", -1);
	else
		asker_say_done(a, EX_LATER, "the server is stopping", -1);
	return true;
}

/* A command about some services, while the server itself still starts, waits for that. */
static bool
is_early(const struct asker *a)
{
	return !a->is_begun && !is_end(a) &&
	    a->supervisor->phase < PHASE_RUNNING;
}

/* Of everything, also what is no service: whatever hangs. The queue's store never. */
static void
kill_all(const struct asker *a)
{
	struct supervisor *s = a->supervisor;

	for (size_t i = 0; i < a->n_services; i++)
		service_kill(s, &a->services[i], SIGKILL);
	for (struct instance *i = s->instances; a->is_all && i; i = i->next)
		if (i->child && i->role != ROLE_QUEUE)
			child_signal_group(i->child, SIGKILL);
}

static void
kill_in_time(struct asker *a)
{
	if (a->verb != VERB_ZAP || a->is_killed ||
	    clock_monotonic_ms() - a->started_ms <= ZAP_GRACE_MS)
		return;
	a->is_killed = true;
	kill_all(a);
}

/* Until then a zap has not said its last word: what is left may need it. */
static bool
is_zapping(const struct asker *a)
{
	if (a->verb != VERB_ZAP || !a->is_all || is_late(a))
		return false;
	for (const struct instance *i = a->supervisor->instances; i;
	     i = i->next)
		if (i->child && i->role != ROLE_QUEUE)
			return true;
	return false;
}

void
asker_advance(struct asker *a)
{
	struct supervisor *s = a->supervisor;

	if (asker_is_refused(a) || is_early(a))
		return;
	if (!a->is_begun) {
		begin(a);
		if (!a->is_waiting)
			return; /* answered while everything was being stopped */
	}
	kill_in_time(a);
	if (!is_settled(a) || is_zapping(a))
		return;
	if (a->verb == VERB_RESTART && !a->is_second_half && !a->failed) {
		a->is_second_half = true;
		begin(a);
		return;
	}
	asker_say_done(a, a->failed ? 1 : 0, "", -1);
	if (s->phase == PHASE_RUNNING && is_nothing_left(s))
		supervisor_stop(s);
}

/* --- what is answered at once --- */

void
asker_say_status(struct asker *a)
{
	struct supervisor *s = a->supervisor;
	struct buf         text;
	bool               good = true;

	buf_init(&text, ERROR_TEXT);
	for (size_t i = 0; i < a->n_services; i++) {
		enum service_state state = service_state(s, &a->services[i]);

		buf_clear(&text);
		service_describe(s, &a->services[i], &text);
		say_line(a, a->services[i].name, state == SERVICE_RUNNING,
		    service_state_name(state), buf_string(&text));
		if (state != SERVICE_RUNNING)
			good = false;
	}
	buf_finish(&text);
	asker_say_done(a, good ? 0 : 3, "", -1);
}
