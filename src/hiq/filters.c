#include "hiq/filters.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 * 1024 * 1024 };

/* p NULL, and n 0, when there was no memory. */
static struct bytes_list
copy_list(struct arena *arena, struct bytes_list list)
{
	struct bytes *v = arena_alloc(arena, (list.n + 1) * sizeof *v);

	for (size_t i = 0; v && i < list.n; i++) {
		v[i] = arena_copy(arena, list.v[i]);
		if (v[i].p == NULL)
			v = NULL;
	}
	return (struct bytes_list){ v, v ? list.n : 0 };
}

static struct endpoint_list
copy_endpoints(struct arena *arena, struct endpoint_list list)
{
	struct endpoint *v = arena_alloc(arena, (list.n + 1) * sizeof *v);

	for (size_t i = 0; v && i < list.n; i++) {
		/* Parsed anew, so that host lies in the copy of the text. */
		struct bytes text = arena_copy(arena, list.v[i].text);

		if (text.p == NULL || !endpoint_parse(text, &v[i]))
			v = NULL;
	}
	return (struct endpoint_list){ v, v ? list.n : 0 };
}

static bool
copy_filter(struct arena *arena, const struct config_filter *from,
    struct config_filter *to)
{
	*to = *from;
	to->name = arena_copy(arena, from->name);
	to->program = arena_copy(arena, from->program);
	to->spamd = copy_endpoints(arena, from->spamd);
	to->listeners = copy_list(arena, from->listeners);
	return to->name.p && to->program.p && to->spamd.v && to->listeners.v;
}

static bool
copy_all(struct filters *f, const struct config *config)
{
	f->hostname = arena_copy(&f->arena, config->hostname);
	f->contact = arena_copy(&f->arena, config->contact);
	f->n = config->n_filter;
	f->list = arena_alloc(&f->arena, (f->n + 1) * sizeof *f->list);
	if (f->hostname.p == NULL || f->contact.p == NULL || f->list == NULL)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (!copy_filter(&f->arena, &config->filter[i], &f->list[i]))
			return false;
	return true;
}

struct filters *
filters_of(const struct config *config, const char *scratch)
{
	struct filters *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	arena_init(&f->arena, ARENA_MAX);
	f->holders = 1;
	f->scratch = scratch;
	f->deadline_ms = config->filter_deadline_ms;
	f->concurrency = config->filter_concurrency;
	f->message_max = config->message_size < UINT64_MAX - MESSAGE_ROOM ?
	    config->message_size + MESSAGE_ROOM : UINT64_MAX;
	if (copy_all(f, config))
		return f;
	filters_release(f);
	return NULL;
}

struct filters *
filters_hold(struct filters *f)
{
	f->holders++;
	return f;
}

void
filters_release(struct filters *f)
{
	if (f == NULL || --f->holders > 0)
		return;
	arena_finish(&f->arena);
	free(f);
}
