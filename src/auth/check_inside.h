/* Between check.c and the three ways of looking at a password. */
#ifndef AMPEL_AUTH_CHECK_INSIDE_H
#define AMPEL_AUTH_CHECK_INSIDE_H

#include "auth/check.h"

/* A way's own struct checker and struct check begin with these. */
struct checker {
	const struct check_way *way;
	uv_loop_t              *loop;
	size_t                  n; /* checks that have not ended */
	bool                    is_closed;
};

struct check {
	struct checker          *checker;
	const struct check_task *task;
	check_done              *done;
	void                    *context;
	struct check_result      result;
	uv_work_t                work;
	void                   (*look)(struct check *check);
	bool                     is_cancelled;
};

struct check_way {
	size_t          check_size;
	/* NULL with a text. */
	struct checker *(*open)(
	    uv_loop_t *loop, const struct config *config, char *error, size_t size);
	void            (*close)(struct checker *c); /* the last check has ended */
	/* Ends with check_finish, but not from inside the call. False: no memory. */
	bool            (*start)(struct check *check);
	bool            (*cancel)(struct check *check);
	void            (*kill)(struct check *check); /* NULL: all is in this process */
};

extern const struct check_way check_file, check_pam, check_program;

/* The result is there: tell whoever asked, and free. */
void check_finish(struct check *check);
/* It was cancelled, nobody is told. */
void check_drop(struct check *check);

/*
 * Run look, which may block and fills the result in, in another thread, then check_finish.
 * False: it could not be queued.
 */
bool check_in_thread(struct check *check, void (*look)(struct check *check));
bool check_cancel_in_thread(struct check *check);
/* The result is there already: only check_finish has to wait for the loop. */
bool check_soon(struct check *check, enum password_answer answer, const char *why);

#endif
