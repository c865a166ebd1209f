#include "ampel/self_signed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "mail/paths.h"

enum { DAYS_LEAST = 30, FILE_MAX = 64 * 1024 };

struct place {
	char folder[PATHS_MAX], certificate[PATHS_MAX], key[PATHS_MAX];
};

static bool
find_place(const struct config *config, struct place *out)
{
	return paths_get(config, PATH_TLS, BYTES(""), out->folder) &&
	    paths_get(config, PATH_SELF_SIGNED, BYTES(""), out->certificate) &&
	    paths_get(config, PATH_SELF_SIGNED_KEY, BYTES(""), out->key);
}

static bool
read_pair(const struct place *place, uint64_t now_ms, struct key_pair *out,
    char *error, size_t size)
{
	return key_pair_read(out, bytes_of(place->certificate),
	    bytes_of(place->key), now_ms, error, size);
}

static bool
is_good(const struct key_pair *p, struct bytes hostname, uint64_t now_ms)
{
	const struct certificate *c = &p->certificate;

	return !p->is_untimely &&
	    bytes_equal_nocase(bytes_of(c->name), hostname) &&
	    certificate_days_left(c, now_ms) >= DAYS_LEAST;
}

/* The key first: one without its certificate is no pair, and is made anew next time. */
static bool
write_pair(const struct place *place, struct bytes chain, struct bytes key,
    char *error, size_t size)
{
	if (file_make_folders(place->folder, 0700) == 0 &&
	    file_replace(place->key, key, 0600) == 0 &&
	    file_replace(place->certificate, chain, 0600) == 0)
		return true;
	snprintf(error, size, "%s: a certificate cannot be put there: %s",
	    place->folder, strerror(errno));
	return false;
}

static bool
make(const struct config *config, const struct place *place, uint64_t now_ms,
    char *error, size_t size)
{
	struct buf chain, key;
	bool       is_made;

	buf_init(&chain, FILE_MAX);
	buf_init(&key, FILE_MAX);
	is_made = certificate_make(config->hostname, now_ms, &chain, &key);
	if (!is_made)
		snprintf(error, size, "no certificate can be made: no memory");
	else
		is_made = write_pair(place, buf_bytes(&chain), buf_bytes(&key),
		    error, size);
	buf_wipe(&key);
	buf_finish(&chain);
	return is_made;
}

bool
self_signed_get(const struct config *config, uint64_t now_ms,
    struct key_pair *out, char *error, size_t size)
{
	struct place place;

	*out = (struct key_pair){ 0 };
	if (!find_place(config, &place)) {
		snprintf(error, size, "\"root\" is too long");
		return false;
	}
	if (read_pair(&place, now_ms, out, error, size) &&
	    is_good(out, config->hostname, now_ms))
		return true;
	key_pair_finish(out);
	return make(config, &place, now_ms, error, size) &&
	    read_pair(&place, now_ms, out, error, size);
}
