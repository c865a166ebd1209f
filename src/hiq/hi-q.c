/*
 * hi-q: stands in the place of qmail-queue, for any program that runs one, and lets only those
 * messages through to the real one that the filters let pass. The pipeline is that of
 * ampel-hiq.
 *
 *     caller -> [message, envelope: whole] -> trial -> becomes the queue program
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hiq/caller.h"
#include "hiq/handed.h"
#include "hiq/probe.h"
#include "hiq/reply.h"
#include "hiq/settings.h"
#include "hiq/successor.h"
#include "hiq/trial.h"
#include "io/log.h"

enum {
	EXIT_USAGE = 100,
	ARENA_MAX = 512 * 1024 * 1024, /* of recipients */
	VARIABLES_MAX = 8,
	VARIABLE_MAX = 4096,
	ERROR_MAX = 512,
};

static const char scratch[] = "/var/tmp";

/* One message and all that belongs to it; ends with the process. */
static struct {
	struct caller   caller;
	struct config   config;
	struct filters *filters;
	struct handed   handed;
	struct arena    arena;
	struct envelope envelope;
	uv_loop_t       loop;
	struct trial   *trial;
	char            queue[SUCCESSOR_PATH];
	const char     *variables[VARIABLES_MAX + 1];
	struct trial_result result; /* no verdict: not yet */
	bool            is_gone; /* the caller */
} hiq;

/* --- the answer --- */

/* Words for the caller where he is to have them: then he is told to read them. */
static int
say(char letter, const struct submit_result *reply, int code)
{
	struct buf text;
	bool       is_told;

	if (hiq.config.error_text != ERROR_TEXT_FD6)
		return code;
	/* Callers put the three digits in front, by the letter. */
	buf_init(&text, CALLER_TEXT_MAX);
	buf_add_char(&text, letter);
	status_add(&text, reply->status);
	buf_add_char(&text, ' ');
	buf_add_bytes(&text, reply->text);
	is_told = !text.failed && caller_tell(&hiq.caller, buf_bytes(&text));
	buf_finish(&text);
	return is_told ? QMAIL_QUEUE_CUSTOM : code;
}

/* Behind the letter, the status and a blank. */
enum { SAID_MAX = CALLER_TEXT_MAX - sizeof "D5.7.1 " + 1 };

static int
say_red(void)
{
	struct submit_result reply;
	struct buf           text;
	int                  code;

	buf_init(&text, SAID_MAX);
	reply = reply_red(&text, hiq.result.verdict, &hiq.envelope.id,
	    hiq.config.contact);
	trial_log(hiq.trial, reply.code, NULL);
	code = say('D', &reply, QMAIL_QUEUE_SPAM);
	buf_finish(&text);
	return code;
}

/* why: NULL when the verdict says it. */
static int
say_error(const char *why)
{
	struct submit_result reply;
	struct buf           text;
	int                  code;

	buf_init(&text, SAID_MAX);
	reply = reply_error(&text, &hiq.envelope.id);
	trial_log(hiq.trial, reply.code, why);
	code = say('Z', &reply, QMAIL_QUEUE_DEFERRED);
	buf_finish(&text);
	return code;
}

static int
say_too_large(void)
{
	static const struct submit_result reply = { 552, { 5, 3, 4 },
		BYTES_INIT("message too large") };

	return say('D', &reply, QMAIL_QUEUE_REJECTED);
}

/* --- the queue --- */

static int
become_queue(void)
{
	successor_become(&hiq.caller, hiq.queue);
	log_text("%s cannot be run: %s", hiq.queue, strerror(errno));
	return QMAIL_QUEUE_DEFERRED;
}

static int
pass_on(void)
{
	trial_log(hiq.trial, 0, NULL);
	successor_queue(&hiq.caller, hiq.queue, hiq.result.fd,
	    buf_bytes(&hiq.handed.envelope.text));
	log_text("%s cannot be run: %s", hiq.queue, strerror(errno));
	return say_error("no queue program");
}

/* --- the filters --- */

static void
on_tried(const struct trial_result *result, void *context)
{
	(void)context;
	hiq.result = *result;
	uv_stop(&hiq.loop);
}

static void
on_gone(void *context)
{
	(void)context;
	hiq.is_gone = true;
	trial_cancel(hiq.trial);
	uv_stop(&hiq.loop);
}

