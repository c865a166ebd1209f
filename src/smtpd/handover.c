#include "smtpd/handover.h"

#include <stdlib.h>

#include "base/arena.h"
#include "io/clock.h"
#include "smtpd/record.h"

enum { NAMES_MAX = 4096 };

struct handover {
	struct submission     *submission;
	handover_answer       *answer;
	void                  *context;
	bool                   is_abandoned;
	enum handover_end      end;       /* when it is abandoned */
	uint64_t               begun_ms;
	struct message_memory *memory;
	uint64_t               memory_bytes;
	struct record          record;
	struct arena           names;     /* the record's */
};

static struct handover_counts counts;

struct handover_counts
handover_counts(void)
{
	return counts;
}

static void
free_handover(struct handover *h)
{
	message_memory_release(h->memory, h->memory_bytes);
	arena_finish(&h->names);
	free(h);
}

static void
count(uint16_t code)
{
	if (code == 250)
		counts.accepted++;
	else if (code >= 500)
		counts.rejected++;
	else
		counts.deferred++;
}

static void
write_record(struct handover *h, uint16_t code, struct status status,
    struct bytes why)
{
	h->record.duration_ms = clock_monotonic_ms() - h->begun_ms;
	count(code);
	record_message(&h->record, code, status, why);
}

/* It was called back in time, or was not accepted anyway. */
static void
write_cancelled(struct handover *h)
{
	if (h->end == HANDOVER_TOO_LATE)
		return; /* that was its final line */
	h->record.duration_ms = clock_monotonic_ms() - h->begun_ms;
	record_cancelled(&h->record);
}

/* It may be in the queue without anybody having heard a 250. */
static void
write_abandoned(struct handover *h, const struct submit_result *result)
{
	static const struct bytes why[] = {
		[HANDOVER_CLIENT_GONE] = BYTES_INIT("client gone before 250"),
		[HANDOVER_TOO_LATE] = BYTES_INIT("client was told 451 before 250"),
	};

	if (result->code == 250)
		write_record(h, 250, result->status, why[h->end]);
	else
		write_cancelled(h);
}

static void
on_done(const struct submit_result *result, void *context)
{
	struct handover *h = context;

	if (h->is_abandoned) {
		write_abandoned(h, result);
	} else {
		write_record(h, result->code, result->status,
		    result->code == 250 ? BYTES("") : result->text);
		h->answer(result, h->context);
	}
	free_handover(h);
}

/* Names that find no room are missing in the log, no more. */
static void
fill_record(struct handover *h, const struct envelope *e)
{
	h->record = (struct record){
		.id = e->id,
		.peer = arena_copy(&h->names, e->peer_address),
		.from = arena_copy(&h->names, e->reverse_path),
		.rcpt = arena_copy(&h->names, e->recipients[0].address),
		.n_recipients = e->n_recipients,
		.size_bytes = e->size_bytes,
	};
}

struct handover *
handover_begin(struct submit_client *client, const struct envelope *envelope,
    struct message_file *file, handover_answer *answer, void *context)
{
	struct handover *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	arena_init(&h->names, NAMES_MAX);
	h->answer = answer;
	h->context = context;
	h->begun_ms = clock_monotonic_ms();
	h->memory = file->memory;
	fill_record(h, envelope);
	h->submission = submit_send(client, envelope, file->fd, on_done, h);
	if (h->submission == NULL) {
		free_handover(h);
		return NULL;
	}
	h->memory_bytes = message_file_pass(file);
	return h;
}

void
handover_abandon(struct handover *h, enum handover_end end)
{
	h->is_abandoned = true;
	h->end = end;
	if (end == HANDOVER_TOO_LATE)
		write_record(
		    h, 451, STATUS(4, 3, 0), BYTES("no answer in time"));
	if (!submit_cancel(h->submission))
		return;
	write_cancelled(h);
	free_handover(h);
}
