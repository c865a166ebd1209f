/*
 * Programs that are not ours and that our filters need (`helper` blocks): started
 * before the services, watched, stopped with them.
 */
#ifndef AMPEL_AMPEL_HELPER_H
#define AMPEL_AMPEL_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/child.h"
#include "mail/config.h"

struct supervisor;

enum helper_state {
	HELPER_DOWN,
	HELPER_STARTING, /* its ready address does not answer yet */
	HELPER_UP,
	HELPER_STOPPING,
};

struct helper {
	struct helper    *next;
	struct supervisor *supervisor;
	char              name[64];
	char              error[256]; /* of the last failure */
	enum helper_state state;
	bool              is_wanted;
	struct child     *child;
	uv_timer_t        timer;      /* tries the ready address; the back-off */
	uint64_t          started_ms;
	unsigned          failures;
};

/* In the supervisor's list; not started. NULL: no memory. */
struct helper *helper_new(struct supervisor *s, struct bytes name);
void           helper_free(struct helper *h);
struct helper *helper_find(const struct supervisor *s, struct bytes name);

void helper_start(struct helper *h);
void helper_stop(struct helper *h);
/* Its whole process group. */
void helper_kill(struct helper *h, int signal);

#endif
