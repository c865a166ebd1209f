#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/output.h"
#include "ampel/queue_door.h"
#include "ampel/queue_shape.h"
#include "base/buf.h"
#include "base/printable.h"
#include "io/clock.h"
#include "io/file.h"
#include "mail/date.h"
#include "mail/id.h"

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

/* Of one message: until another begins. */
static bool
show_row(const struct msg_row *row, void *context)
{
	struct listing *l = context;
	struct id       id = row_id(row);
	struct buf      line;

	if (l->only && !id_equal(l->only, &id))
		return false;
	l->n++;
	buf_init(&line, FRAME_MAX);
	if (l->json)
		add_json_row(&line, row);
	else
		add_text_row(&line, row);
	puts(buf_string(&line));
	buf_finish(&line);
	return true;
}

/* --- the words behind "queue" --- */

static int
do_list(struct queue_door *d, const struct command *c, const struct id *id)
{
	struct listing l = { .json = c->json, .only = id };
	int            code = queue_door_rows(d, id, show_row, &l);

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
static bool
shape_row(const struct msg_row *row, void *context)
{
	struct shaping *s = context;
	uint64_t        age_ms = 0;

	if (row->state == ROW_HELD)
		return true;
	if (s->now_ms > row->arrival_ms)
		age_ms = s->now_ms - row->arrival_ms;
	s->failed = !queue_shape_add(&s->shape, row->address, age_ms);
	return !s->failed;
}

static int
do_shape(struct queue_door *d, const struct command *c)
{
	struct shaping s = { .now_ms = clock_now_ms() };
	int            code = queue_door_rows(d, NULL, shape_row, &s);

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
	code = queue_door_ask(d, &frame, &fd);
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
	code = queue_door_ask(d, &frame, &fd);
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
	code = queue_door_open(config, &d);
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
	queue_door_close(&d);
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
