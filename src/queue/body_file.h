/*
 * Bodies that are too large for a row, as files FOLDER/xx/ID. ID is the file's own;
 * xx is its end, since its beginning is the time. A file has its name only when it is
 * whole and on disk.
 */
#ifndef AMPEL_QUEUE_BODY_FILE_H
#define AMPEL_QUEUE_BODY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "mail/id.h"

/*
 * Copy size_bytes from the descriptor `from` into the file of id, a new one. 0: whole
 * and named on disk. -1 with errno; nothing is left.
 */
int  body_file_write(
    int folder, const struct id *id, int from, uint64_t size_bytes);
/* For reading, close-on-exec. -1 with errno. */
int  body_file_open(int folder, const struct id *id);
/* What cannot be removed stays until the next sweep. */
void body_file_remove(int folder, const struct id *id);

typedef bool body_file_is_named(void *context, const struct id *id);

/* Remove every file that is_named denies. Names are read one by one. */
void body_file_sweep(int folder, body_file_is_named *is_named, void *context);

#endif
