#include "hiq/environment.h"

#include "base/buf.h"

enum { OURS_MAX = 16, VALUE_MAX = 4096, WORDS_MAX = 64 };
enum { VARIABLES_MAX = OURS_MAX + ENVIRONMENT_CALLER_MAX };

struct environment {
	struct arena *arena;
	const char  **list;
	size_t        n;
	bool          failed;
};

static bool
has(const struct environment *e, const char *name)
{
	struct bytes rest;

	for (size_t i = 0; i < e->n; i++) {
		rest = bytes_of(e->list[i]);
		if (bytes_start(rest, bytes_of(name)) &&
		    rest.p[bytes_of(name).n] == '=')
			return true;
	}
	return false;
}

/* "NAME=VALUE". A value with a NUL cannot be told and is cut there. */
static void
set(struct environment *e, const char *name, struct bytes value, size_t max)
{
	struct buf b;

	value = bytes_first(value, bytes_find(value, '\0'));
	if (value.n > max || e->n == VARIABLES_MAX || has(e, name))
		return;
	buf_init(&b, max + 64);
	buf_add_string(&b, name);
	buf_add_char(&b, '=');
	buf_add_bytes(&b, value);
	e->list[e->n] = arena_string(e->arena, buf_bytes(&b));
	if (b.failed || e->list[e->n] == NULL)
		e->failed = true;
	else
		e->n++;
	buf_finish(&b);
}

static void
set_known(struct environment *e, const char *name, struct bytes value)
{
	if (value.n > 0)
		set(e, name, value, VALUE_MAX);
}

static void
set_recipients(struct environment *e, const struct envelope *envelope)
{
	struct buf b;

	buf_init(&b, ENVIRONMENT_RECIPIENTS_MAX);
	for (size_t i = 0; i < envelope->n_recipients; i++) {
		struct bytes address = envelope->recipients[i].address;

		if (b.len + 1 + address.n > ENVIRONMENT_RECIPIENTS_MAX)
			break;
		if (i > 0)
			buf_add_char(&b, ' ');
		buf_add_bytes(&b, address);
	}
	if (b.failed)
		e->failed = true;
	set(e, "RECIPIENTS", buf_bytes(&b), ENVIRONMENT_RECIPIENTS_MAX);
	buf_finish(&b);
}

const char *const *
environment_of(struct arena *arena, const struct envelope *envelope,
    const char *const *caller)
{
	struct environment e = { .arena = arena };
	struct id_text     id = id_text(&envelope->id);

	e.list = arena_alloc(arena, (VARIABLES_MAX + 1) * sizeof *e.list);
	if (e.list == NULL)
		return NULL;
	for (; caller && *caller && e.n < ENVIRONMENT_CALLER_MAX; caller++)
		e.list[e.n++] = *caller;
	set(&e, "PATH", BYTES("/usr/local/bin:/usr/bin:/bin"), VALUE_MAX);
	set(&e, "AMPEL_ID", bytes_of(id.p), VALUE_MAX);
	set(&e, "SENDER", envelope->reverse_path, VALUE_MAX);
	set_recipients(&e, envelope);
	set_known(&e, "AMPEL_LISTENER", envelope->listener);
	set_known(&e, "AMPEL_HELO", envelope->helo);
	if (envelope->peer_address.n > 0)
		set(&e, "PROTO", BYTES("TCP"), VALUE_MAX);
	set_known(&e, "TCPREMOTEIP", envelope->peer_address);
	set_known(&e, "TCPREMOTEHOST", envelope->peer_name);
	return e.failed ? NULL : e.list;
}

const char *const *
environment_argv(struct arena *arena, struct bytes command)
{
	const char **list = arena_alloc(arena, (WORDS_MAX + 1) * sizeof *list);
	struct bytes word;
	size_t       n = 0;

	if (list == NULL)
		return NULL;
	while (bytes_split(&command, ' ', &word)) {
		word = bytes_trim(word);
		if (word.n == 0)
			continue;
		if (n == WORDS_MAX)
			return NULL;
		list[n] = arena_string(arena, word);
		if (list[n++] == NULL)
			return NULL;
	}
	return n > 0 ? list : NULL;
}
