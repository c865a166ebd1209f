/*
 * The message that is coming in: a memory file as long as it is small and there is
 * memory for it, else an unlinked file on disk.
 */
#ifndef AMPEL_SMTPD_MESSAGE_FILE_H
#define AMPEL_SMTPD_MESSAGE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { MESSAGE_IN_MEMORY = 1024 * 1024 };

/* What all messages of this process hold in memory files. */
struct message_memory {
	uint64_t used;
	uint64_t max;
};

struct message_file {
	int                    fd;
	bool                   on_disk;
	uint64_t               size_bytes;
	uint64_t               memory_bytes; /* its part of memory->used */
	struct message_memory *memory;
	const char            *directory;    /* for large ones; NULL: there is none */
	struct buf             waiting;      /* not yet written */
};

/* memory and directory outlive it. -1 with errno. */
int  message_file_open(struct message_file *m, struct message_memory *memory,
     const char *directory);
/* -1 with errno: it cannot be stored. */
int  message_file_write(struct message_file *m, struct bytes text);
/* All is in the file, which nothing changes any more. -1 with errno. */
int  message_file_seal(struct message_file *m);
/*
 * The file is closed here; its receiver may still hold it. The memory stays counted
 * until message_memory_release.
 */
uint64_t message_file_pass(struct message_file *m);
/* Calm on a zeroed one. */
void message_file_close(struct message_file *m);

void message_memory_release(struct message_memory *memory, uint64_t bytes);

#endif
