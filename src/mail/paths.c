#include "mail/paths.h"

#include <stdio.h>

#include "mail/config.h"

enum place { ETC, STATE, SPOOL, RUN };

struct place_names {
	const char *system;
	const char *under_root;
};

static const struct place_names places[] = {
	[ETC] = { "/etc/ampel", "/etc" },
	[STATE] = { "/var/lib/ampel", "/lib" },
	[SPOOL] = { "/var/spool/ampel", "/spool" },
	[RUN] = { "/run/ampel", "/run" },
};

struct place_of {
	enum place  place;
	const char *below;    /* behind the place */
	bool        has_name; /* and the name behind that */
};

static const struct place_of paths[] = {
	[PATH_ETC] = { ETC, "", false },
	[PATH_STATE] = { STATE, "", false },
	[PATH_SPOOL] = { SPOOL, "", false },
	[PATH_RUN] = { RUN, "", false },
	[PATH_PASSWD] = { ETC, "/passwd", false },
	[PATH_SHADOW] = { ETC, "/shadow", false },
	[PATH_ALIASES] = { ETC, "/aliases", false },
	[PATH_MAIL] = { STATE, "/mail", false },
	[PATH_HOME] = { STATE, "/mail/", true },
	[PATH_TLS] = { STATE, "/tls", false },
	[PATH_SELF_SIGNED] = { STATE, "/tls/self-signed.pem", false },
	[PATH_SELF_SIGNED_KEY] = { STATE, "/tls/self-signed.key", false },
	[PATH_CHROOTS] = { STATE, "/chroot", false },
	[PATH_CHROOT] = { STATE, "/chroot/", true },
	[PATH_CONTROL] = { RUN, "/control", false },
	[PATH_LOCAL] = { RUN, "/local", false },
	[PATH_PID] = { RUN, "/pid", false },
	[PATH_LOG] = { STATE, "/log", false },
};

/* One part of a path that cannot lead elsewhere. */
static bool
is_part(struct bytes name)
{
	return name.n > 0 && name.p[0] != '.' && bytes_find(name, '/') == name.n &&
	    bytes_find(name, '\0') == name.n;
}

bool
paths_get(const struct config *config, enum path path, struct bytes name,
    char out[PATHS_MAX])
{
	const struct place_of    *what = &paths[path];
	const struct place_names *place = &places[what->place];
	struct bytes              root = config->root;
	int                       n;

	if (what->has_name ? !is_part(name) : name.n > 0)
		return false;
	n = snprintf(out, PATHS_MAX, "%.*s%s%s%.*s", BYTES_ARG(root),
	    root.n > 0 ? place->under_root : place->system, what->below,
	    BYTES_ARG(name));
	return n > 0 && n < PATHS_MAX;
}
