/*
 * "ampel become UID GID USER PROGRAM ARGS...": leave root for good and be the program.
 * The supervisor starts helpers with it, since posix_spawn cannot change the uid.
 */
#ifndef AMPEL_AMPEL_BECOME_H
#define AMPEL_AMPEL_BECOME_H

/* Only returns when it failed, with the exit code: 100 misuse, 111 trouble. */
int become(int argc, char **argv);

#endif
