/*
 * Delivery into Maildirs in batches: many files are written, then flushed, then
 * moved into new/, then each new/ is flushed once (DESIGN sections 5 and 12).
 *
 * On file systems that allow it, what would be several flushes is one syncfs: of
 * 64 files it takes a third of the processor time and a quarter of the time of 64
 * fsyncs, each of which commits a transaction of its own. On a busy disk more.
 *
 * At every point a crash leaves a file in tmp/ or a whole message in new/; the
 * next attempt, being `repeated`, finds the one in new/ or cur/ and sweeps away
 * the one in tmp/. Only maildir_settle says "delivered".
 */
#ifndef AMPEL_DELIVER_MAILDIR_H
#define AMPEL_DELIVER_MAILDIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "deliver/folder.h"
#include "mail/id.h"
#include "mail/outcome.h"

enum { MAILDIR_BATCH = 64, MAILDIR_TEXT = 160 };

/* How far a delivery has come. */
enum delivery_step {
	DELIVERY_BEGUN = 0,
	DELIVERY_WRITTEN,  /* whole in tmp/, perhaps not on disk */
	DELIVERY_FLUSHED,  /* its content is on disk */
	DELIVERY_IN_NEW,   /* the name is in new/, perhaps not on disk */
	DELIVERY_IN_CUR,   /* an earlier attempt's, which the user has seen */
	DELIVERY_ENDED,    /* outcome counts */
};

struct delivery {
	/* What is asked; the views are the caller's. */
	struct id      id;
	uint32_t       recipient;
	bool           repeated;
	int            body;         /* read with pread from 0; not closed */
	uint64_t       size_bytes;
	struct bytes   address;      /* canonical, for Delivered-To */
	struct bytes   reverse_path; /* for Return-Path */
	struct folder *folder;       /* open */

	/* What became of it. */
	enum delivery_step step;
	struct outcome     outcome;  /* its text lies in text */
	char               text[MAILDIR_TEXT];

	/* Private. */
	int      file;
	bool     is_second_try;
	bool     is_moved; /* into new/, by us */
	uint64_t wire_bytes;
	uint64_t disk_bytes;
	char     tmp_name[NAME_MAX + 1];
};

struct maildir_batch {
	struct delivery *v[MAILDIR_BATCH];
	size_t           n;
	struct bytes     hostname;
	uint64_t        *attempt; /* counted up: never the same in any process */
};

/* All steps. Every delivery has ended. */
void maildir_deliver(struct maildir_batch *batch);

/* The steps, for tests that stop between them. */
void maildir_find_repeated(struct maildir_batch *batch);
void maildir_write(struct maildir_batch *batch);
void maildir_flush(struct maildir_batch *batch);
void maildir_publish(struct maildir_batch *batch);
void maildir_settle(struct maildir_batch *batch);

/* It has ended so. */
void delivery_end(struct delivery *d, enum outcome_kind kind,
    struct status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* It is deferred: what went wrong, by errno, and at what. */
void delivery_defer(struct delivery *d, int error, const char *what);

#endif
