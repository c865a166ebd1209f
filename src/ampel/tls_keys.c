#include "ampel/tls_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/key_pair.h"
#include "ampel/self_signed.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "io/tls.h"
#include "mail/listener.h"

enum { DAYS_WARNING = 14, WARNINGS_MAX = 64 * 1024 };

/* What one listener's workers get. */
struct listener_keys {
	char               name[64];
	int                fd;
	bool               is_empty;       /* no pair was written yet */
	bool               is_self_signed; /* ours */
	struct certificate first_to_expire;
	char               ticket_key[TLS_TICKET_KEY];
};

struct tls_keys {
	size_t               n;
	struct buf           warnings; /* lines */
	struct listener_keys keys[];   /* one for each listener with TLS */
};

static const struct listener_keys *
find(const struct tls_keys *k, struct bytes listener)
{
	for (size_t i = 0; k && i < k->n; i++)
		if (bytes_equal(bytes_of(k->keys[i].name), listener))
			return &k->keys[i];
	return NULL;
}

/* --- one listener --- */

static bool
init_keys(struct listener_keys *keys, struct bytes listener,
    const struct tls_keys *old)
{
	const struct listener_keys *before = find(old, listener);

	if (before)
		memcpy(keys->ticket_key, before->ticket_key, TLS_TICKET_KEY);
	else
		random_fill(keys->ticket_key, TLS_TICKET_KEY);
	keys->is_empty = true;
	keys->fd = memfile_new("keys");
	return keys->fd >= 0 &&
	    bytes_to_string(listener, keys->name, sizeof keys->name);
}

static bool
add_pair(struct listener_keys *keys, const struct key_pair *pair, char *error,
    size_t size)
{
	const struct certificate *c = &pair->certificate;

	if (key_pair_write(pair, keys->fd) == -1) {
		snprintf(error, size, "keys for listener %s: %s", keys->name,
		    strerror(errno));
		return false;
	}
	if (keys->is_empty ||
	    c->not_after_ms < keys->first_to_expire.not_after_ms)
		keys->first_to_expire = *c;
	keys->is_empty = false;
	return true;
}

/* --- all of them --- */

static bool
applies(const struct config_tls *tls, struct bytes listener)
{
	for (size_t i = 0; i < tls->listeners.n; i++)
		if (bytes_equal(tls->listeners.v[i], listener))
			return true;
	return tls->listeners.n == 0;
}

/* Into every listener's that shows it. */
static bool
add_block(struct tls_keys *k, const struct config_tls *tls, uint64_t now_ms,
    char *error, size_t size)
{
	struct key_pair pair;
	bool            good;

	good = key_pair_read(
	    &pair, tls->certificate, tls->key, now_ms, error, size);
	if (good && pair.is_untimely)
		buf_addf(&k->warnings, "warning: %s\n", error);
	for (size_t i = 0; good && i < k->n; i++)
		if (applies(tls, bytes_of(k->keys[i].name)))
			good = add_pair(&k->keys[i], &pair, error, size);
	key_pair_finish(&pair);
	return good;
}

/* Where no block applies our own is shown. */
static bool
fill_empty(struct tls_keys *k, const struct config *config, uint64_t now_ms,
    char *error, size_t size)
{
	struct key_pair pair = { 0 };
	bool            good = true, is_needed = false;

	for (size_t i = 0; good && i < k->n; i++) {
		if (!k->keys[i].is_empty)
			continue;
		if (!is_needed)
			good = self_signed_get(config, now_ms, &pair, error, size);
		if (good)
			good = add_pair(&k->keys[i], &pair, error, size);
		k->keys[i].is_self_signed = true;
		buf_addf(&k->warnings, "%s \"%s\"", is_needed ? "," :
		    "warning: no tls block applies to listener", k->keys[i].name);
		is_needed = true;
	}
	if (is_needed)
		buf_add_string(
		    &k->warnings, ": a self-signed certificate is shown\n");
	key_pair_finish(&pair);
	return good;
}

static bool
seal_all(struct tls_keys *k, char *error, size_t size)
{
	for (size_t i = 0; i < k->n; i++)
		if (memfile_seal(k->keys[i].fd) == -1) {
			snprintf(error, size, "keys: %s", strerror(errno));
			return false;
		}
	return true;
}

static bool
has_tls(struct bytes listener)
{
	const struct listener_policy *policy = listener_policy(listener);

	return policy && policy->tls != LISTENER_CLEAR;
}

bool
tls_keys_are_configured(const struct config *config, struct bytes listener)
{
	for (size_t i = 0; i < config->n_tls; i++)
		if (applies(&config->tls[i], listener))
			return true;
	return !has_tls(listener);
}

static struct tls_keys *
new_tls_keys(const struct config *config, const struct tls_keys *old)
{
	struct tls_keys *k =
	    calloc(1, sizeof *k + config->n_listen * sizeof k->keys[0]);

	if (k == NULL)
		return NULL;
	buf_init(&k->warnings, WARNINGS_MAX);
	for (size_t i = 0; i < config->n_listen; i++) {
		const struct config_listen *l = &config->listen[i];

		if (has_tls(l->name) &&
		    !init_keys(&k->keys[k->n++], l->name, old)) {
			tls_keys_free(k);
			return NULL;
		}
	}
	return k;
}

struct tls_keys *
tls_keys_load(const struct config *config, const struct tls_keys *old,
    char *error, size_t size)
{
	struct tls_keys *k = new_tls_keys(config, old);
	uint64_t        now_ms = clock_now_ms();
	bool            good = k != NULL;

	if (!good)
		snprintf(error, size, "no memory");
	for (size_t i = 0; good && i < config->n_tls; i++)
		good = add_block(k, &config->tls[i], now_ms, error, size);
	if (good && fill_empty(k, config, now_ms, error, size) &&
	    seal_all(k, error, size))
		return k;
	tls_keys_free(k);
	return NULL;
}

void
tls_keys_free(struct tls_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		if (k->keys[i].fd >= 0)
			close(k->keys[i].fd);
	explicit_bzero(k->keys, k->n * sizeof k->keys[0]);
	buf_finish(&k->warnings);
	free(k);
}

/* --- what is said of them --- */

void
tls_keys_warn(const struct tls_keys *k)
{
	struct bytes rest = buf_bytes(&k->warnings), line;

	while (bytes_split(&rest, '\n', &line))
		log_text("%.*s", BYTES_ARG(line));
}

int
tls_keys_find(const struct tls_keys *k, struct bytes listener,
    struct bytes *ticket_key)
{
	const struct listener_keys *keys = find(k, listener);

	if (keys == NULL)
		return -1;
	*ticket_key = (struct bytes){ keys->ticket_key, TLS_TICKET_KEY };
	return keys->fd;
}

void
tls_keys_describe(const struct tls_keys *k, struct bytes listener, uint64_t now_ms,
    struct buf *out)
{
	const struct listener_keys *keys = find(k, listener);
	int64_t            days;

	if (keys == NULL)
		return;
	days = certificate_days_left(&keys->first_to_expire, now_ms);
	buf_addf(out, ", %s%scertificate: ",
	    days < DAYS_WARNING ? "WARNING: " : "",
	    keys->is_self_signed ? "self-signed " : "");
	if (days < 0)
		buf_add_string(out, "has expired");
	else
		buf_addf(out, "%" PRId64 " days left", days);
}
