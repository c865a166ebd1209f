#include "ampel/helper.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "ampel/connect.h"
#include "ampel/supervisor.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/place.h"

enum {
	PROBE_MS = 100,
	READY_MAX_MS = 60 * 1000,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 60 * 1000,
	GOOD_LIFE_MS = 60 * 1000,
	ARGS_MAX = 64,
	FIXED_ARGS = 5, /* ampel become UID GID USER */
	COMMAND_MAX = 4096,
};

struct helper *
helper_find(const struct supervisor *s, struct bytes name)
{
	struct helper *h = s->helpers;

	while (h && !bytes_equal(bytes_of(h->name), name))
		h = h->next;
	return h;
}

struct helper *
helper_new(struct supervisor *s, struct bytes name)
{
	struct helper  *h = calloc(1, sizeof *h);
	struct helper **end = &s->helpers;

	if (h == NULL)
		return NULL;
	h->supervisor = s;
	bytes_to_string(name, h->name, sizeof h->name);
	uv_timer_init(&s->loop, &h->timer);
	h->timer.data = h;
	while (*end)
		end = &(*end)->next;
	*end = h;
	return h;
}

static void
free_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
helper_free(struct helper *h)
{
	struct helper **at = &h->supervisor->helpers;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	child_close(h->child);
	uv_close((uv_handle_t *)&h->timer, free_closed);
}

/* Its block in the configuration that is in use; NULL: a reload took it away. */
static const struct config_helper *
block_of(const struct helper *h)
{
	const struct config *c = h->supervisor->config;

	for (size_t i = 0; i < c->n_helper; i++)
		if (bytes_equal(c->helper[i].name, bytes_of(h->name)))
			return &c->helper[i];
	return NULL;
}

static void
set_error(struct helper *h, const char *what, const char *why)
{
	snprintf(h->error, sizeof h->error, "%s%s%s", what, why[0] ? ": " : "",
	    why);
	log_text("helper %s: %s", h->name, h->error);
}

static void
on_probe(uv_timer_t *timer)
{
	struct helper              *h = timer->data;
	const struct config_helper *block = block_of(h);

	if (block && block->ready.n > 0 && !connect_answers(&block->ready.v[0])) {
		if (clock_monotonic_ms() - h->started_ms > READY_MAX_MS) {
			set_error(h, "does not answer at its ready address", "");
			helper_kill(h, SIGTERM);
			uv_timer_stop(timer);
		}
		return;
	}
	uv_timer_stop(timer);
	h->state = HELPER_UP;
	h->failures = 0;
	h->error[0] = '\0';
	supervisor_helper_up(h->supervisor);
}

static void
on_again(uv_timer_t *timer)
{
	helper_start(timer->data);
}

static void
start_later(struct helper *h)
{
	uint64_t wait = BACKOFF_FIRST_MS;

	for (unsigned n = 1; n < h->failures && wait < BACKOFF_MAX_MS; n++)
		wait *= 2;
	uv_timer_start(&h->timer, on_again, wait, 0);
}

static void
on_ended(struct child *child, struct child_end end, void *context)
{
	struct helper *h = context;
	bool           was_stopping = h->state == HELPER_STOPPING;
	bool           was_starting = h->state == HELPER_STARTING;
	char           why[64];

	uv_timer_stop(&h->timer);
	child_close(child);
	h->child = NULL;
	h->state = HELPER_DOWN;
	if (!was_stopping) {
		snprintf(why, sizeof why, "%s %d",
		    end.exited ? "exit code" : "signal", end.code);
		set_error(h, "ended", why);
		h->failures =
		    clock_monotonic_ms() - h->started_ms > GOOD_LIFE_MS
		    ? 1
		    : h->failures + 1;
	}
	if (was_starting && h->supervisor->phase == PHASE_HELPERS) {
		supervisor_fail(h->supervisor, 1, "helper %s: %s", h->name,
		    h->error);
		return;
	}
	if (h->is_wanted && was_stopping) /* wanted again meanwhile */
		helper_start(h);
	else if (h->is_wanted)
		start_later(h);
	supervisor_helper_up(h->supervisor); /* who waits for its end looks again */
}

/* The command split at blanks, behind "become" when there is root to leave. */
static bool
fill_arguments(const struct helper *h, const struct config_helper *block,
    char *command, const char **argv, char ids[2][16])
{
	struct passwd *pw;
	char           user[64];
	size_t         n = 0;
	char          *rest;

	bytes_to_string(block->user, user, sizeof user);
	pw = getpwnam(user); /* one thread; used at once */
	if (h->supervisor->is_root && pw == NULL)
		return false;
	argv[n++] = "ampel";
	argv[n++] = "become";
	snprintf(ids[0], sizeof ids[0], "%u", pw ? pw->pw_uid : 0);
	snprintf(ids[1], sizeof ids[1], "%u", pw ? pw->pw_gid : 0);
	argv[n++] = ids[0];
	argv[n++] = ids[1];
	argv[n++] = pw && pw->pw_uid == 0 ? "root" : pw ? pw->pw_name : "-";
	if (!bytes_to_string(block->command, command, COMMAND_MAX))
		return false;
	for (char *word = strtok_r(command, " \t", &rest); word;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (n == ARGS_MAX + FIXED_ARGS)
			return false;
		argv[n++] = word;
	}
	argv[n] = NULL;
	return n > FIXED_ARGS;
}

void
helper_start(struct helper *h)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8", "HOME=/", NULL
	};
	const struct config_helper *block = block_of(h);
	char              self[4096], command[COMMAND_MAX], ids[2][16];
	const char       *argv[ARGS_MAX + FIXED_ARGS + 1];
	struct child_spec spec = { .path = self, .argv = argv, .env = env,
		.n_fds = 3 };

	h->is_wanted = true;
	if (h->child || block == NULL)
		return;
	if (!place_self(self, sizeof self) ||
	    !fill_arguments(h, block, command, argv, ids)) {
		set_error(h, "cannot be started",
		    "its account or its command is not usable");
		return;
	}
	spec.fds = (const int[]){ -1, h->supervisor->log, h->supervisor->log };
	h->child = child_start(&h->supervisor->loop, &spec, on_ended, h);
	if (h->child == NULL) {
		set_error(h, "cannot be started", strerror(errno));
		h->failures++;
		start_later(h);
		return;
	}
	h->started_ms = clock_monotonic_ms();
	h->state = HELPER_STARTING;
	uv_timer_start(&h->timer, on_probe, PROBE_MS, PROBE_MS);
}

void
helper_stop(struct helper *h)
{
	h->is_wanted = false;
	uv_timer_stop(&h->timer);
	if (h->child == NULL)
		return;
	h->state = HELPER_STOPPING;
	child_signal(h->child, SIGTERM);
}

void
helper_kill(struct helper *h, int signal)
{
	if (h->child)
		child_signal_group(h->child, signal);
}