static int
answer(void)
{
	if (hiq.is_gone) {
		trial_log(hiq.trial, 0, "client gone");
		return QMAIL_QUEUE_DEFERRED;
	}
	if (hiq.result.failure)
		return say_error(hiq.result.failure);
	switch (hiq.result.verdict->colour) {
	case COLOUR_NONE:
	case COLOUR_GREEN:
	case COLOUR_YELLOW:
		return pass_on();
	case COLOUR_RED:
		return say_red();
	case COLOUR_ERROR:
		return say_error(NULL);
	}
	return QMAIL_QUEUE_BUG;
}

static int
judge(void)
{
	arena_init(&hiq.arena, ARENA_MAX);
	if (!handed_envelope(&hiq.handed, &hiq.arena, &hiq.envelope) ||
	    uv_loop_init(&hiq.loop) != 0)
		return QMAIL_QUEUE_NO_MEMORY;
	hiq.trial = trial_new(&hiq.loop, hiq.filters, &hiq.envelope,
	    hiq.handed.fd, on_tried, NULL);
	if (hiq.trial == NULL ||
	    !caller_watch(&hiq.caller, &hiq.loop, on_gone, NULL))
		return QMAIL_QUEUE_NO_MEMORY;
	trial_run(hiq.trial);
	if (hiq.result.verdict == NULL) /* else all was clear without a filter's work */
		uv_run(&hiq.loop, UV_RUN_DEFAULT);
	return answer();
}

/* --- the beginning --- */

/* What tcpserver and its like say of the client, for programs. */
static void
find_variables(void)
{
	static const char *const names[VARIABLES_MAX] = {
		"PROTO=", "TCPLOCALIP=", "TCPLOCALPORT=", "TCPLOCALHOST=",
		"TCPREMOTEIP=", "TCPREMOTEPORT=", "TCPREMOTEHOST=",
		"TCPREMOTEINFO=",
	};
	size_t n = 0;

	for (char **e = environ; *e; e++)
		for (size_t i = 0; i < VARIABLES_MAX && n < VARIABLES_MAX; i++)
			if (bytes_start(bytes_of(*e), bytes_of(names[i])) &&
			    bytes_of(*e).n <= VARIABLE_MAX)
				hiq.variables[n++] = *e;
}

static int
filter(void)
{
	enum qmail_queue_code code;

	if (!caller_take(&hiq.caller))
		return QMAIL_QUEUE_DEFERRED;
	if (!hiq.caller.has_message || !hiq.caller.has_envelope)
		return QMAIL_QUEUE_READ_ERROR;
	hiq.filters = filters_of(&hiq.config, scratch);
	if (hiq.filters == NULL)
		return QMAIL_QUEUE_NO_MEMORY;
	find_variables();
	hiq.filters->caller = hiq.variables;
	code = handed_read(&hiq.handed, hiq.config.message_size, scratch);
	if (code == QMAIL_QUEUE_REJECTED)
		return say_too_large();
	return code == QMAIL_QUEUE_OK ? judge() : (int)code;
}

static int
run(void)
{
	if (!settings_read(&hiq.config))
		return QMAIL_QUEUE_NO_CONFIGURATION;
	if (!successor_path(hiq.config.queue, hiq.queue)) {
		log_text("the path of the queue program is too long");
		return QMAIL_QUEUE_NO_CONFIGURATION;
	}
	return hiq.config.n_filter > 0 ? filter() : become_queue();
}

/* --- the test --- */

/* Whether every filter lets a harmless message pass. */
static bool
try_filters(void)
{
	char            host[HOST_NAME_MAX + 1] = "localhost";
	char            error[ERROR_MAX];
	struct filters *filters;
	bool            ok;

	gethostname(host, sizeof host - 1);
	hiq.config.hostname = bytes_of(host);
	filters = filters_of(&hiq.config, scratch);
	if (filters == NULL) {
		log_text("out of memory");
		return false;
	}
	ok = probe_filters(filters, error, sizeof error);
	if (!ok)
		log_text("%s: %s", settings_file(), error);
	filters_release(filters);
	return ok;
}

static int
check(void)
{
	bool ok = settings_read(&hiq.config);

	if (ok && (!successor_path(hiq.config.queue, hiq.queue) ||
	              access(hiq.queue, X_OK) == -1)) {
		log_text("%s: the queue program %s cannot be run: %s",
		    settings_file(), hiq.queue, strerror(errno));
		ok = false;
	}
	return ok && try_filters() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char *argv[])
{
	caller_meet(&hiq.caller);
	log_open("hi-q");
	if (argc <= 1)
		return run();
	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check();
	log_line(BYTES("usage: hi-q [--check]"));
	return EXIT_USAGE;
}
