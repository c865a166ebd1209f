#ifndef AMPEL_AMPEL_CMD_CHECK_H
#define AMPEL_AMPEL_CMD_CHECK_H

#include "ampel/command.h"

/*
 * `ampel check`: all mistakes of the configuration, of what it names, of the files
 * of users and aliases, on stderr as "file:line: text"; exit code 78. Without any,
 * "file: ok" on stdout; exit code 0. Warnings are on stderr, too.
 *
 * With --json each is an object on stdout, one a line: file, line (0: the file as a
 * whole), kind ("mistake" or "warning"), text. Nothing is printed for "ok".
 */
int cmd_check(const struct command *c);

#endif
