/*
 * The programs that .qmail files start: sh -c in the home, the message on standard input, what
 * they say is kept for the outcome. So many at a time, the others wait for their turn; whoever
 * starts more must not hold up deliveries that need none.
 */
#ifndef AMPEL_DELIVER_COMMANDS_H
#define AMPEL_DELIVER_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

enum { COMMANDS_AT_ONCE = 20 };

struct commands;
struct command;

/* All of it lives until the command has ended. */
struct command_spec {
	const char        *line;       /* for sh */
	const char *const *env;
	int                home;       /* O_PATH */
	int                body;       /* the message, from 0; its offset is left alone */
	uint64_t           size_bytes;
	uint64_t           timeout_ms; /* then TERM to its group, and KILL */
	bool               goes_on;    /* with what was begun: also when we stop */
};

enum command_result {
	COMMAND_DEFERRED = 0,
	COMMAND_DONE,
	COMMAND_DONE_FOR_ALL, /* and the lines behind it are not obeyed: exit 99 */
	COMMAND_FAILED,
};

struct command_end {
	enum command_result result;
	struct bytes        text; /* the end of its output, printable; else how it ended */
};

typedef void command_ended(const struct command_end *end, void *context);

/* NULL: no memory. */
struct commands *commands_new(uv_loop_t *loop);
/* None of them is left. NULL is allowed. */
void             commands_free(struct commands *cs);
/*
 * What runs is told to end, and killed after a moment, its children with it: this waits for
 * them. Whoever waits for one cancels it then.
 */
void             commands_end(struct commands *cs);

/*
 * Run it when its turn comes. The callback comes from the loop, once; the command is then gone.
 * NULL: no memory. What a program leaves in the background lives on.
 */
struct command *commands_run(struct commands *cs, const struct command_spec *spec,
    command_ended *ended, void *context);
/* Forget it: it is killed when it runs, and the callback does not come. NULL is allowed. */
void            command_cancel(struct command *c);

/* From now on only those begin that go on with something. */
void   commands_stop(struct commands *cs);
/* Those that run, and those that will although we stop. */
size_t commands_busy(const struct commands *cs);

#endif
