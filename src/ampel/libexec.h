/*
 * Where our programs lie: ../libexec/ampel from this one, never by PATH.
 */
#ifndef AMPEL_AMPEL_LIBEXEC_H
#define AMPEL_AMPEL_LIBEXEC_H

#include <stdbool.h>
#include <stddef.h>

/* False when it does not fit or /proc/self/exe cannot be read. */
bool libexec_path(const char *program, char *out, size_t size);
/* This program itself. */
bool libexec_self(char *out, size_t size);

#endif
