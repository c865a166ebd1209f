/*
 * Print the notification that standard input describes, a value in hexadecimal on each
 * line behind its name: "to 6140782e6f7267". A line "recipient" begins the next one.
 * For tests/e2e/test_dsn_format.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proto/dsn.h"

enum { RECIPIENTS = 150, LINE_SIZE = 400 * 1024 };

struct input {
	struct dsn           dsn;
	struct dsn_recipient recipients[RECIPIENTS];
	struct arena         arena;
};

static struct bytes
value_of(struct arena *arena, const char *hex)
{
	size_t n = strlen(hex) / 2;
	char  *p = arena_alloc(arena, n + 1);

	for (size_t i = 0; p && i < n; i++) {
		unsigned byte = 0;

		sscanf(hex + 2 * i, "%2x", &byte);
		p[i] = (char)byte;
	}
	return (struct bytes){ p, n };
}

static uint64_t
number_of(struct bytes value)
{
	char text[32];

	return bytes_to_string(value, text, sizeof text) ?
	    strtoull(text, NULL, 10) : 0;
}

static bool
set_bytes(struct input *in, struct dsn_recipient *r, const char *name,
    struct bytes value)
{
	const struct {
		const char   *name;
		struct bytes *to;
	} fields[] = {
		{ "hostname", &in->dsn.hostname },
		{ "to", &in->dsn.to },
		{ "reverse_path", &in->dsn.reverse_path },
		{ "envid", &in->dsn.envid },
		{ "original", &in->dsn.original },
		{ "address", &r->address },
		{ "orcpt", &r->orcpt },
		{ "text", &r->outcome.text },
		{ "host", &r->outcome.host },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (strcmp(fields[i].name, name) == 0) {
			*fields[i].to = value;
			return true;
		}
	return false;
}

static void
set_number(struct input *in, struct dsn_recipient *r, const char *name,
    struct bytes value)
{
	const uint64_t n = number_of(value);

	if (strcmp(name, "id") == 0)
		id_parse(value, &in->dsn.id);
	else if (strcmp(name, "status") == 0)
		status_parse(value, &r->outcome.status);
	else if (strcmp(name, "is_double") == 0)
		in->dsn.is_double = n;
	else if (strcmp(name, "ret") == 0)
		in->dsn.ret = (enum envelope_ret)n;
	else if (strcmp(name, "smtputf8") == 0)
		in->dsn.smtputf8 = n;
	else if (strcmp(name, "original_size") == 0)
		in->dsn.original_size = n;
	else if (strcmp(name, "action") == 0)
		r->action = (enum dsn_action)n;
	else if (strcmp(name, "is_reply") == 0)
		r->outcome.is_reply = n;
	else if (strcmp(name, "until") == 0)
		r->will_retry_until_ms = n;
	else if (strcmp(name, "attempt") == 0)
		r->last_attempt_ms = n;
}

static void
read_line(struct input *in, char *line)
{
	struct dsn_recipient *r;
	struct bytes          value;
	char                 *blank = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "recipient") == 0 && in->dsn.n_recipients < RECIPIENTS)
		in->dsn.n_recipients++;
	if (blank == NULL || in->dsn.n_recipients == 0)
		return;
	*blank = '\0';
	r = &in->recipients[in->dsn.n_recipients - 1];
	value = value_of(&in->arena, blank + 1);
	if (!set_bytes(in, r, line, value))
		set_number(in, r, line, value);
}

int
main(void)
{
	static struct input in;
	static char         line[LINE_SIZE];
	struct buf          out;
	bool                failed;

	arena_init(&in.arena, 64 * 1024 * 1024);
	in.dsn.recipients = in.recipients;
	in.dsn.now_ms = 1700003600000;
	in.dsn.arrival_ms = 1700000000000;
	while (fgets(line, sizeof line, stdin))
		read_line(&in, line);
	if (in.dsn.original_size == 0)
		in.dsn.original_size = in.dsn.original.n;
	buf_init(&out, DSN_SIZE_MAX);
	dsn_add(&out, &in.dsn);
	failed = out.failed;
	fwrite(out.p, 1, out.len, stdout);
	buf_finish(&out);
	arena_finish(&in.arena);
	return failed;
}
