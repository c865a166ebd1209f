#include "queue/flight.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue/forward.h"

enum { ARENA_MAX = 32 * 1024 * 1024 };

/* The random bits of an id are its hash. */
static size_t
bucket_of(const struct id *id, uint32_t recipient)
{
	uint32_t hash;

	memcpy(&hash, id->bits + ID_BITS - sizeof hash, sizeof hash);
	return (hash + recipient) % FLIGHT_BUCKETS;
}

static bool
is_it(const struct flight *f, const struct id *id, uint32_t recipient)
{
	return f->lease.recipient == recipient && id_equal(&f->lease.id, id);
}

struct flight *
flight_new(struct flight_table *t, const struct id *id, uint32_t recipient)
{
	struct flight  *f = calloc(1, sizeof *f);
	struct flight **bucket = &t->buckets[bucket_of(id, recipient)];

	if (f == NULL)
		return NULL;
	f->lease.id = *id;
	f->lease.recipient = recipient;
	f->body = -1;
	flight_ring_init(f);
	arena_init(&f->arena, ARENA_MAX);
	f->next_in_table = *bucket;
	*bucket = f;
	t->n++;
	return f;
}

struct flight *
flight_find(
    const struct flight_table *t, const struct id *id, uint32_t recipient)
{
	struct flight *f = t->buckets[bucket_of(id, recipient)];

	while (f && !is_it(f, id, recipient))
		f = f->next_in_table;
	return f;
}

void
flight_free(struct flight_table *t, struct flight *f)
{
	struct flight **at =
	    &t->buckets[bucket_of(&f->lease.id, f->lease.recipient)];

	while (*at != f)
		at = &(*at)->next_in_table;
	*at = f->next_in_table;
	t->n--;
	flight_ring_leave(f);
	if (f->body >= 0)
		close(f->body);
	if (f->leases && --f->leases->users == 0)
		desk_leases_release(f->leases);
	forward_free(f->forward);
	arena_finish(&f->arena);
	free(f);
}

void
flight_ring_init(struct flight *head)
{
	head->next = head->before = head;
}

void
flight_ring_add(struct flight *head, struct flight *f)
{
	flight_ring_leave(f);
	f->next = head;
	f->before = head->before;
	f->before->next = f;
	head->before = f;
}

struct flight *
flight_ring_first(struct flight *head)
{
	return head->next == head ? NULL : head->next;
}

void
flight_ring_leave(struct flight *f)
{
	f->before->next = f->next;
	f->next->before = f->before;
	flight_ring_init(f);
}
