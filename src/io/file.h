/* Whole files that people and programs share: read bounded, replaced atomically. */
#ifndef AMPEL_IO_FILE_H
#define AMPEL_IO_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/bytes.h"

/*
 * Append the whole file to b. -1 with errno; EFBIG when it does not fit into b,
 * EINVAL when it is not a regular file (a FIFO does not block). st may be NULL.
 */
int file_read(const char *path, struct buf *b, struct stat *st);

/*
 * The same for a file with secrets: ELOOP when it is a symbolic link, EPERM when others than
 * its owner and its group may read or write it.
 */
int file_read_secret(const char *path, struct buf *b, struct stat *st);

/*
 * Put content in place of path: written beside it, flushed, renamed, the folder
 * flushed. Mode and owner of an existing file are kept (failing that, it fails); else
 * mode. A symbolic link stays: what it names is replaced. -1 with errno, the old file is
 * then untouched (unless only the flush of the folder failed).
 */
int file_replace(const char *path, struct bytes content, mode_t mode);

/*
 * Hold path + ".lock" exclusively; waits at most timeout_ms. A descriptor to close,
 * or -1 with errno (ETIMEDOUT).
 */
int file_lock(const char *path, unsigned timeout_ms);

/* Make a folder and those above it. -1 with errno. */
int file_make_folders(const char *path, mode_t mode);

/* Move a file, on one file system, never over another: EEXIST. -1 with errno. */
int file_move(int from_folder, const char *from, int to_folder, const char *to);

/* Write all, going on after a short write or EINTR. -1 with errno. */
int file_write_all(int fd, struct bytes content);

/* Set or clear O_NONBLOCK. -1 with errno. */
int file_set_nonblocking(int fd, bool on);

#endif
