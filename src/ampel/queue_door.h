/*
 * A command's conversation with the queue, by way of the supervisor; blocking. What goes
 * wrong is said on stderr.
 */
#ifndef AMPEL_AMPEL_QUEUE_DOOR_H
#define AMPEL_AMPEL_QUEUE_DOOR_H

#include "base/buf.h"
#include "mail/config.h"
#include "mail/id.h"
#include "proto/message.h"

struct queue_door {
	int   socket;
	char *buffer; /* of FRAME_MAX bytes */
};

/* 0, or the exit code. To be closed in any case. */
int  queue_door_open(const struct config *config, struct queue_door *d);
void queue_door_close(struct queue_door *d);

/* Send a frame, read its DONE and show what it says; its exit code. *fd is the descriptor that came, or -1. */
int queue_door_ask(struct queue_door *d, const struct buf *frame, int *fd);

/* False: enough. The row's views live for the call. */
typedef bool queue_row_shown(const struct msg_row *row, void *context);

/* Rows in the order of ids, from that id on; NULL: from the start. The exit code. */
int queue_door_rows(struct queue_door *d, const struct id *from,
    queue_row_shown *show, void *context);

#endif
