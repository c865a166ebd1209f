#include "smtpd/commit.h"

#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "smtpd/journal.h"

struct commit {
	struct commits        *all;
	struct submission     *submission;
	commit_done           *done; /* NULL: it was left */
	void                  *context;
	enum commit_leaving    leaving;
	uint64_t               began_ms;
	struct journal_message message;
	char                   strings[]; /* of message */
};

static void
free_commit(struct commit *c)
{
	struct commits *all = c->all;

	free(c);
	if (--all->n_open == 0)
		all->emptied(all->context);
}

static void
count(struct commits *all, unsigned code)
{
	if (code >= 500)
		all->n_rejected++;
	else if (code >= 400)
		all->n_deferred++;
	else
		all->n_accepted++;
}

static void
on_result(const struct submit_result *result, void *context)
{
	/* 250 came, and nobody heard it: the client will send the message again. */
	static const char *const unheard[] = {
		[COMMIT_CLIENT_GONE] = "client gone before 250",
		[COMMIT_GIVEN_UP] = "client told 451 before 250",
	};
	struct commit *c = context;
	bool           is_unheard = c->done == NULL && result->code == 250;

	c->message.ms = clock_monotonic_ms() - c->began_ms;
	count(c->all, result->code);
	journal_result(
	    &c->message, result, is_unheard ? unheard[c->leaving] : NULL);
	if (c->done)
		c->done(result, c->context);
	free_commit(c);
}

/* A copy behind the commit. */
static struct bytes
copy(char **at, struct bytes string)
{
	struct bytes result = { *at, string.n };

	if (string.n > 0)
		memcpy(*at, string.p, string.n);
	*at += string.n;
	return result;
}

struct commit *
commit_begin(struct commits *all, const struct envelope *envelope, int fd,
    commit_done *done, void *context)
{
	struct bytes   rcpt = envelope->recipients[0].address;
	struct commit *c = malloc(sizeof *c + envelope->peer_address.n +
	    envelope->reverse_path.n + rcpt.n + envelope->user.n +
	    envelope->tls.n);
	char          *at;

	if (c == NULL)
		return NULL;
	at = c->strings;
	*c = (struct commit){
		.all = all,
		.done = done,
		.context = context,
		.began_ms = clock_monotonic_ms(),
		.message = {
			.id = envelope->id,
			.n_recipients = envelope->n_recipients,
			.size_bytes = envelope->size_bytes,
		},
	};
	c->message.peer = copy(&at, envelope->peer_address);
	c->message.from = copy(&at, envelope->reverse_path);
	c->message.rcpt = copy(&at, rcpt);
	c->message.user = copy(&at, envelope->user);
	c->message.tls = copy(&at, envelope->tls);
	c->submission = submit_send(all->door, envelope, fd, on_result, c);
	if (c->submission == NULL) {
		free(c);
		return NULL;
	}
	all->n_open++;
	return c;
}

void
commit_leave(struct commit *c, enum commit_leaving why)
{
	static const char *const cancelled[] = {
		[COMMIT_CLIENT_GONE] = "client gone",
		[COMMIT_GIVEN_UP] = "nobody took it in time",
	};

	c->done = NULL;
	c->leaving = why;
	if (!submit_cancel(c->submission))
		return; /* its result still comes */
	c->message.ms = clock_monotonic_ms() - c->began_ms;
	journal_cancel(&c->message, cancelled[why]);
	free_commit(c);
}
