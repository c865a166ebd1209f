#include "service/event.h"

#include "base/number.h"
#include "base/printable.h"
#include "io/log.h"

enum { VALUE_MAX = 512 };

struct event
event_begin(const char *name, const struct id *id)
{
	struct event e = { .whole = 0 };

	buf_init(&e.line, LOG_LINE_MAX - 1); /* and its LF */
	if (id)
		buf_addf(&e.line, "id=%s ", id_text(id).p);
	buf_addf(&e.line, "ev=%s", name);
	e.whole = e.line.len;
	return e;
}

static void
add_key(struct event *e, const char *key)
{
	buf_add_char(&e->line, ' ');
	buf_add_string(&e->line, key);
	buf_add_char(&e->line, '=');
}

static void
end_field(struct event *e)
{
	if (!e->line.failed)
		e->whole = e->line.len;
}

void
event_text(struct event *e, const char *key, struct bytes value)
{
	add_key(e, key);
	printable_add_value(&e->line, value, VALUE_MAX);
	end_field(e);
}

void
event_path(struct event *e, const char *key, struct bytes value)
{
	struct buf path;

	buf_init(&path, VALUE_MAX);
	buf_add_char(&path, '<');
	printable_add(&path, value, VALUE_MAX - 2);
	buf_add_char(&path, '>');
	event_text(e, key, buf_bytes(&path));
	buf_finish(&path);
}

void
event_number(struct event *e, const char *key, uint64_t value)
{
	add_key(e, key);
	buf_add_number(&e->line, value);
	end_field(e);
}

void
event_milli(struct event *e, const char *key, int64_t milli)
{
	add_key(e, key);
	number_add_milli(&e->line, milli);
	end_field(e);
}

void
event_status(struct event *e, const char *key, struct status status)
{
	add_key(e, key);
	status_add(&e->line, status);
	end_field(e);
}

void
event_end(struct event *e)
{
	log_line(bytes_first(buf_bytes(&e->line), e->whole));
	buf_finish(&e->line);
}
