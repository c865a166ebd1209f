#include "ampel/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/child.h"
#include "io/file.h"
#include "mail/paths.h"

enum { AGAIN_MS = 1000 };

static const char logger_path[] = "/usr/bin/logger";

/*
 * The way to syslog. We keep both ends of the pipe, so that no program gets
 * SIGPIPE, nor a line lost, while logger is restarted.
 */
static struct {
	uv_loop_t    *loop;
	int           ends[2];
	struct child *child;
	uv_timer_t    again;
	int           is_open;
} syslog_pipe;

static void start_logger(void);

static void
on_again(uv_timer_t *timer)
{
	(void)timer;
	start_logger();
}

static void
on_logger_ended(struct child *child, struct child_end end, void *context)
{
	(void)end;
	(void)context;
	child_close(child);
	syslog_pipe.child = NULL;
	if (syslog_pipe.is_open)
		uv_timer_start(&syslog_pipe.again, on_again, AGAIN_MS, 0);
}

static void
start_logger(void)
{
	static const char *const argv[] = { "logger", "-t", "ampel", "-p",
		"mail.info", NULL };
	struct child_spec spec = {
		.path = logger_path,
		.argv = argv,
		.fds = (const int[]){ syslog_pipe.ends[0], -1, -1 },
		.n_fds = 3,
	};

	syslog_pipe.child =
	    child_start(syslog_pipe.loop, &spec, on_logger_ended, NULL);
	if (syslog_pipe.child == NULL)
		uv_timer_start(&syslog_pipe.again, on_again, AGAIN_MS, 0);
}

static int
open_syslog(uv_loop_t *loop, char *error, size_t size)
{
	if (access(logger_path, X_OK) != 0) {
		snprintf(error, size, "log = \"syslog\" needs %s", logger_path);
		return -1;
	}
	if (pipe2(syslog_pipe.ends, O_CLOEXEC) != 0 ||
	    file_set_nonblocking(syslog_pipe.ends[1], true) != 0) {
		snprintf(error, size, "log: %s", strerror(errno));
		return -1;
	}
	syslog_pipe.loop = loop;
	syslog_pipe.is_open = 1;
	uv_timer_init(loop, &syslog_pipe.again);
	start_logger();
	return syslog_pipe.ends[1];
}

void
logfile_close(void)
{
	if (!syslog_pipe.is_open)
		return;
	syslog_pipe.is_open = 0;
	/* logger reads what is left and ends; it is not killed. */
	close(syslog_pipe.ends[0]);
	close(syslog_pipe.ends[1]);
	uv_timer_stop(&syslog_pipe.again);
}

static int
open_path(const char *path, char *error, size_t size)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		snprintf(error, size, "log %s: %s", path, strerror(errno));
	return fd;
}

int
logfile_open(uv_loop_t *loop, const struct config *config, int is_daemon,
    char *error, size_t size)
{
	char path[PATHS_MAX];

	if (bytes_equal(config->log, BYTES("syslog")))
		return open_syslog(loop, error, size);
	if (!bytes_equal(config->log, BYTES("stderr"))) {
		bytes_to_string(config->log, path, sizeof path);
		return open_path(path, error, size);
	}
	if (!is_daemon) {
		int fd = fcntl(2, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			snprintf(error, size, "log: %s", strerror(errno));
		return fd;
	}
	if (config->root.n == 0)
		return open_syslog(loop, error, size);
	if (paths_get(config, PATH_LOG, BYTES(""), path))
		return open_path(path, error, size);
	snprintf(error, size, "the path of the log is too long");
	return -1;
}
