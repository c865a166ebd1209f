/*
 * One password, looked at in the way that the configuration names: against the shadow file,
 * by PAM, or by a checkpassword program. Looking takes long; the loop does not wait.
 */
#ifndef AMPEL_AUTH_CHECK_H
#define AMPEL_AUTH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/bytes.h"
#include "mail/config.h"
#include "proto/message.h"

enum check_kind { CHECK_FILE, CHECK_PAM, CHECK_PROGRAM };

/* What is to be looked at: the caller's, and unchanged until done is called. */
struct check_task {
	const char  *user;     /* as name_of_user; "": nobody, and the answer is no all the same */
	struct bytes password; /* a NUL stands behind it */
	const char  *address;  /* the client's, for PAM's own records */
};

struct check_result {
	enum password_answer answer;
	bool                 is_user; /* there is such a user, whose name may be logged */
	char                 why[80]; /* of "try later" */
};

struct checker;
struct check;

typedef void check_done(const struct check_result *result, void *context);

enum check_kind check_kind_of(const struct config *config);

/* NULL with a text: that way cannot be gone. A program is tried out first, which takes its time. */
struct checker *checker_open(
    uv_loop_t *loop, const struct config *config, char *error, size_t size);
/* What was begun goes on to its end. NULL is allowed. */
void            checker_close(struct checker *c);

/* done is called once, from the loop. NULL: no memory. */
struct check *check_start(struct checker *c, const struct check_task *task,
    check_done *done, void *context);
/* True: it had not begun, and done is not called. False: it cannot be stopped any more. */
bool          check_cancel(struct check *check);
/* We end: a program that was started for it does not outlive us. */
void          check_kill(struct check *check);

#endif
