#include "hiq/successor.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "io/memfile.h"
#include "io/place.h"

bool
successor_path(struct bytes queue, char path[SUCCESSOR_PATH])
{
	if (queue.n > 0)
		return bytes_to_string(queue, path, SUCCESSOR_PATH);
	return place_beside("ampel-inject", path, SUCCESSOR_PATH);
}

void
successor_become(struct caller *caller, const char *path)
{
	char  name[SUCCESSOR_PATH];
	char *argv[] = { name, NULL };

	snprintf(name, sizeof name, "%s", path);
	caller_give_back(caller);
	execve(path, argv, environ);
}

/* Both come before the caller's own pair is given up. False with errno. */
static bool
replace_pair(int message, int envelope)
{
	int in = memfile_reopen(message);
	int end = envelope == -1 ? -1 : memfile_reopen(envelope);

	return in != -1 && end != -1 && dup2(in, CALLER_MESSAGE) != -1 &&
	    dup2(end, CALLER_ENVELOPE) != -1;
}

void
successor_queue(struct caller *caller, const char *path, int message,
    struct bytes envelope)
{
	if (replace_pair(message, memfile_of("envelope", envelope)))
		successor_become(caller, path);
}
