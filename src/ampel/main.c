#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ampel/become.h"
#include "ampel/cmd_check.h"
#include "ampel/cmd_user.h"
#include "ampel/command.h"

static const char default_file[] = "/etc/ampel/ampel.conf";

static const struct {
	const char *name;
	int (*run)(const struct command *);
	const char *usage;
} commands[] = {
	{ "check", cmd_check, "check" },
	{ "run", cmd_run, "run [SERVICE...]" },
	{ "start", cmd_services, "start|stop|restart|status|answers|zap [SERVICE...]" },
	{ "stop", cmd_services, NULL },
	{ "restart", cmd_services, NULL },
	{ "reload", cmd_services, "reload" },
	{ "status", cmd_services, NULL },
	{ "zap", cmd_services, NULL },
	{ "answers", cmd_services, NULL },
	{ "queue", cmd_queue,
	    "queue list|shape|show ID|cat ID|hold ID|release ID|retry [ID]|remove ID" },
	{ "why", cmd_why, "why ID [--log FILE]" },
	{ "dns", cmd_dns, "dns lookup NAME TYPE" },
	{ "user", cmd_user,
	    "user add NAME|remove NAME|list|passwd NAME|check NAME|"
	    "import-shadow [--force] FILE" },
	{ "import", cmd_import,
	    "import qmail DIR [--rules FILE]... [-n] [--force]" },
};

static int
usage(void)
{
	fprintf(stderr, "usage: ampel [-c FILE] [--json] COMMAND\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (commands[i].usage)
			fprintf(stderr, "  %s\n", commands[i].usage);
	return EX_MISUSE;
}

/* The options before the command. False: misuse. */
static bool
take_options(struct command *c, int *argc, char ***argv)
{
	while (*argc > 0 && (*argv)[0][0] == '-') {
		if (strcmp((*argv)[0], "--json") == 0) {
			c->json = true;
		} else if (strcmp((*argv)[0], "-c") == 0 && *argc > 1) {
			c->config_file = (*argv)[1];
			(*argc)--;
			(*argv)++;
		} else {
			return false;
		}
		(*argc)--;
		(*argv)++;
	}
	return *argc > 0;
}

int
main(int argc, char **argv)
{
	struct command c = { .config_file = default_file };

	argc--;
	argv++;
	if (argc > 0 && strcmp(argv[0], "become") == 0)
		return become(argc - 1, argv + 1);
	if (!take_options(&c, &argc, &argv))
		return usage();
	c.name = argv[0];
	c.argc = argc - 1;
	c.argv = argv + 1;
	/* --json may stand behind the command's words, too. */
	if (c.argc > 0 && strcmp(c.argv[c.argc - 1], "--json") == 0) {
		c.json = true;
		c.argc--;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, c.name) == 0)
			return commands[i].run(&c);
	fprintf(stderr, "ampel: %s: no such command\n", c.name);
	return usage();
}
