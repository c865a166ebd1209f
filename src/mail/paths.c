#include "mail/paths.h"

#include "base/buf.h"
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

struct in_place {
	enum place  place;
	const char *below;
};

static const struct in_place paths[] = {
	[PATH_ETC] = { ETC, "" },
	[PATH_STATE] = { STATE, "" },
	[PATH_SPOOL] = { SPOOL, "" },
	[PATH_RUN] = { RUN, "" },
	[PATH_PASSWD] = { ETC, "/passwd" },
	[PATH_SHADOW] = { ETC, "/shadow" },
	[PATH_ALIASES] = { ETC, "/aliases" },
	[PATH_MAIL] = { STATE, "/mail" },
	[PATH_CHROOT] = { STATE, "/chroot" },
	[PATH_CONTROL] = { RUN, "/control" },
	[PATH_PID] = { RUN, "/pid" },
	[PATH_LOG] = { STATE, "/log" },
};

void
paths_add(struct buf *b, const struct config *config, enum path path)
{
	const struct in_place    *what = &paths[path];
	const struct place_names *place = &places[what->place];

	buf_add_bytes(b, config->root);
	buf_add_string(
	    b, config->root.n > 0 ? place->under_root : place->system);
	buf_add_string(b, what->below);
}

bool
paths_add_in(struct buf *b, const struct config *config, enum path path,
    struct bytes name)
{
	if (name.n == 0 || name.p[0] == '.' || bytes_find(name, '/') < name.n ||
	    bytes_find(name, '\0') < name.n)
		return false;
	paths_add(b, config, path);
	buf_add_char(b, '/');
	buf_add_bytes(b, name);
	return true;
}
