#include "ampel/readiness.h"

#include <errno.h>
#include <string.h>

#include "ampel/command.h"
#include "ampel/notify.h"
#include "ampel/service_list.h"
#include "ampel/supervisor.h"
#include "io/child.h"
#include "io/place.h"

static void
on_checked(struct child *child, struct child_end end, void *context)
{
	struct supervisor *s = context;

	child_close(child);
	s->self_check = NULL;
	if (end.exited && end.code == 0)
		notify_say("READY=1\nSTATUS=running");
	else
		supervisor_fail(s, EX_BAD, "not every service answers");
}

/*
 * systemd is told READY=1 when every service answers as `ampel start` sees it: by the same
 * code, in a process of its own, since looking from outside takes time.
 */
void
readiness_check(struct supervisor *s)
{
	enum { FIXED = 4 };
	char              self[4096];
	const char       *argv[FIXED + SERVICES_MAX + 1] = { "ampel", "-c",
		s->config_file, "answers" };
	struct child_spec spec = { .path = self, .argv = argv, .n_fds = 3 };

	if (!notify_is_wanted())
		return;
	spec.fds = (const int[]){ -1, s->log, s->log };
	for (size_t i = 0; i < s->n_selected && i < SERVICES_MAX; i++)
		argv[FIXED + i] = s->selected[i];
	if (place_self(self, sizeof self))
		s->self_check = child_start(&s->loop, &spec, on_checked, s);
	if (s->self_check == NULL)
		supervisor_fail(s, EX_BAD, "cannot look whether all "
		    "services answer: %s", strerror(errno));
}

void
readiness_abandon(struct supervisor *s)
{
	child_close(s->self_check);
	s->self_check = NULL;
}

static void
on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_say("WATCHDOG=1");
}

/* That the loop turns is what it shows; what the loop starts, the loop watches. */
void
readiness_start_watchdog(struct supervisor *s)
{
	uint64_t every_ms = notify_watchdog_ms();

	uv_timer_init(&s->loop, &s->watchdog);
	if (every_ms > 0)
		uv_timer_start(&s->watchdog, on_watchdog, 0, every_ms);
}
