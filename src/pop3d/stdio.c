#include "pop3d/stdio.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/log.h"
#include "io/place.h"
#include "io/sandbox.h"
#include "io/stdio.h"
#include "mail/address.h"
#include "pop3d/stdio_session.h"
#include "proto/qmail_control.h"

enum {
	EXIT_MISUSE = 100, /* permanent, as tcpserver's programs say it */
	HOSTNAME_SIZE = 256,
	ME_MAX = 4096, /* of the file control/me */
	OPEN_FILES = 16 * 1024, /* which ampel-mailbox inherits, and says why */
	REFUSAL_MS = 10 * 1000,
	ERROR_TEXT = 512,
};

struct options {
	const char *policy;
	const char *control;
	char      **checker;
	int         n_checker;
};

/* The client is told that it will not pass by itself (RFC 3206), the administrator why. */
static int
refuse(const char *why, const char *what)
{
	log_text("%s%s", why, what);
	stdio_write(BYTES("-ERR [SYS/PERM] mail server is not set up as it should be\r\n"),
	    clock_monotonic_ms() + REFUSAL_MS);
	stdio_linger();
	return EXIT_MISUSE;
}

/* --- what we were told --- */

/* 0 or the exit code. */
static int
parse_options(struct options *o, int argc, char **argv)
{
	while (argc > 0 && argv[0][0] == '-') {
		bool is_policy = strcmp(argv[0], "--policy") == 0;

		if (!is_policy && strcmp(argv[0], "--control") != 0)
			return refuse("no such option: ", argv[0]);
		if (argc < 2)
			return refuse("a value is missing behind ", argv[0]);
		if (is_policy)
			o->policy = argv[1];
		else
			o->control = argv[1];
		argv += 2;
		argc -= 2;
	}
	if (strcmp(o->policy, "pop3s") != 0)
		return refuse("passwords do not travel in the clear: the only policy is "
		              "pop3s, with TLS outside, and not ", o->policy);
	if (argc == 0)
		return refuse("expected a checkpassword program", "");
	o->checker = argv;
	o->n_checker = argc;
	return 0;
}

/* control/me, where that is a domain, or else what the kernel says. */
static struct bytes
find_hostname(const char *control, char name[HOSTNAME_SIZE])
{
	struct bytes me;
	struct buf   text;
	char         path[PATH_MAX];
	int          n = snprintf(path, sizeof path, "%s/me", control);
	bool         is_found;

	buf_init(&text, ME_MAX);
	is_found = n > 0 && (size_t)n < sizeof path && file_read(path, &text, NULL) == 0;
	me = qmail_control_line(buf_bytes(&text));
	is_found = is_found && me.n < HOSTNAME_SIZE && address_domain_is_valid(me);
	if (is_found) {
		memcpy(name, me.p, me.n);
		name[me.n] = '\0';
	} else if (gethostname(name, HOSTNAME_SIZE) == -1) {
		name[0] = '\0';
	}
	name[HOSTNAME_SIZE - 1] = '\0';
	buf_finish(&text);
	return bytes_of(name[0] != '\0' ? name : "localhost");
}

/* --- the session --- */

/* What the daemon does, but for what a set-uid checkpassword needs. */
static bool
enter_sandbox(char *error, size_t size)
{
	const struct sandbox sandbox = {
		.open_files = OPEN_FILES,
		.may_gain_privileges = true,
	};

	return sandbox_enter(&sandbox, error, size);
}

/* CHECKER ARGUMENT ... MAILBOX --stdio, to be freed. NULL: no memory. */
static char **
checker_argv(const struct options *o, char *mailbox)
{
	static char word[] = "--stdio";
	size_t      n = (size_t)o->n_checker;
	char      **argv = calloc(n + 3, sizeof *argv);

	if (argv == NULL)
		return NULL;
	memcpy(argv, o->checker, n * sizeof *argv);
	argv[n] = mailbox;
	argv[n + 1] = word;
	return argv;
}

int
stdio_main(int argc, char **argv)
{
	static char          hostname[HOSTNAME_SIZE], mailbox[PATH_MAX];
	struct options       o = { .policy = "pop3s", .control = "/var/qmail/control" };
	const char          *peer = getenv("TCPREMOTEIP");
	struct stdio_setting setting = { .peer = bytes_of(peer ? peer : "") };
	char                 error[ERROR_TEXT];
	char               **checker;
	int                  code;

	closefrom(STDERR_FILENO + 1);
	if (!stdio_begin() || !log_open_beside_client("ampel-pop3d"))
		return EXIT_MISUSE;
	code = parse_options(&o, argc, argv);
	if (code != 0)
		return code;
	if (!place_beside("ampel-mailbox", mailbox, sizeof mailbox) ||
	    access(mailbox, X_OK) == -1)
		return refuse("ampel-mailbox is not beside this program", "");
	if (!enter_sandbox(error, sizeof error))
		return refuse(error, "");
	checker = checker_argv(&o, mailbox);
	if (checker == NULL)
		return refuse("no memory", "");
	setting.hostname = find_hostname(o.control, hostname);
	setting.checker = checker;
	stdio_session(&setting);
	free(checker);
	return 0;
}
