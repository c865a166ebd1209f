#include "queue/body_cache.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* The end of an id is random; where it is not, chains only get longer. */
static int
chain_of(const struct id *id)
{
	return id->bits[ID_BITS - 1] % BODY_CACHE_FILES;
}

static int
following(int place)
{
	return (place + 1) % BODY_CACHE_FILES;
}

static int
find(const struct body_cache *c, const struct id *id)
{
	int at = c->chains[chain_of(id)];

	while (at != -1 && !id_equal(&c->files[at].id, id))
		at = c->files[at].next;
	return at;
}

static void
drop_at(struct body_cache *c, int at)
{
	struct body_cache_file *file = &c->files[at];
	int                    *link = &c->chains[chain_of(&file->id)];

	if (file->fd == -1)
		return;
	while (*link != at)
		link = &c->files[*link].next;
	*link = file->next;
	close(file->fd);
	file->fd = -1;
	c->size_bytes -= file->size_bytes;
}

void
body_cache_init(struct body_cache *c)
{
	*c = (struct body_cache){ .next = 0 };
	for (size_t i = 0; i < BODY_CACHE_FILES; i++) {
		c->files[i].fd = -1;
		c->chains[i] = -1;
	}
}

void
body_cache_finish(struct body_cache *c)
{
	for (int i = 0; i < BODY_CACHE_FILES; i++)
		drop_at(c, i);
}

/* The oldest goes until n more bytes fit. */
static void
make_room(struct body_cache *c, uint64_t n)
{
	while (c->size_bytes > 0 && c->size_bytes + n > BODY_CACHE_BYTES) {
		drop_at(c, c->oldest);
		c->oldest = following(c->oldest);
	}
}

void
body_cache_add(
    struct body_cache *c, const struct id *id, int fd, uint64_t size_bytes)
{
	struct body_cache_file *file = &c->files[c->next];
	int                     copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy == -1)
		return;
	drop_at(c, c->next);
	if (c->oldest == c->next)
		c->oldest = following(c->next);
	make_room(c, size_bytes);
	*file = (struct body_cache_file){ *id, copy, size_bytes,
		c->chains[chain_of(id)] };
	c->chains[chain_of(id)] = c->next;
	c->size_bytes += size_bytes;
	c->next = following(c->next);
}

int
body_cache_get(const struct body_cache *c, const struct id *id)
{
	int at = find(c, id);

	return at == -1 ? -1 : fcntl(c->files[at].fd, F_DUPFD_CLOEXEC, 0);
}

void
body_cache_drop(struct body_cache *c, const struct id *id)
{
	int at = find(c, id);

	if (at != -1)
		drop_at(c, at);
}
