/*
 * The head of a reply of spamd: the status line and the header fields, whatever
 * was asked. Any order and case of names, LF or CRLF; unknown fields are skipped.
 */
#ifndef AMPEL_PROTO_SPAMD_HEAD_H
#define AMPEL_PROTO_SPAMD_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct spamd_head {
	struct bytes version;         /* "1.1"; borrows, as all views here */
	uint64_t     code;            /* 0, or an error of spamd */
	bool         has_spam;        /* the four below are known */
	bool         is_spam;         /* spamd's own opinion */
	int64_t      score_milli;
	int64_t      threshold_milli; /* spamd's own required score */
	bool         has_length;
	uint64_t     length;          /* of the body */
	bool         has_changed;     /* DidSet or DidRemove: TELL did something */
};

enum spamd_head_result {
	SPAMD_HEAD_MORE,  /* the empty line has not come yet */
	SPAMD_HEAD_WHOLE,
	SPAMD_HEAD_ERROR, /* garbled, or an error code */
};

/*
 * Take a head and its empty line off *rest. On an error *error says what was
 * wrong, printable, and code is other than 0 when spamd itself reported it. A
 * doubled or garbled Spam or Content-length is an error, NaN too, and a length
 * above length_max.
 */
enum spamd_head_result spamd_head_read(struct bytes *rest, uint64_t length_max,
    struct spamd_head *out, struct bytes *error);

/* The status line alone, all that PING gets: whole or an error, or more. */
enum spamd_head_result spamd_head_read_status(
    struct bytes *rest, struct spamd_head *out, struct bytes *error);

#endif
