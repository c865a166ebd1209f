#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ampel/command.h"
#include "ampel/supervisor.h"
#include "base/number.h"

/* "--notify FD", given by `ampel start` to the server that it starts. */
static int
take_outcome(int *argc, char ***argv)
{
	uint64_t fd;

	if (*argc < 2 || strcmp((*argv)[0], "--notify") != 0 ||
	    !number_parse(bytes_of((*argv)[1]), 1024, &fd))
		return -1;
	*argc -= 2;
	*argv += 2;
	return (int)fd;
}

int
cmd_run(const struct command *c)
{
	int    argc = c->argc;
	char **argv = c->argv;
	int    outcome = take_outcome(&argc, &argv);

	return supervisor_run(c->config_file, argv, (size_t)argc, outcome);
}
