#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sandbox.h"

enum { NOBODY = 65534, SKIPPED = 77 };

/*
 * A sandbox is for ever, so each claim is checked in a process of its own: its exit
 * code is the line that does not hold, or 0.
 */
#define HOLDS(claim) \
	do \
		if (!(claim)) \
			_exit(__LINE__ % 250 + 1); \
	while (0)

static int
status_of(void (*body)(void))
{
	int   status;
	pid_t pid = fork();

	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_not_equal(pid, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
begins_clean(void)
{
	struct sigaction action;

	setenv("LD_PRELOAD", "evil.so", 1);
	umask(0);
	signal(SIGPIPE, SIG_DFL);
	HOLDS(dup2(1, 9) == 9);
	HOLDS(dup2(1, 5) == 5);
	close(0);
	sandbox_begin(6);
	HOLDS(getenv("LD_PRELOAD") == NULL);
	HOLDS(getenv("PATH") == NULL);
	HOLDS(umask(0) == 077);
	HOLDS(sigaction(SIGPIPE, NULL, &action) == 0);
	HOLDS(action.sa_handler == SIG_IGN);
	HOLDS(fcntl(5, F_GETFD) != -1);
	HOLDS(fcntl(9, F_GETFD) == -1);
	HOLDS(fcntl(0, F_GETFL) == O_RDWR || (fcntl(0, F_GETFL) & O_RDWR));
}

static void
stays_the_caller(void)
{
	const struct sandbox s = { .open_files = 64 };
	char                 error[200] = "";
	struct rlimit        limit;
	uid_t                uid = getuid();

	HOLDS(sandbox_enter(&s, error, sizeof error));
	HOLDS(error[0] == '\0');
	HOLDS(getuid() == uid);
	HOLDS(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	HOLDS(limit.rlim_cur == 64 && limit.rlim_max == 64);
	HOLDS(getrlimit(RLIMIT_CORE, &limit) == 0);
	HOLDS(limit.rlim_cur == 0 && limit.rlim_max == 0);
	HOLDS(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void
may_keep_gaining(void)
{
	const struct sandbox s = { .open_files = 64, .may_gain_privileges = true };
	char                 error[200];

	HOLDS(sandbox_enter(&s, error, sizeof error));
	HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	HOLDS(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void
refuses_nonsense(void)
{
	static const struct {
		struct sandbox s;
		const char    *error;
	} rows[] = {
		{ { .root = "/", .open_files = 64 },
		    "a root folder needs a user to become" },
		{ { .drop = true, .uid = 0, .gid = NOBODY, .open_files = 64 },
		    "will not run as root" },
		{ { .drop = true, .uid = NOBODY, .gid = 0, .open_files = 64 },
		    "will not run as root" },
	};
	const uid_t uid = getuid();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char error[200];

		HOLDS(!sandbox_enter(&rows[i].s, error, sizeof error));
		HOLDS(strcmp(error, rows[i].error) == 0);
		HOLDS(getuid() == uid);
	}
}

static char folder[] = "/tmp/ampel-sandbox-XXXXXX";

static void
is_jailed(void)
{
	const struct sandbox s = {
		.drop = true,
		.uid = NOBODY,
		.gid = NOBODY,
		.root = folder,
		.open_files = 1024,
	};
	char  error[200] = "";
	uid_t r, e, saved;
	FILE *file;
	char  line[200];
	int   found = 0;

	HOLDS(setgroups(2, (const gid_t[]){ 0, 42 }) == 0);
	file = fopen("/proc/self/status", "re");
	HOLDS(file != NULL);
	HOLDS(sandbox_enter(&s, error, sizeof error));
	HOLDS(getresuid(&r, &e, &saved) == 0);
	HOLDS(r == NOBODY && e == NOBODY && saved == NOBODY);
	HOLDS(getresgid(&r, &e, &saved) == 0);
	HOLDS(r == NOBODY && e == NOBODY && saved == NOBODY);
	HOLDS(getgroups(0, NULL) == 0);
	HOLDS(setuid(0) == -1 && errno == EPERM);
	HOLDS(setreuid(0, 0) == -1 && setresgid(0, 0, 0) == -1);
	HOLDS(setgroups(0, NULL) == -1);
	HOLDS(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	/* The folder is all there is. */
	HOLDS(access("/etc", F_OK) == -1 && access("../../etc", F_OK) == -1);
	HOLDS(access("/inside", F_OK) == 0);
	HOLDS(chroot("/") == -1 && errno == EPERM);
	/* No capability is left in any set. The file was opened before. */
	while (fgets(line, sizeof line, file)) {
		unsigned long long bits;

		if (sscanf(line, "CapInh: %llx", &bits) == 1 ||
		    sscanf(line, "CapPrm: %llx", &bits) == 1 ||
		    sscanf(line, "CapEff: %llx", &bits) == 1 ||
		    sscanf(line, "CapAmb: %llx", &bits) == 1) {
			HOLDS(bits == 0);
			found++;
		}
	}
	HOLDS(found == 4);
}

static void
missing_root_is_an_error(void)
{
	const struct sandbox s = {
		.drop = true,
		.uid = NOBODY,
		.gid = NOBODY,
		.root = "/missing/folder",
		.open_files = 64,
	};
	char error[200];

	HOLDS(!sandbox_enter(&s, error, sizeof error));
	HOLDS(strcmp(error, "/missing/folder: No such file or directory") == 0);
}

static void
cannot_drop_without_root(void)
{
	const struct sandbox s = {
		.drop = true,
		.uid = NOBODY - 1,
		.gid = NOBODY,
		.open_files = 64,
	};
	char error[200];

	if (geteuid() == 0)
		HOLDS(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	HOLDS(!sandbox_enter(&s, error, sizeof error));
	HOLDS(strstr(error, "cannot change user") == error);
}

static void
takes_the_files_there_are(void)
{
	const struct rlimit  low = { 40, 50 };
	const struct sandbox s = { .open_files = 1000 };
	struct rlimit        limit;
	char                 error[200];

	HOLDS(setrlimit(RLIMIT_NOFILE, &low) == 0);
	if (geteuid() == 0)
		HOLDS(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	HOLDS(sandbox_enter(&s, error, sizeof error));
	HOLDS(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	HOLDS(limit.rlim_cur == 50 && limit.rlim_max == 50);
}

#define CLAIM(name) \
	static void name##_holds(void **state) \
	{ \
		(void)state; \
		assert_int_equal(status_of(name), 0); \
	}
CLAIM(begins_clean)
CLAIM(stays_the_caller)
CLAIM(may_keep_gaining)
CLAIM(refuses_nonsense)
CLAIM(cannot_drop_without_root)
CLAIM(takes_the_files_there_are)
CLAIM(is_jailed)
CLAIM(missing_root_is_an_error)

static int
make_jail(void **state)
{
	char inside[sizeof folder + 8];

	(void)state;
	if (mkdtemp(folder) == NULL || chmod(folder, 0755) == -1)
		return -1;
	snprintf(inside, sizeof inside, "%s/inside", folder);
	return mkdir(inside, 0755);
}

static int
remove_jail(void **state)
{
	char inside[sizeof folder + 8];

	(void)state;
	snprintf(inside, sizeof inside, "%s/inside", folder);
	return rmdir(inside) == 0 ? rmdir(folder) : -1;
}

int
main(void)
{
	const struct CMUnitTest anyone[] = {
		cmocka_unit_test(begins_clean_holds),
		cmocka_unit_test(stays_the_caller_holds),
		cmocka_unit_test(may_keep_gaining_holds),
		cmocka_unit_test(refuses_nonsense_holds),
		cmocka_unit_test(cannot_drop_without_root_holds),
		cmocka_unit_test(takes_the_files_there_are_holds),
	};
	const struct CMUnitTest root[] = {
		cmocka_unit_test(is_jailed_holds),
		cmocka_unit_test(missing_root_is_an_error_holds),
	};

	if (cmocka_run_group_tests(anyone, NULL, NULL) != 0)
		return 1;
	if (geteuid() != 0)
		return SKIPPED;
	return cmocka_run_group_tests(root, make_jail, remove_jail);
}
