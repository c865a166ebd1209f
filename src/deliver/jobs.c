#include "deliver/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mail/verdict.h"
#include "proto/message.h"

/* Append a copy to what is used of the memory. */
static struct bytes
keep(char **memory, struct bytes b)
{
	struct bytes copy = { *memory, b.n };

	if (b.n > 0)
		memcpy(*memory, b.p, b.n);
	*memory += b.n;
	return copy;
}

struct job *
jobs_add(struct jobs *jobs, const struct msg_deliver *m, const struct id *id,
    int body)
{
	size_t      n = m->user.n + m->address.n + m->reverse_path.n;
	struct job *job = malloc(sizeof *job + n);
	char       *memory;

	if (job == NULL)
		return NULL;
	*job = (struct job){
		.id = *id,
		.recipient = m->recipient,
		.token = m->token,
		.repeated = m->repeated != 0,
		.is_yellow = m->colour == COLOUR_YELLOW,
		.size_bytes = m->size,
		.body = body,
	};
	memory = job->memory;
	job->user = keep(&memory, m->user);
	job->address = keep(&memory, m->address);
	job->reverse_path = keep(&memory, m->reverse_path);
	if (jobs->last == NULL)
		jobs->last = &jobs->first;
	*jobs->last = job;
	jobs->last = &job->next;
	jobs->n++;
	return job;
}

static bool
is_job(const struct job *job, const struct id *id, uint32_t recipient)
{
	return job->recipient == recipient && id_equal(&job->id, id);
}

struct job *
jobs_find(const struct jobs *jobs, const struct id *id, uint32_t recipient)
{
	struct job *job = jobs->first;

	while (job && !is_job(job, id, recipient))
		job = job->next;
	return job;
}

static void
drop(struct jobs *jobs, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (jobs->last == &job->next)
		jobs->last = at;
	jobs->n--;
	job_close_body(job);
	free(job);
}

void
jobs_remove(struct jobs *jobs, const struct id *id, uint32_t recipient)
{
	/* they are acknowledged about in the order in which they came */
	for (struct job **at = &jobs->first; *at; at = &(*at)->next)
		if (is_job(*at, id, recipient)) {
			drop(jobs, at);
			return;
		}
}

void
jobs_finish(struct jobs *jobs)
{
	while (jobs->first)
		drop(jobs, &jobs->first);
}

static struct bytes
id_bytes(const struct job *job)
{
	return (struct bytes){ (const char *)job->id.bits, ID_BITS };
}

void
jobs_add_hello(struct buf *frame, const struct jobs *jobs)
{
	struct msg_hello m = { 0 };
	struct buf       list;

	buf_init(&list, FRAME_MAX);
	for (const struct job *job = jobs->first; job; job = job->next) {
		frame_add_bytes(&list, id_bytes(job));
		frame_add_u32(&list, job->recipient);
		m.n++;
	}
	m.jobs = buf_bytes(&list);
	msg_hello_add(frame, &m);
	frame->failed = frame->failed || list.failed;
	buf_finish(&list);
}

void
job_add_outcome(struct buf *frame, const struct job *job)
{
	const struct outcome *o = &job->outcome;

	msg_outcome_add(frame,
	    &(struct msg_outcome){
	        .token = job->token,
	        .id = id_bytes(job),
	        .recipient = job->recipient,
	        .kind = (uint8_t)o->kind,
	        .class = o->status.class,
	        .subject = o->status.subject,
	        .detail = o->status.detail,
	        .text = o->text,
	    });
}

void
job_close_body(struct job *job)
{
	if (job->body != -1)
		close(job->body);
	job->body = -1;
}

void
job_end(struct job *job, enum outcome_kind kind, struct status status,
    const char *text)
{
	job_close_body(job);
	job->is_done = true;
	job->outcome = (struct outcome){ kind, status, bytes_of(text) };
}

/* RFC 3463 section 3.3 and 3.4: the mailbox's limit, the system's, anything else. */
static struct status
status_of(int error)
{
	switch (error) {
	case EDQUOT:
		return STATUS(4, 2, 2);
	case ENOSPC:
		return STATUS(4, 3, 1);
	default:
		return STATUS(4, 3, 0);
	}
}

void
job_defer(struct job *job, const char *what, int error)
{
	snprintf(job->text, sizeof job->text, "%s: %s", what, strerror(error));
	job_end(job, OUTCOME_DEFERRED, status_of(error), job->text);
}
