/*
 * The lines of a .qmail file, dot-qmail(5):
 *
 *     # comment      |program      ./mbox  /path/mbox      ./maildir/  /path/maildir/
 *     &address  address            +list (from here on only addresses)
 *
 * Trailing blanks and tabs do not count. Each line is kept whole: its program is given to
 * sh -c as it stands.
 */
#ifndef AMPEL_PROTO_DOT_QMAIL_H
#define AMPEL_PROTO_DOT_QMAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"

enum {
	DOT_QMAIL_MAX = 1024 * 1024, /* bytes of a file */
	DOT_QMAIL_LINES_MAX = 10000, /* that do something */
};

enum dot_qmail_kind {
	DOT_QMAIL_PROGRAM, /* text: what stands behind '|' */
	DOT_QMAIL_MBOX,    /* text: the path */
	DOT_QMAIL_MAILDIR, /* text: the path without the '/' at its end */
	DOT_QMAIL_FORWARD, /* text: the address without '&' */
};

struct dot_qmail_line {
	enum dot_qmail_kind kind;
	struct bytes        text; /* borrows from the file's content */
	unsigned            number;
};

enum dot_qmail_result {
	DOT_QMAIL_OK,        /* without lines: nothing is done; only an empty file is for the default */
	DOT_QMAIL_BLANK,     /* the first line is: it is deferred, so that nobody loses by accident */
	DOT_QMAIL_MISTAKE,   /* a NUL, too many lines, a program or file where only addresses may be */
	DOT_QMAIL_NO_MEMORY,
};

struct dot_qmail {
	struct dot_qmail_line *lines;
	size_t                 n;
	unsigned               mistake; /* the number of the line */
};

/* forward_only: the file has its owner's x bit. */
enum dot_qmail_result dot_qmail_read(struct dot_qmail *q, struct bytes content,
    bool forward_only, struct arena *arena);

/*
 * The names of files to look for, in order: ".qmail" dash ext, then with the last part of ext
 * replaced by "default", and so on, the last one ".qmail" dash "default". ext is lowered, its dots become
 * colons. A name with '/' or NUL, or longer than NAME_MAX, is passed over. *step is 0 before the
 * first. *matched: how much of ext "default" stands for (qmail's DEFAULT); it is all of ext for
 * the last, none for the first. False: that was the last.
 */
bool dot_qmail_next_name(struct bytes dash, struct bytes ext, unsigned *step,
    char name[256], struct bytes *matched);

#endif
