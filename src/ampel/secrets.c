#include "ampel/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/role.h"
#include "ampel/route_password.h"
#include "ampel/tls_keys.h"
#include "io/memfile.h"
#include "service/route_passwords.h"

enum { REASON_MAX = 512, SHOWN_MAX = 60 };

struct secrets {
	struct tls_keys *keys;
	int              passwords; /* -1: no route has one */
};

/* --- passwords of routes --- */

/* Room for all lines: a buffer that grows leaves copies behind. */
static size_t
count_bytes(const struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_route; i++)
		if (config->route[i].user.n > 0)
			n += config->route[i].domain.n + ROUTE_PASSWORD_MAX + 2;
	return n;
}

static bool
add_password(const struct config *config, const struct config_route *route,
    struct buf *text, char *error, size_t size)
{
	char       why[REASON_MAX];
	struct buf password;
	bool       good;

	buf_init(&password, ROUTE_PASSWORD_MAX);
	good = route_password_read(config, route, &password, why, sizeof why);
	if (good)
		route_passwords_add(text, route->domain, buf_bytes(&password));
	else
		snprintf(error, size, "route \"%.*s\" at line %u: %s",
		    BYTES_ARG(bytes_first(route->domain, SHOWN_MAX)),
		    route->line, why);
	buf_wipe(&password);
	return good;
}

static bool
load_passwords(
    struct secrets *s, const struct config *config, char *error, size_t size)
{
	size_t     n = count_bytes(config);
	struct buf text;
	bool       good;

	if (n == 0)
		return true;
	buf_init(&text, ROUTE_PASSWORDS_MAX);
	good = buf_room(&text, n) != NULL;
	if (!good)
		snprintf(error, size, "the passwords of routes are too many");
	for (size_t i = 0; good && i < config->n_route; i++)
		if (config->route[i].user.n > 0)
			good = add_password(
			    config, &config->route[i], &text, error, size);
	if (good) {
		s->passwords = memfile_of("passwords", buf_bytes(&text));
		good = s->passwords >= 0;
		if (!good)
			snprintf(error, size, "passwords of routes: %s",
			    strerror(errno));
	}
	buf_wipe(&text);
	return good;
}

/* --- all --- */

struct secrets *
secrets_load(const struct config *config, const struct secrets *old,
    char *error, size_t size)
{
	struct secrets *s = calloc(1, sizeof *s);

	if (s == NULL) {
		snprintf(error, size, "no memory");
		return NULL;
	}
	s->passwords = -1;
	s->keys = tls_keys_load(config, old ? old->keys : NULL, error, size);
	if (s->keys && load_passwords(s, config, error, size))
		return s;
	secrets_free(s);
	return NULL;
}

void
secrets_free(struct secrets *s)
{
	if (s == NULL)
		return;
	tls_keys_free(s->keys);
	if (s->passwords >= 0)
		close(s->passwords);
	free(s);
}

const struct tls_keys *
secrets_keys(const struct secrets *s)
{
	return s->keys;
}

int
secrets_find(const struct secrets *s, enum peer_role role, struct bytes name,
    struct bytes *ticket_key)
{
	/* a user may be called like a listener */
	if (role_is_listener(role))
		return tls_keys_find(s->keys, name, ticket_key);
	return role == ROLE_REMOTE ? s->passwords : -1;
}
