#include "lookup/tables.h"

#include <stdlib.h>

#include "io/log.h"
#include "lookup/reading.h"
#include "lookup/watch.h"

enum {
	LOOK_EVERY_MS = 1000,
	LOOK_SOON_MS = 50, /* strangers who guess names cost a few stat(2) */
	ERROR_MAX = 64 * 1024,
};

struct tables {
	struct reading *reading;
	struct watch    watch;
	uint64_t        looked_ms;
};

struct tables *
tables_open(const struct config *config, struct buf *error)
{
	struct tables *t = calloc(1, sizeof *t);

	if (t == NULL) {
		buf_add_string(error, "no memory");
		return NULL;
	}
	t->reading = reading_of(config, &t->watch, error);
	if (t->reading == NULL) {
		tables_close(t);
		return NULL;
	}
	return t;
}

void
tables_close(struct tables *t)
{
	if (t == NULL)
		return;
	reading_free(t->reading);
	watch_finish(&t->watch);
	free(t);
}

static void
log_mistakes(struct bytes text)
{
	struct bytes line;

	while (bytes_split(&text, '\n', &line))
		log_text("%.*s", BYTES_ARG(line));
	log_text("users and aliases stay as they were before");
}

/* The files are not what they were: read them. True: they are good. */
static bool
read_again(struct tables *t, const struct config *config)
{
	struct reading *fresh;
	struct watch    watch = { 0 };
	struct buf      error;

	buf_init(&error, ERROR_MAX);
	fresh = reading_of(config, &watch, &error);
	/* watched from now on is the broken state: it is said once */
	watch_finish(&t->watch);
	t->watch = watch;
	if (fresh == NULL) {
		log_mistakes(buf_bytes(&error));
	} else {
		reading_free(t->reading);
		t->reading = fresh;
	}
	buf_finish(&error);
	return fresh != NULL;
}

static bool
look(struct tables *t, const struct config *config, uint64_t now_ms,
    uint64_t every_ms)
{
	if (now_ms - t->looked_ms < every_ms)
		return false;
	t->looked_ms = now_ms;
	return watch_has_changed(&t->watch) && read_again(t, config);
}

bool
tables_refresh(struct tables *t, const struct config *config, uint64_t now_ms)
{
	return look(t, config, now_ms, LOOK_EVERY_MS);
}

bool
tables_refresh_soon(
    struct tables *t, const struct config *config, uint64_t now_ms)
{
	return look(t, config, now_ms, LOOK_SOON_MS);
}

const struct directory *
tables_directory(const struct tables *t)
{
	return t->reading->directory;
}
