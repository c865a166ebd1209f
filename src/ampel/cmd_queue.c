#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/ask.h"
#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/output.h"
#include "ampel/queue_shape.h"
#include "base/buf.h"
#include "base/printable.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "mail/date.h"
#include "mail/id.h"

enum { PAGE = 100 };

struct queue_door {
	int   socket;
	char *buffer; /* of FRAME_MAX bytes */
};

/* --- the conversation --- */

/* The queue itself, by way of the supervisor. 0, or the exit code, said why. */
static int
open_door(const struct config *config, struct queue_door *d)
{
	int             fds[FRAME_DESCRIPTORS], code = EX_LATER;
	int             supervisor = ask_connect(config, NULL);
	struct bytes    frame;
	struct msg_done m;

	if (supervisor < 0) {
		fprintf(stderr, "ampel: the server does not run (%s)\n",
		    strerror(errno));
		return EX_ABSENT;
	}
	d->buffer = malloc(FRAME_MAX);
	d->socket = -1;
	if (d->buffer && ask_send(supervisor, VERB_QUEUE, NULL, 0) &&
	    ask_receive(supervisor, d->buffer, &frame, fds) &&
	    msg_done_read(frame, &m)) {
		d->socket = fds[0];
		code = m.exit_code;
		if (code)
			fprintf(stderr, "ampel: %.*s\n", BYTES_ARG(m.text));
	}
	close(supervisor);
	return d->socket >= 0 ? EX_GOOD : code ? code : EX_LATER;
}

static void
close_door(struct queue_door *d)
{
	free(d->buffer);
	if (d->socket >= 0)
		close(d->socket);
}

/* Send a frame, read its DONE and show what it says. *fd is the descriptor that came, or -1. */
static int
ask_done(struct queue_door *d, const struct buf *frame, int *fd)
{
	int             fds[FRAME_DESCRIPTORS];
	struct bytes    answer;
	struct msg_done m;

	*fd = -1;
	if (!peer_send_blocking(d->socket, buf_bytes(frame), NULL, 0) ||
	    !ask_receive(d->socket, d->buffer, &answer, fds) ||
	    !msg_done_read(answer, &m)) {
		fprintf(stderr, "ampel: the queue ended meanwhile\n");
		return EX_LATER;
	}
	*fd = fds[0];
	if (m.exit_code)
		fprintf(stderr, "ampel: %.*s\n", BYTES_ARG(m.text));
	else if (m.text.n > 0)
		printf("%.*s\n", BYTES_ARG(m.text));
	return m.exit_code;
}

/* --- rows --- */

typedef void row_shown(const struct msg_row *row, void *context);

