#include <stdio.h>
#include <stdlib.h>

#include "auth/check_inside.h"

static const struct check_way *const ways[] = {
	[CHECK_FILE] = &check_file,
	[CHECK_PAM] = &check_pam,
	[CHECK_PROGRAM] = &check_program,
};

enum check_kind
check_kind_of(const struct config *config)
{
	struct bytes way = config->password_check;

	if (bytes_equal(way, BYTES("file")))
		return CHECK_FILE;
	return bytes_equal(way, BYTES("pam")) ? CHECK_PAM : CHECK_PROGRAM;
}

struct checker *
checker_open(
    uv_loop_t *loop, const struct config *config, char *error, size_t size)
{
	const struct check_way *way = ways[check_kind_of(config)];
	struct checker         *c = way->open(loop, config, error, size);

	if (c) {
		c->way = way;
		c->loop = loop;
	}
	return c;
}

void
checker_close(struct checker *c)
{
	if (c == NULL)
		return;
	c->is_closed = true;
	if (c->n == 0)
		c->way->close(c);
}

struct check *
check_start(struct checker *c, const struct check_task *task, check_done *done,
    void *context)
{
	struct check *check = calloc(1, c->way->check_size);

	if (check == NULL)
		return NULL;
	check->checker = c;
	check->task = task;
	check->done = done;
	check->context = context;
	check->result.answer = PASSWORD_TRY_LATER;
	if (!c->way->start(check)) {
		free(check);
		return NULL;
	}
	c->n++;
	return check;
}

bool
check_cancel(struct check *check)
{
	return check->checker->way->cancel(check);
}

void
check_kill(struct check *check)
{
	const struct check_way *way = check->checker->way;

	if (way->kill)
		way->kill(check);
}

void
check_drop(struct check *check)
{
	struct checker *c = check->checker;

	free(check);
	if (--c->n == 0 && c->is_closed)
		c->way->close(c);
}

void
check_finish(struct check *check)
{
	check->done(&check->result, check->context);
	check_drop(check);
}

/* --- in another thread --- */

static void
look(uv_work_t *work)
{
	struct check *check = work->data;

	check->look(check);
}

static void
looked(uv_work_t *work, int status)
{
	struct check *check = work->data;

	(void)status;
	if (check->is_cancelled)
		check_drop(check);
	else
		check_finish(check);
}

bool
check_in_thread(struct check *check, void (*what)(struct check *check))
{
	check->look = what;
	check->work.data = check;
	return uv_queue_work(check->checker->loop, &check->work, look, looked) == 0;
}

bool
check_cancel_in_thread(struct check *check)
{
	check->is_cancelled = uv_cancel((uv_req_t *)&check->work) == 0;
	return check->is_cancelled;
}

static void
look_at_nothing(struct check *check)
{
	(void)check;
}

bool
check_soon(struct check *check, enum password_answer answer, const char *why)
{
	check->result.answer = answer;
	snprintf(check->result.why, sizeof check->result.why, "%s", why);
	return check_in_thread(check, look_at_nothing);
}
