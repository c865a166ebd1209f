/*
 * The administrator's commands: one function each, found by name in main.c's table.
 * They return the exit code: 0 good, 64 misuse, 69 nothing runs, 75 try later, 78
 * configuration; what differs stands in the man page.
 */
#ifndef AMPEL_AMPEL_COMMAND_H
#define AMPEL_AMPEL_COMMAND_H

#include <stdbool.h>

#include "mail/config.h"

enum {
	EX_GOOD = 0,
	EX_BAD = 1,
	EX_MISUSE = 64,
	EX_ABSENT = 69,
	EX_LATER = 75,
	EX_CONFIG_BAD = 78,
};

struct command {
	const char *config_file;
	bool        json;   /* for programs */
	const char *name;   /* "start" */
	int         argc;   /* what stands behind the name */
	char      **argv;
};

int cmd_run(const struct command *c);
/* start stop restart reload status answers zap */
int cmd_services(const struct command *c);
int cmd_queue(const struct command *c);
int cmd_why(const struct command *c);
int cmd_dns(const struct command *c);
int cmd_import(const struct command *c);

#endif
