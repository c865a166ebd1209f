/*
 * What every process that we start has in common, for posix_spawn(3): default signals, none of
 * them blocked, a process group of its own.
 */
#ifndef AMPEL_IO_SPAWNING_H
#define AMPEL_IO_SPAWNING_H

#include <spawn.h>

struct spawning {
	posix_spawn_file_actions_t actions; /* the caller's to fill */
	posix_spawnattr_t          attributes;
};

/* 0; or an errno, and there is nothing to finish. */
int  spawning_init(struct spawning *s);
void spawning_finish(struct spawning *s);

#endif
