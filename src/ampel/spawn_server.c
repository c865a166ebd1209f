#include "ampel/spawn_server.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ampel/command.h"
#include "ampel/service_list.h"
#include "ampel/supervisor.h"
#include "io/place.h"

enum { FIXED_ARGS = 6, NOTIFY = 3 };

/* posix_spawn wants arrays that it may not change without const. */
union arguments {
	const char *constant[FIXED_ARGS + SERVICES_MAX + 1];
	char       *plain[FIXED_ARGS + SERVICES_MAX + 1];
};

/* Its session is its own, its descriptors are 0 to 2 and the end that it answers to. */
static int
start(union arguments *arguments, int answer, pid_t *pid)
{
	char                       self[4096];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t          attributes;
	extern char              **environ;
	int                        error;

	if (!place_self(self, sizeof self))
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, answer, NOTIFY);
	posix_spawn_file_actions_addclosefrom_np(&actions, NOTIFY + 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	error = posix_spawn(
	    pid, self, &actions, &attributes, arguments->plain, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

/* It has ended without an answer: it has said why, unless it was told to. */
static int
wait_for_failure(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	fprintf(stderr, "ampel: the server was ended while it started\n");
	return EX_BAD;
}

static enum spawn_outcome
read_answer(int fd, pid_t pid, int *code)
{
	char    answer[8];
	ssize_t n;

	do
		n = read(fd, answer, sizeof answer - 1);
	while (n < 0 && errno == EINTR);
	answer[n > 0 ? n : 0] = '\0';
	if (strcmp(answer, SUPERVISOR_UP) == 0)
		return SPAWN_UP;
	*code = wait_for_failure(pid);
	return strcmp(answer, SUPERVISOR_SECOND) == 0 ? SPAWN_OTHER
	                                              : SPAWN_FAILED;
}

enum spawn_outcome
spawn_server(const char *config_file, char *const *names, size_t n, int *code)
{
	union arguments arguments = { .constant = { "ampel", "-c", config_file,
		                          "run", "--notify", "3" } };
	enum spawn_outcome outcome;
	int                ends[2], error;
	pid_t              pid;

	for (size_t i = 0; i < n; i++)
		arguments.constant[FIXED_ARGS + i] = names[i];
	error = pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
	if (error == 0) {
		error = start(&arguments, ends[1], &pid);
		close(ends[1]);
		if (error)
			close(ends[0]);
	}
	if (error) {
		fprintf(stderr, "ampel: %s\n", strerror(error));
		*code = EX_BAD;
		return SPAWN_FAILED;
	}
	outcome = read_answer(ends[0], pid, code);
	close(ends[0]);
	return outcome;
}
