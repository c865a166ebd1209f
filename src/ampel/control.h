/*
 * The control socket, RUN/control: the `ampel` command asks, the supervisor answers.
 * Only root, or whoever runs the supervisor, may.
 */
#ifndef AMPEL_AMPEL_CONTROL_H
#define AMPEL_AMPEL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct supervisor;
struct control;

/* NULL with a line in error. */
struct control *control_open(struct supervisor *s, char *error, size_t size);
void            control_close(struct control *c);

/*
 * The supervisor ends: commands that wait are answered. True when nothing is left to
 * send.
 */
bool control_finish(struct control *c);

#endif
