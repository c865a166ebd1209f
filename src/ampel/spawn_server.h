/* `ampel start` when nothing runs: the server, in the background. */
#ifndef AMPEL_AMPEL_SPAWN_SERVER_H
#define AMPEL_AMPEL_SPAWN_SERVER_H

#include <stddef.h>

enum spawn_outcome {
	SPAWN_UP,     /* it works */
	SPAWN_OTHER,  /* another one was faster: that one is to be asked */
	SPAWN_FAILED, /* why was said on stderr */
};

/* With the services that it begins with; none: all. code: of SPAWN_FAILED. */
enum spawn_outcome spawn_server(
    const char *config_file, char *const *names, size_t n, int *code);

#endif