/* One page behind *after, which moves on. The number of rows, -1 at an error. */
static int
read_page(struct queue_door *d, struct buf *after, row_shown *show,
    void *context)
{
	struct msg_ask_rows ask = { buf_bytes(after), PAGE };
	int                 fds[FRAME_DESCRIPTORS], n = 0;
	struct bytes        answer;
	struct msg_done     done;
	struct msg_row      row;
	struct buf          frame;
	bool                sent;

	buf_init(&frame, FRAME_MAX);
	msg_ask_rows_add(&frame, &ask);
	sent = peer_send_blocking(d->socket, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	if (!sent)
		return -1;
	while (ask_receive(d->socket, d->buffer, &answer, fds)) {
		if (msg_done_read(answer, &done))
			return n;
		if (!msg_row_read(answer, &row))
			return -1;
		buf_clear(after);
		buf_add_bytes(after, row.id);
		frame_add_u32(after, row.recipient);
		show(&row, context);
		n++;
	}
	return -1;
}

static int
for_each_row(struct queue_door *d, row_shown *show, void *context)
{
	struct buf after;
	int        n;

	buf_init(&after, 64);
	while ((n = read_page(d, &after, show, context)) == PAGE)
		;
	buf_finish(&after);
	if (n >= 0)
		return EX_GOOD;
	fprintf(stderr, "ampel: the queue ended meanwhile\n");
	return EX_LATER;
}

static const char *
state_name(uint8_t state)
{
	static const char *const names[] = {
		[ROW_QUEUED] = "queued",
		[ROW_ACTIVE] = "active",
		[ROW_HELD] = "held",
	};

	return state <= ROW_HELD ? names[state] : "?";
}

static struct id
row_id(const struct msg_row *row)
{
	struct id id = { { 0 } };

	id_read(row->id, &id);
	return id;
}

static void
add_json_row(struct buf *b, const struct msg_row *row)
{
	struct id id = row_id(row);

	buf_addf(b, "{\"id\":\"%s\",\"recipient\":", id_text(&id).p);
	output_json(b, row->address);
	buf_add_string(b, ",\"from\":");
	output_json(b, row->reverse_path);
	buf_addf(b, ",\"size\":%llu,\"state\":\"%s\",\"attempts\":%u,",
	    (unsigned long long)row->size, state_name(row->state),
	    row->attempts);
	buf_add_string(b, "\"arrived\":\"");
	date_add_rfc3339(b, row->arrival_ms);
	buf_add_string(b, "\",\"due\":\"");
	date_add_rfc3339(b, row->due_ms);
	buf_add_string(b, "\",\"text\":");
	output_json(b, row->text);
	buf_add_char(b, '}');
}

static void
add_text_row(struct buf *b, const struct msg_row *row)
{
	struct id id = row_id(row);

	buf_addf(b, "%s %-6s ", id_text(&id).p, state_name(row->state));
	date_add_rfc3339(b, row->arrival_ms);
	buf_addf(b, " %8llu <", (unsigned long long)row->size);
	printable_add(b, row->reverse_path, 256);
	buf_add_string(b, "> <");
	printable_add(b, row->address, 256);
	buf_add_char(b, '>');
	if (row->text.n > 0) {
		buf_add_string(b, " ");
		printable_add(b, row->text, 512);
	}
}

struct listing {
	bool             json;
	const struct id *only; /* NULL: all */
	size_t           n;
};

static void
show_row(const struct msg_row *row, void *context)
{
	struct listing *l = context;
	struct id       id = row_id(row);
	struct buf      line;

	if (l->only && !id_equal(l->only, &id))
		return;
	l->n++;
	buf_init(&line, FRAME_MAX);
	if (l->json)
		add_json_row(&line, row);
	else
		add_text_row(&line, row);
	puts(buf_string(&line));
	buf_finish(&line);
}

/* --- the words behind "queue" --- */

static int
do_list(struct queue_door *d, const struct command *c, const struct id *id)
{
	struct listing l = { .json = c->json, .only = id };
	int            code = for_each_row(d, show_row, &l);

	if (code == EX_GOOD && l.n == 0 && !c->json && id == NULL)
		puts("the queue is empty");
	if (code == EX_GOOD && l.n == 0 && id) {
		fprintf(stderr, "ampel: no such message\n");
		return EX_BAD;
	}
	return code;
}

struct shaping {
	struct queue_shape shape;
	uint64_t           now_ms;
	bool               failed;
};

/* What is held waits for nobody but the administrator. */
static void
shape_row(const struct msg_row *row, void *context)
{
	struct shaping *s = context;
	uint64_t        age_ms = 0;

	if (row->state == ROW_HELD || s->failed)
		return;
	if (s->now_ms > row->arrival_ms)
		age_ms = s->now_ms - row->arrival_ms;
	s->failed = !queue_shape_add(&s->shape, row->address, age_ms);
}

static int
do_shape(struct queue_door *d, const struct command *c)
{
	struct shaping s = { .now_ms = clock_now_ms() };
	int            code = for_each_row(d, shape_row, &s);

	if (s.failed)
		code = output_complain(EX_LATER, "the shape", "no memory");
	if (code == EX_GOOD)
		queue_shape_print(&s.shape, c->json);
	queue_shape_finish(&s.shape);
	return code;
}

static int
do_cat(struct queue_door *d, const struct id *id)
{
	struct msg_ask_body m = { id_bytes(id) };
	struct buf          frame;
	char                piece[8 * 1024];
	ssize_t             n = 0;
	off_t               at = 0;
	int                 fd, code;

	buf_init(&frame, FRAME_MAX);
	msg_ask_body_add(&frame, &m);
	code = ask_done(d, &frame, &fd);
	buf_finish(&frame);
	if (fd < 0)
		return code ? code : EX_BAD;
	while ((n = pread(fd, piece, sizeof piece, at)) > 0) {
		at += n;
		if (file_write_all(STDOUT_FILENO,
		        (struct bytes){ piece, (size_t)n }) != 0)
			break;
	}
	if (n != 0) {
		fprintf(stderr, "ampel: %s\n", strerror(errno));
		code = EX_BAD;
	}
	close(fd);
	return code;
}

/* Without an id: on all messages. */
static int
do_action(struct queue_door *d, enum queue_action action, const struct id *id)
{
	struct msg_ask_action m = { (uint8_t)action,
		id ? id_bytes(id) : BYTES("") };
	struct buf            frame;
	int                   fd, code;

	buf_init(&frame, FRAME_MAX);
	msg_ask_action_add(&frame, &m);
	code = ask_done(d, &frame, &fd);
	buf_finish(&frame);
	if (fd >= 0)
		close(fd);
	return code;
}

static const struct {
	const char       *word;
	enum { LIST, SHAPE, SHOW, CAT, ACT } what;
	enum queue_action action;
	int               args;
} words[] = {
	{ "list", LIST, 0, 0 },
	{ "shape", SHAPE, 0, 0 },
	{ "show", SHOW, 0, 1 },
	{ "cat", CAT, 0, 1 },
	{ "hold", ACT, ACTION_HOLD, 1 },
	{ "release", ACT, ACTION_RELEASE, 1 },
	{ "retry", ACT, ACTION_RETRY, 0 },
	{ "retry", ACT, ACTION_RETRY, 1 },
	{ "remove", ACT, ACTION_REMOVE, 1 },
};

static int
run_word(const struct command *c, size_t w, const struct id *id)
{
	struct config    *config = config_load_or_say(c->config_file);
	struct queue_door d = { .socket = -1 };
	int               code;

	if (config == NULL)
		return EX_CONFIG_BAD;
	code = open_door(config, &d);
	config_free(config);
	if (code == EX_GOOD)
		switch (words[w].what) {
		case LIST:
			code = do_list(&d, c, NULL);
			break;
		case SHAPE:
			code = do_shape(&d, c);
			break;
		case SHOW:
			code = do_list(&d, c, id);
			break;
		case CAT:
			code = do_cat(&d, id);
			break;
		case ACT:
			code = do_action(&d, words[w].action, id);
			break;
		}
	close_door(&d);
	return code;
}

int
cmd_queue(const struct command *c)
{
	struct id id;

	for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
		if (c->argc != 1 + words[w].args ||
		    strcmp(c->argv[0], words[w].word) != 0)
			continue;
		if (words[w].args == 1 && !id_parse(bytes_of(c->argv[1]), &id)) {
			fprintf(stderr, "ampel: %s: no message id (26 "
			    "characters)\n", c->argv[1]);
			return EX_MISUSE;
		}
		return run_word(c, w, words[w].args == 1 ? &id : NULL);
	}
	fprintf(stderr, "usage: ampel queue list | shape | retry | "
	    "show|cat|hold|release|retry|remove ID\n");
	return EX_MISUSE;
}
