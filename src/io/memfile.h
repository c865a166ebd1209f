/*
 * Bytes that pass between processes as a descriptor. A memory file (memfd) is
 * sealed before it is passed: nobody can change it afterwards, so a receiver may
 * trust what it has checked. Large content is an unlinked file instead, which its
 * receiver must copy.
 */
#ifndef AMPEL_IO_MEMFILE_H
#define AMPEL_IO_MEMFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

/* An empty memory file, close-on-exec. -1 with errno. */
int memfile_new(const char *name);
/* An unlinked file in directory (O_TMPFILE), close-on-exec. -1 with errno. */
int memfile_new_on_disk(const char *directory);

/*
 * One for content of about that size: a memory file, or above MEMFILE_LARGE an
 * unlinked file in directory (NULL: always a memory file). -1 with errno.
 */
enum { MEMFILE_LARGE = 1024 * 1024 };
int memfile_new_for(
    const char *name, const char *directory, uint64_t size_bytes);

/*
 * Write all of it at the end, which is where the file offset is: whoever makes a file
 * only writes it. -1 with errno.
 */
int memfile_write(int fd, struct bytes content);
/* Nothing can write, grow, shrink or unseal it from now on. -1 with errno. */
int memfile_seal(int fd);
/* The same where it can be had: a file on disk has no seals, its receiver copies it. */
int memfile_seal_if_memory(int fd);

/* A sealed memory file with that content. -1 with errno. */
int memfile_of(const char *name, struct bytes content);

enum memfile_kind {
	MEMFILE_BAD,    /* no regular file, or larger than max_bytes */
	MEMFILE_SEALED, /* all four seals: its content cannot change */
	MEMFILE_OPEN,   /* somebody may still write: copy it before use */
};

/* What a received descriptor is, and its size. */
enum memfile_kind memfile_check(int fd, uint64_t max_bytes, uint64_t *size_bytes);

/*
 * A descriptor of the same file with an offset of its own, at 0, for reading only,
 * close-on-exec: what one program reads is not missing for the next. -1 with errno.
 */
int memfile_reopen(int fd);

/* Append the bytes from offset on, read with pread, to b. -1: errno, or b failed. */
int memfile_read(int fd, uint64_t offset, struct buf *b);

/*
 * Copy the first size_bytes of from to the end of to. -1 with errno; a source that
 * is shorter is EIO.
 */
int memfile_copy(int from, uint64_t size_bytes, int to);

#endif
