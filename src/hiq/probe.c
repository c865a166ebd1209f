#include "hiq/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "hiq/stage.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "mail/date.h"
#include "mail/id.h"

enum { MESSAGE_MAX = 4096, SAID_MAX = 200 };

struct probe {
	const struct config_filter *filter;
	struct stage               *stage;
	struct envelope             envelope;
	enum colour                 colour;
	char                        said[SAID_MAX + 1];
};

static void
on_done(const struct stage_report *report, void *context)
{
	struct probe              *p = context;
	const struct stage_result *r = &report->results[0];

	p->stage = NULL;
	p->colour = r->colour;
	bytes_to_string(bytes_first(r->reason, SAID_MAX), p->said, sizeof p->said);
	if (report->output != -1)
		close(report->output);
}

static struct id
new_id(void)
{
	uint8_t random[ID_RANDOM];

	random_fill(random, sizeof random);
	return id_make(clock_now_ms(), random);
}

/* A sealed memory file, or -1 with errno. */
static int
harmless_message(struct bytes hostname, const struct id *id, uint64_t *size)
{
	struct buf b;
	int        fd;

	buf_init(&b, MESSAGE_MAX);
	buf_addf(&b, "From: postmaster@%.*s\nTo: postmaster@%.*s\nDate: ",
	    BYTES_ARG(hostname), BYTES_ARG(hostname));
	date_add_rfc5322(&b, clock_now_ms());
	buf_addf(&b, "\nMessage-ID: <%s@%.*s>\n", id_text(id).p,
	    BYTES_ARG(hostname));
	buf_add_string(&b, "Subject: Test of the filters\n\n"
	                   "Dear postmaster,\n\n"
	                   "with this message the mail server tests, before it "
	                   "uses them, whether its\n"
	                   "filters let a harmless message pass.\n");
	*size = b.len;
	fd = memfile_of("probe", buf_bytes(&b));
	buf_finish(&b);
	return fd;
}

static void
start(struct probe *p, const struct filters *filters, size_t i,
    struct stage_task *task)
{
	static struct envelope_recipient postmaster = {
		.address = BYTES_INIT("postmaster"),
		.original = BYTES_INIT("postmaster"),
	};

	p->filter = &filters->list[i];
	p->colour = COLOUR_GREEN;
	if (p->filter->kind == FILTER_SPAMD)
		return; /* it may be started later */
	p->envelope.id = new_id();
	p->envelope.arrival_ms = clock_now_ms();
	p->envelope.reverse_path = BYTES("postmaster");
	p->envelope.listener = p->filter->listeners.n > 0 ?
	    p->filter->listeners.v[0] : BYTES("smtp");
	p->envelope.size_bytes = task->size_bytes;
	p->envelope.recipients = &postmaster;
	p->envelope.n_recipients = 1;
	p->colour = COLOUR_ERROR;
	task->filters = p->filter;
	task->envelope = &p->envelope;
	p->stage = stage_start(task, on_done, p);
}

static bool
run(struct probe *probes, const struct filters *filters, char *error, size_t size)
{
	struct id         id = new_id();
	uv_loop_t         loop;
	struct stage_task task = { .loop = &loop, .n = 1,
		.output_max = filters->message_max };

	if (uv_loop_init(&loop) != 0) {
		snprintf(error, size, "the filters cannot be tested: no event loop");
		return false;
	}
	task.fd = harmless_message(filters->hostname, &id, &task.size_bytes);
	for (size_t i = 0; task.fd != -1 && i < filters->n; i++)
		start(&probes[i], filters, i, &task);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (task.fd == -1) {
		snprintf(error, size, "the filters cannot be tested: no memory file");
		return false;
	}
	close(task.fd);
	return true;
}

/* The text for the first that is not green. True: all are. */
static bool
are_green(const struct probe *probes, size_t n, char *error, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		const struct probe *p = &probes[i];

		if (p->colour == COLOUR_GREEN)
			continue;
		snprintf(error, size,
		    "filter \"%.*s\" says %s to a harmless message%s%s",
		    BYTES_ARG(bytes_first(p->filter->name, 60)),
		    colour_name(p->colour), *p->said ? ": " : "", p->said);
		return false;
	}
	return true;
}

bool
probe_filters(const struct filters *filters, char *error, size_t size)
{
	struct probe *probes = calloc(filters->n + 1, sizeof *probes);
	bool          ok;

	if (probes == NULL) {
		snprintf(error, size, "the filters cannot be tested: no memory");
		return false;
	}
	ok = run(probes, filters, error, size) &&
	    are_green(probes, filters->n, error, size);
	free(probes);
	return ok;
}
