#include "queue/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/peer.h"
#include "proto/message.h"
#include "queue/desk.h"
#include "queue/schedule.h"

enum { ROWS_MAX = 200, ARENA_MAX = 16 * 1024 * 1024 };

struct admin {
	struct desk        *desk;
	struct schedule    *schedule;
	struct peer        *peer;   /* NULL: it is gone, the answer goes nowhere */
	bool                is_busy;
	struct desk_call    call;
	struct desk_request request;

	struct store_row    after;  /* ASK_ROWS */
	bool                has_after;
	size_t              limit;
	struct arena        arena;
	struct store_row    rows[ROWS_MAX];
	size_t              n_rows;

	struct id           id;     /* ASK_BODY */
	int                 body;
};

static void
finish(struct admin *a)
{
	a->is_busy = false;
	arena_reset(&a->arena);
	if (a->peer == NULL) {
		arena_finish(&a->arena);
		free(a);
	}
}

static void
say_done(struct admin *a, uint8_t code, const char *text, int fd)
{
	struct msg_done m = { code, bytes_of(text) };
	struct buf      frame;

	if (a->peer == NULL)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_done_add(&frame, &m);
	peer_send(a->peer, buf_bytes(&frame), &fd, fd >= 0 ? 1 : 0);
	buf_finish(&frame);
}

/* --- rows --- */

static void
run_rows(struct store *store, struct desk_call *call)
{
	struct admin *a = call->context;

	a->n_rows = store_list(store, a->has_after ? &a->after : NULL,
	    &a->arena, a->rows, a->limit);
}

static void
say_row(struct admin *a, const struct store_row *row, struct buf *frame)
{
	static const enum row_state states[] = {
		[STORE_QUEUED] = ROW_QUEUED,
		[STORE_LEASED] = ROW_ACTIVE,
		[STORE_HELD] = ROW_HELD,
	};
	struct msg_row m = {
		.id = id_bytes(&row->id),
		.recipient = row->recipient,
		.arrival_ms = row->arrival_ms,
		.size = row->size_bytes,
		.reverse_path = row->reverse_path,
		.address = row->address,
		.state = (uint8_t)states[row->state],
		.due_ms = row->due_ms,
		.attempts = row->attempts,
		.text = row->text,
	};

	buf_clear(frame);
	msg_row_add(frame, &m);
	peer_send(a->peer, buf_bytes(frame), NULL, 0);
}

static void
on_rows(struct desk_call *call)
{
	struct admin *a = call->context;
	struct buf    frame;

	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; a->peer && i < a->n_rows; i++)
		say_row(a, &a->rows[i], &frame);
	buf_finish(&frame);
	say_done(a, 0, "", -1);
	finish(a);
}

/* "after" is an id and a recipient (4 bytes), or empty. */
static bool
on_ask_rows(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct admin       *a = context;
	struct msg_ask_rows m;
	struct frame_reader r;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_ask_rows_read(frame, &m))
		return false;
	a->has_after = m.after.n > 0;
	if (a->has_after) {
		if (!id_read(bytes_first(m.after, ID_BITS), &a->after.id))
			return false;
		r = frame_reader_of(bytes_from(m.after, ID_BITS));
		a->after.recipient = frame_u32(&r);
		if (!frame_end(&r))
			return false;
	}
	a->limit = m.limit < ROWS_MAX ? m.limit : ROWS_MAX;
	a->is_busy = true;
	a->call = (struct desk_call){ .run = run_rows, .done = on_rows,
		.context = a };
	desk_run(a->desk, &a->call);
	return true;
}

/* --- actions --- */

/* There is no error in it when nothing waits. */
static void
say_kicked(struct admin *a, const struct store_op *op)
{
	char text[64];

	snprintf(text, sizeof text, "%llu recipient%s due now",
	    (unsigned long long)op->kicked, op->kicked == 1 ? " is" : "s are");
	say_done(a, 0, op->result == STORE_DONE ? text : "nothing waits", -1);
}

static void
on_acted(struct desk_request *r)
{
	static const char *const texts[] = {
		[STORE_UNKNOWN] = "the queue could not write it",
		[STORE_DONE] = "",
		[STORE_REFUSED] = "not possible",
		[STORE_STALE] = "no such message, or it is being delivered now",
	};
	struct admin *a = r->context;

	if (r->op.kind == STORE_KICK_ALL &&
	    (r->op.result == STORE_DONE || r->op.result == STORE_STALE))
		say_kicked(a, &r->op);
	else
		say_done(a, r->op.result == STORE_DONE ? 0 : 1,
		    texts[r->op.result], -1);
	schedule_wake(a->schedule);
	finish(a);
}

static bool
on_ask_action(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	static const enum store_op_kind kinds[] = {
		[ACTION_HOLD] = STORE_HOLD,
		[ACTION_RELEASE] = STORE_KICK,
		[ACTION_RETRY] = STORE_KICK,
		[ACTION_REMOVE] = STORE_REMOVE,
	};
	struct admin         *a = context;
	struct msg_ask_action m;
	bool                  is_all;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_ask_action_read(frame, &m) || m.action > ACTION_REMOVE)
		return false;
	is_all = m.action == ACTION_RETRY && m.id.n == 0;
	if (!is_all && !id_read(m.id, &a->id))
		return false;
	a->is_busy = true;
	a->request.op = (struct store_op){
		.kind = is_all ? STORE_KICK_ALL : kinds[m.action],
		.id = a->id,
		.recipient = STORE_ALL,
		.now_ms = clock_now_ms(),
	};
	if (m.action == ACTION_RETRY)
		schedule_trust_nothing(a->schedule);
	a->request.done = on_acted;
	a->request.context = a;
	desk_commit(a->desk, &a->request);
	return true;
}

/* --- a body --- */

static void
run_body(struct store *store, struct desk_call *call)
{
	struct admin *a = call->context;

	a->body = store_body(store, &a->id);
}

static void
on_body(struct desk_call *call)
{
	struct admin *a = call->context;

	if (a->body < 0) {
		say_done(a, 1, "no such message", -1);
	} else {
		say_done(a, 0, "", a->body);
		close(a->body);
	}
	finish(a);
}

static bool
on_ask_body(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct admin       *a = context;
	struct msg_ask_body m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	if (!msg_ask_body_read(frame, &m) || !id_read(m.id, &a->id))
		return false;
	a->is_busy = true;
	a->call = (struct desk_call){ .run = run_body, .done = on_body,
		.context = a };
	desk_run(a->desk, &a->call);
	return true;
}

/* --- the connection --- */

static bool
is_free(void *context)
{
	return !((struct admin *)context)->is_busy;
}

static const struct peer_permit permits[] = {
	{ MSG_ASK_ROWS, is_free, on_ask_rows, 0 },
	{ MSG_ASK_ACTION, is_free, on_ask_action, 0 },
	{ MSG_ASK_BODY, is_free, on_ask_body, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	struct admin *a = context;

	(void)why;
	peer_close(peer);
	a->peer = NULL;
	if (!a->is_busy) {
		arena_finish(&a->arena);
		free(a);
	}
}

void
admin_add(
    uv_loop_t *loop, struct desk *desk, struct schedule *schedule, int socket)
{
	struct admin *a = calloc(1, sizeof *a);

	if (a) {
		a->desk = desk;
		a->schedule = schedule;
		arena_init(&a->arena, ARENA_MAX);
		a->peer = peer_open(loop, socket, permits,
		    sizeof permits / sizeof permits[0], on_gone, a);
	}
	if (a == NULL || a->peer == NULL) {
		log_text("no memory for the administrator's questions");
		close(socket);
		free(a);
	}
}
