#include "deliver/environment.h"

#include <stddef.h>
#include <string.h>

enum { VARIABLES_MAX = 24, PARTS = 3 };

/* Those that a shell of an account has; nothing of ours. */
static const struct bytes path = BYTES_INIT("/usr/local/bin:/usr/bin:/bin");

struct list {
	struct arena *arena;
	const char  **v;
	size_t        n;
	bool          failed;
};

static void
add(struct list *l, struct bytes name, struct bytes value)
{
	char *text = arena_alloc(l->arena, name.n + value.n + 2);

	if (text == NULL || bytes_find(value, '\0') != value.n) {
		l->failed = true;
		return;
	}
	memcpy(text, name.p, name.n);
	text[name.n] = '=';
	if (value.n > 0)
		memcpy(text + name.n + 1, value.p, value.n);
	l->v[l->n++] = text;
}

/* HOST2 is HOST without its last label, HOST3 without one more, HOST4. */
static void
add_hosts(struct list *l, struct bytes host)
{
	static const struct bytes names[PARTS] = { BYTES_INIT("HOST2"),
		BYTES_INIT("HOST3"), BYTES_INIT("HOST4") };

	add(l, BYTES("HOST"), host);
	for (size_t i = 0; i < PARTS; i++) {
		host = bytes_first(host, bytes_find_last(host, '.'));
		add(l, names[i], host);
	}
}

/* EXT2 is what stands behind the first dash of EXT, EXT3 behind the second, EXT4. */
static void
add_extensions(struct list *l, struct bytes ext)
{
	static const struct bytes names[PARTS] = { BYTES_INIT("EXT2"),
		BYTES_INIT("EXT3"), BYTES_INIT("EXT4") };

	add(l, BYTES("EXT"), ext);
	for (size_t i = 0; i < PARTS; i++) {
		ext = bytes_from(ext, bytes_find(ext, '-') + 1);
		add(l, names[i], ext);
	}
}

const char *const *
environment_make(const struct environment *e, struct arena *arena)
{
	struct list l = {
		.arena = arena,
		.v = arena_alloc(arena, (VARIABLES_MAX + 1) * sizeof *l.v),
	};

	if (l.v == NULL)
		return NULL;
	add(&l, BYTES("PATH"), path);
	add(&l, BYTES("AMPEL_ID"), e->id);
	add(&l, BYTES("SENDER"), e->sender);
	add(&l, BYTES("NEWSENDER"), e->new_sender);
	add(&l, BYTES("RECIPIENT"), e->recipient);
	add(&l, BYTES("USER"), e->user);
	add(&l, BYTES("HOME"), e->home);
	add(&l, BYTES("LOCAL"), e->local);
	add_hosts(&l, e->host);
	add_extensions(&l, e->ext);
	if (e->has_default)
		add(&l, BYTES("DEFAULT"), e->matched);
	add(&l, BYTES("DTLINE"), bytes_of(e->trace->delivered_to));
	add(&l, BYTES("RPLINE"), bytes_of(e->trace->return_path));
	add(&l, BYTES("UFLINE"), bytes_of(e->trace->from_line));
	return l.failed ? NULL : l.v;
}
