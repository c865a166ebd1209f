#include "ampel/check_named.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ampel/accounts.h"

enum { PATH_TEXT = 4096, NAME_TEXT = 64, ERROR_TEXT = 512 };

/* The first word of a command must be a file that can be run. */
static void
check_program(struct bytes command, unsigned line, struct arena *arena,
    struct mistakes *mistakes)
{
	char        path[PATH_TEXT];
	struct stat st;

	if (!bytes_to_string(bytes_first(command, bytes_find(command, ' ')),
	        path, sizeof path))
		mistakes_add(mistakes, arena, line, "the path is too long");
	else if (stat(path, &st) == -1)
		mistakes_add(mistakes, arena, line, "%s: %s", path,
		    strerror(errno));
	else if (!S_ISREG(st.st_mode) || access(path, X_OK) == -1)
		mistakes_add(mistakes, arena, line,
		    "%s: is not a program that can be run", path);
}

/* Without a service file PAM would use that of "other", which hardly fits. */
static void
check_password_check(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	static const char pam_service[] = "/etc/pam.d/ampel";
	struct bytes      check = config->password_check;

	if (bytes_equal(check, BYTES("file")))
		return;
	if (!bytes_equal(check, BYTES("pam")))
		check_program(check, 0, arena, mistakes);
	else if (access(pam_service, F_OK) == -1)
		mistakes_add(mistakes, arena, 0,
		    "\"password_check\" is pam, but %s: %s; ampel-auth(8) says "
		    "what it holds", pam_service, strerror(errno));
}

void
check_programs(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	for (size_t i = 0; i < config->n_filter; i++) {
		const struct config_filter *filter = &config->filter[i];

		if (filter->program.n > 0)
			check_program(
			    filter->program, filter->line, arena, mistakes);
	}
	for (size_t i = 0; i < config->n_helper; i++)
		check_program(config->helper[i].command, config->helper[i].line,
		    arena, mistakes);
	check_password_check(config, arena, mistakes);
}

void
check_accounts(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	char error[ERROR_TEXT];

	if (geteuid() != 0)
		return;
	if (!accounts_check(config, error, sizeof error))
		mistakes_add(mistakes, arena, 0, "%s", error);
	for (size_t i = 0; i < config->n_helper; i++) {
		const struct config_helper *helper = &config->helper[i];
		char                        name[NAME_TEXT];

		if (!bytes_to_string(helper->user, name, sizeof name) ||
		    getpwnam(name) == NULL)
			mistakes_add(mistakes, arena, helper->line,
			    "there is no user \"%.*s\"", BYTES_ARG(helper->user));
	}
}
