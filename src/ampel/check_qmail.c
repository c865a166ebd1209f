#include "ampel/check_named.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "base/buf.h"
#include "io/file.h"
#include "mail/assignments.h"
#include "mail/directory.h"
#include "proto/assign.h"
#include "proto/virtual_domains.h"

/* It is named in the configuration: then it has to be there. */
static bool
read_file(const char *path, struct buf *text, struct arena *arena,
    struct mistakes *mistakes)
{
	if (file_read(path, text, NULL) == 0)
		return true;
	mistakes_add(mistakes, arena, 0, "cannot be read: %s", strerror(errno));
	return false;
}

void
check_virtual_domains(const struct config *config, const char *path,
    struct arena *arena, struct mistakes *mistakes)
{
	struct directory *directory = directory_new();
	struct buf        text;

	(void)config;
	buf_init(&text, VIRTUAL_DOMAINS_MAX);
	if (directory == NULL)
		mistakes_add(mistakes, arena, 0, "no memory");
	else if (read_file(path, &text, arena, mistakes))
		virtual_domains_read(
		    directory, buf_bytes(&text), arena, mistakes);
	directory_free(directory);
	buf_finish(&text);
}

void
check_assign(const struct config *config, const char *path, struct arena *arena,
    struct mistakes *mistakes)
{
	struct assign assign;
	struct buf    text;

	(void)config;
	buf_init(&text, ASSIGNMENTS_FILE_MAX);
	if (read_file(path, &text, arena, mistakes)) {
		assign_read(&assign, buf_bytes(&text), arena, mistakes);
		assign_finish(&assign);
	}
	buf_finish(&text);
}

/* The preset "alias" need not be there; whoever is gets mail as himself, so he is not root. */
void
check_alias_user(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	const struct passwd *user;
	char                 name[64];

	if (config->users != USERS_SYSTEM || !config->dot_qmail ||
	    !bytes_to_string(config->alias_user, name, sizeof name))
		return;
	user = getpwnam(name);
	if (user != NULL && user->pw_uid == 0)
		mistakes_add(mistakes, arena, 0,
		    "\"alias_user\" has uid 0: deliveries would run as root");
}
