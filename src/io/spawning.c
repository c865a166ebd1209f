#include "io/spawning.h"

#include <signal.h>

static int
set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	int      error;

	sigfillset(&all);
	sigemptyset(&none);
	error = posix_spawnattr_setsigdefault(attributes, &all);
	if (error == 0)
		error = posix_spawnattr_setsigmask(attributes, &none);
	if (error == 0)
		error = posix_spawnattr_setpgroup(attributes, 0);
	if (error == 0)
		error = posix_spawnattr_setflags(attributes,
		    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
		        POSIX_SPAWN_SETPGROUP);
	return error;
}

int
spawning_init(struct spawning *s)
{
	int error = posix_spawn_file_actions_init(&s->actions);

	if (error != 0)
		return error;
	error = posix_spawnattr_init(&s->attributes);
	if (error != 0) {
		posix_spawn_file_actions_destroy(&s->actions);
		return error;
	}
	error = set_attributes(&s->attributes);
	if (error != 0)
		spawning_finish(s);
	return error;
}

void
spawning_finish(struct spawning *s)
{
	posix_spawnattr_destroy(&s->attributes);
	posix_spawn_file_actions_destroy(&s->actions);
}
