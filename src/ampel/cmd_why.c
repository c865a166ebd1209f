/*
 * ampel why ID: the story of one message, from the log and from the queue.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/output.h"
#include "ampel/queue_door.h"
#include "ampel/story.h"
#include "base/printable.h"
#include "mail/date.h"
#include "mail/id.h"
#include "mail/paths.h"
#include "proto/log_line.h"

enum {
	LINE_MAX_BYTES = 16 * 1024,
	TOLD_MAX = 32 * 1024,
	VALUE_MAX_SHOWN = 1024,
};

static const char syslog_file[] = "/var/log/mail.log";

struct story {
	struct id id;
	char      text[ID_TEXT + 1];
	bool      json;
	size_t    n; /* what was told */
};

/* --- the log --- */

static void
tell(struct story *s, const struct log_line *line)
{
	struct buf told;

	s->n++;
	buf_init(&told, TOLD_MAX);
	if (s->json) {
		story_add_json(&told, line);
	} else {
		buf_add_bytes(&told, line->time);
		buf_add_string(&told, line->time.n > 0 ? "  " : "");
		story_add(&told, line);
	}
	puts(buf_string(&told));
	buf_finish(&told);
}

/* It is about the message; or the message is what another one caused. */
static bool
is_about(const struct story *s, const struct log_line *line)
{
	return bytes_equal(log_line_get(line, "id"), bytes_of(s->text)) ||
	    bytes_equal(log_line_get(line, "new"), bytes_of(s->text));
}

static void
read_log(struct story *s, FILE *log)
{
	static char     text[LINE_MAX_BYTES];
	struct log_line line;

	while (fgets(text, sizeof text, log)) {
		struct bytes whole = bytes_of(text);

		if (whole.n > 0 && whole.p[whole.n - 1] == '\n')
			whole.n--;
		if (strstr(text, s->text) && log_line_read(whole, &line) &&
		    is_about(s, &line))
			tell(s, &line);
	}
}

/* A file that is not there has nothing to tell; *mistake keeps what else is wrong. */
static void
read_file(struct story *s, const char *path, int *mistake)
{
	FILE *log = fopen(path, "re");

	if (log == NULL) {
		if (errno != ENOENT)
			*mistake = output_complain(
			    EX_BAD, path, strerror(errno));
		return;
	}
	read_log(s, log);
	if (ferror(log))
		*mistake = output_complain(EX_BAD, path, strerror(errno));
	fclose(log);
}

/* The file before the last rotation, then the file. */
static int
read_files(struct story *s, struct bytes path)
{
	char name[PATHS_MAX + 2];
	int  mistake = EX_GOOD;

	snprintf(name, sizeof name, "%.*s.1", BYTES_ARG(path));
	read_file(s, name, &mistake);
	snprintf(name, sizeof name, "%.*s", BYTES_ARG(path));
	read_file(s, name, &mistake);
	return mistake;
}

static int
read_logs(struct story *s, const struct config *config, const char *named)
{
	char path[PATHS_MAX];

	if (named && strcmp(named, "-") == 0) {
		read_log(s, stdin);
		return EX_GOOD;
	}
	if (named)
		return read_files(s, bytes_of(named));
	if (bytes_equal(config->log, BYTES("syslog")))
		return read_files(s, bytes_of(syslog_file));
	if (!bytes_equal(config->log, BYTES("stderr")))
		return read_files(s, config->log);
	/* a server in the background has put it there */
	if (paths_get(config, PATH_LOG, BYTES(""), path) && access(path, F_OK) == 0)
		return read_files(s, bytes_of(path));
	fprintf(stderr,
	    "ampel: the log goes to stderr; where it is kept says --log FILE, or: "
	    "journalctl -o short-iso -u ampel | ampel why %s --log -\n", s->text);
	return EX_GOOD;
}

/* --- the queue --- */

static void
add_row(struct buf *b, const struct msg_row *row)
{
	static const char *const words[] = {
		[ROW_QUEUED] = "waits",
		[ROW_ACTIVE] = "is on its way",
		[ROW_HELD] = "is held: an administrator has to release it",
	};

	buf_add_string(b, "now  <");
	printable_add(b, row->address, VALUE_MAX_SHOWN);
	buf_addf(b, "> %s", row->state <= ROW_HELD ? words[row->state] : "?");
	if (row->state == ROW_QUEUED) {
		buf_add_string(b, ", the next attempt is due ");
		date_add_rfc3339(b, row->due_ms);
	}
	buf_addf(b, ", attempts: %u", row->attempts);
	if (row->text.n > 0) {
		buf_add_string(b, ", the last: ");
		printable_add(b, row->text, VALUE_MAX_SHOWN);
	}
}

static void
add_json_row(struct buf *b, const struct story *s, const struct msg_row *row)
{
	static const char *const words[] = {
		[ROW_QUEUED] = "queued",
		[ROW_ACTIVE] = "active",
		[ROW_HELD] = "held",
	};

	buf_addf(b, "{\"id\":\"%s\",\"ev\":\"now\",\"rcpt\":", s->text);
	output_json(b, row->address);
	buf_addf(b, ",\"state\":\"%s\",\"attempts\":%u,\"due\":\"",
	    row->state <= ROW_HELD ? words[row->state] : "?", row->attempts);
	date_add_rfc3339(b, row->due_ms);
	buf_add_string(b, "\",\"why\":");
	output_json(b, row->text);
	buf_add_char(b, '}');
}

static bool
show_row(const struct msg_row *row, void *context)
{
	struct story *s = context;
	struct id     id;
	struct buf    told;

	if (!id_read(row->id, &id) || !id_equal(&id, &s->id))
		return false;
	s->n++;
	buf_init(&told, TOLD_MAX);
	if (s->json)
		add_json_row(&told, s, row);
	else
		add_row(&told, row);
	puts(buf_string(&told));
	buf_finish(&told);
	return true;
}

/* A server that does not run has said so; the log is a story too. */
static void
ask_queue(struct story *s, const struct config *config)
{
	struct queue_door d;
	size_t            before = s->n;

	if (queue_door_open(config, &d) == EX_GOOD &&
	    queue_door_rows(&d, &s->id, show_row, s) == EX_GOOD &&
	    s->n == before && s->n > 0 && !s->json)
		puts("now  nothing of it is in the queue");
	queue_door_close(&d);
}

static int
usage(void)
{
	fprintf(stderr, "usage: ampel why ID [--log FILE]\n");
	return EX_MISUSE;
}

int
cmd_why(const struct command *c)
{
	const char    *named = NULL;
	struct config *config;
	struct story   s = { .json = c->json };
	int            code;

	if (c->argc == 3 && strcmp(c->argv[1], "--log") == 0)
		named = c->argv[2];
	else if (c->argc != 1)
		return usage();
	if (!id_parse(bytes_of(c->argv[0]), &s.id)) {
		fprintf(stderr, "ampel: %s: no message id (26 characters)\n",
		    c->argv[0]);
		return EX_MISUSE;
	}
	memcpy(s.text, id_text(&s.id).p, sizeof s.text);
	config = config_load_or_say(c->config_file);
	if (config == NULL)
		return EX_CONFIG_BAD;
	code = read_logs(&s, config, named);
	ask_queue(&s, config);
	config_free(config);
	if (s.n == 0 && code == EX_GOOD) {
		fprintf(stderr, "ampel: nothing is known of it\n");
		code = EX_BAD;
	}
	return code;
}
