#include "ampel/check_named.h"

#include <errno.h>
#include <string.h>

#include "ampel/route_password.h"
#include "io/file.h"
#include "mail/route.h"
#include "service/route_passwords.h"

enum { PATH_TEXT = 4096, FILE_MAX = 16 * 1024 * 1024, ERROR_TEXT = 512 };

static void
check_password(const struct config *config, const struct config_route *route,
    struct arena *arena, struct mistakes *mistakes)
{
	char       error[ERROR_TEXT];
	struct buf password;

	buf_init(&password, ROUTE_PASSWORD_MAX);
	if (route->user.n > 0 && !route_password_read(config, route, &password,
	                             error, sizeof error))
		mistakes_add(mistakes, arena, route->line, "%s", error);
	buf_wipe(&password);
}

/* Read before the sandbox, by whoever needs it. */
static void
check_file(struct bytes path, unsigned line, struct arena *arena,
    struct mistakes *mistakes)
{
	char       name[PATH_TEXT];
	struct buf text;

	if (path.n == 0)
		return;
	buf_init(&text, FILE_MAX);
	if (!bytes_to_string(path, name, sizeof name))
		mistakes_add(mistakes, arena, line, "the path is too long");
	else if (file_read(name, &text, NULL) == -1)
		mistakes_add(mistakes, arena, line, "%s: %s", name,
		    errno == EINVAL ? "is not a file" : strerror(errno));
	else if (text.len == 0)
		mistakes_add(mistakes, arena, line, "%s: is empty", name);
	buf_finish(&text);
}

void
check_routes(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	for (size_t i = 0; i < config->n_route; i++)
		check_password(config, &config->route[i], arena, mistakes);
	check_file(config->authorities, 0, arena, mistakes);
	check_file(config->dns.anchor, config->dns.line, arena, mistakes);
	check_file(config->dns.root_hints, config->dns.line, arena, mistakes);
}

void
check_proofs(
    const struct config *config, struct arena *arena, struct mistakes *warnings)
{
	for (size_t i = 0; i < config->n_route; i++) {
		const struct config_route *route = &config->route[i];
		struct hop                 hop;

		if (route->tls != ROUTE_TLS_VERIFY)
			continue;
		for (size_t k = 0; k < route->to.n; k++)
			if (hop_parse(route->to.v[k], &hop) && hop.is_address)
				mistakes_add(warnings, arena, route->line,
				    "warning: \"verify\" is for names: only a "
				    "certificate for the address %.*s will do",
				    BYTES_ARG(hop.host));
	}
}
