/* Our programs find each other by where they lie, never by PATH. */
#ifndef AMPEL_IO_PLACE_H
#define AMPEL_IO_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* The program that runs. False: it does not fit, or /proc does not say. */
bool place_self(char *out, size_t size);
/* A path from the folder of that program ("../../bin/ampel-inject"). Ask before we are undumpable. */
bool place_beside(const char *path, char *out, size_t size);

#endif
