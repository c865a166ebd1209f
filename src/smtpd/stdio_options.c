#include "smtpd/stdio_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

const char stdio_usage[] =
    "usage: ampel-smtpd --stdio --policy smtp [--control DIR], or "
    "ampel-smtpd --stdio --policy smtps [--control DIR] CHECKER [ARG ...]";

static const struct option long_options[] = {
	{ "stdio", no_argument, NULL, 's' },
	{ "policy", required_argument, NULL, 'p' },
	{ "control", required_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

/* Listeners that cannot be one session of somebody else's. */
static const struct {
	const char *name;
	const char *why;
} refused[] = {
	{ "submission", "STARTTLS cannot be outside; TLS from the first byte can: "
	    "smtps" },
	{ "local", "only ampel's own socket tells which account is at its other end" },
	{ "pop3s", "that is ampel-pop3d --stdio" },
	{ "pop3", "passwords would cross the network in the clear: ampel-pop3d "
	    "--stdio, behind TLS" },
};

/* False: there is no such one here. */
static bool
take_policy(struct stdio_options *o, const char *name, char *why, size_t size)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (strcmp(name, refused[i].name) == 0) {
			snprintf(why, size, "no policy %s: %s", name, refused[i].why);
			return false;
		}
	o->name = bytes_of(name);
	o->policy = listener_policy(o->name);
	if (o->policy == NULL)
		snprintf(why, size, "no policy %.60s: it is smtp or smtps", name);
	return o->policy != NULL;
}

static bool
take_option(struct stdio_options *o, int option, char **argv, char *why,
    size_t size)
{
	switch (option) {
	case 's':
		return true;
	case 'p':
		return take_policy(o, optarg, why, size);
	case 'c':
		o->control = optarg;
		o->control_is_named = true;
		return true;
	case ':':
		snprintf(why, size, "%s wants a value", argv[optind - 1]);
		return false;
	default:
		snprintf(why, size, "unknown option %.60s", argv[optind - 1]);
		return false;
	}
}

/* What fits together. */
static bool
check(const struct stdio_options *o, char *why, size_t size)
{
	const char *wrong = NULL;

	if (o->policy == NULL)
		wrong = "--policy is missing";
	else if (o->policy->auth && o->checker[0] == NULL)
		wrong = "smtps needs a CHECKER, which knows the passwords";
	else if (!o->policy->auth && o->checker[0] != NULL)
		wrong = "smtp has no AUTH, and takes no CHECKER";
	if (wrong)
		snprintf(why, size, "%s", wrong);
	return wrong == NULL;
}

bool
stdio_options_parse(struct stdio_options *o, int argc, char **argv, char *why,
    size_t size)
{
	int option;

	*o = (struct stdio_options){ .control = "/var/qmail/control" };
	opterr = 0;
	/* up to the first word that is none: what follows is the checker's */
	while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1)
		if (!take_option(o, option, argv, why, size))
			return false;
	o->checker = argv + optind;
	return check(o, why, size);
}
