/* Instructions from inside: instructions.c and the files beside it. */
#ifndef AMPEL_DELIVER_INSTRUCTIONS_INSIDE_H
#define AMPEL_DELIVER_INSTRUCTIONS_INSIDE_H

#include "base/arena.h"
#include "base/buf.h"
#include "deliver/environment.h"
#include "deliver/forward.h"
#include "deliver/home.h"
#include "deliver/instructions.h"
#include "deliver/trace.h"
#include "proto/dot_qmail.h"

enum { INSTRUCTIONS_TEXT = 512 };

struct instructions {
	struct instructions_shared *shared;
	struct instructions_case    given;
	void                      (*ready)(void *context);
	void                       *context;
	struct arena                arena;
	struct buf                  content;

	bool                        is_looked_at;
	bool                        is_default; /* there is no file, or an empty one */
	int                         home;       /* -1: not open */
	struct home_qmail           file;
	struct dot_qmail            lines;
	size_t                      at;         /* the next line */
	size_t                      forward_end; /* of what is forwarded */
	size_t                      n_bytes;    /* our part of shared->n_bytes */
	uint64_t                    n_forwarding; /* and of shared->n_forwarding */
	struct trace                trace;
	struct bytes                new_sender;
	const char *const          *env;        /* NULL: no program was met */

	struct command             *command;    /* waits or runs */
	int                         mbox;       /* -1: none is waited for */
	uint64_t                    lock_until_ms;
	uv_timer_t                  timer;      /* for its lock */
	struct folder               folder;
	struct forward              forward;
	unsigned                    n_files, n_programs;

	bool                        is_ended;
	struct outcome              outcome;
	char                        text[INSTRUCTIONS_TEXT];
	struct job_forward          caused;     /* message: -1: none */
};

/* --- instructions.c: its end, which each of these is; they return INSTRUCTIONS_END --- */

int instructions_end(struct instructions *in, enum outcome_kind kind,
    struct status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Deferred: what went wrong, by errno, and at what. */
int instructions_defer(struct instructions *in, int error, const char *what);
/* Deferred until its user has mended it: all of it, or a line. */
int instructions_mistake(struct instructions *in, const char *what);
int instructions_mistake_in(
    struct instructions *in, unsigned number, const char *what);

/* --- instructions_look.c --- */

/* The home, the file, its lines, and whether it is a loop: before anything is done. */
void instructions_look(struct instructions *in);

/* --- instructions_lines.c --- */

/* What became of a line: the next one's turn comes, or an enum instructions_next. */
enum { INSTRUCTIONS_GO_ON = INSTRUCTIONS_END + 1 };
typedef int instructions_obey(
    struct instructions *in, const struct dot_qmail_line *line);

instructions_obey instructions_obey_program;
instructions_obey instructions_obey_mbox;
instructions_obey instructions_obey_maildir;
instructions_obey instructions_obey_forward;
/* Nothing is waited for any more. */
void instructions_stop_waiting(struct instructions *in);

/* --- instructions_forward.c --- */

/* The reverse-path of forwards, found out once, while the home is open. 0, or an errno. */
int  instructions_find_sender(struct instructions *in);
/* Whether all addresses are ones. False: that of the line *number is none. */
bool instructions_check_addresses(struct instructions *in, unsigned *number);
/* Of the addresses before forward_end: one message, in caused. 0, or an errno. */
int  instructions_make_forward(struct instructions *in);

#endif
