#include "ampel/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/accounts.h"
#include "ampel/config_load.h"
#include "ampel/control.h"
#include "ampel/helper.h"
#include "ampel/instance.h"
#include "ampel/listener.h"
#include "ampel/logfile.h"
#include "ampel/mailbox.h"
#include "ampel/notify.h"
#include "ampel/pidfile.h"
#include "ampel/readiness.h"
#include "ampel/reload.h"
#include "ampel/role.h"
#include "ampel/secrets.h"
#include "ampel/service_list.h"
#include "ampel/tls_keys.h"
#include "ampel/want.h"
#include "ampel/wiring.h"
#include "base/printable.h"
#include "io/file.h"
#include "io/log.h"
#include "mail/paths.h"

enum {
	EXIT_TROUBLE = 1,
	EXIT_SECOND = 2, /* inside only: another one runs */
	EXIT_MISUSE = 64,
	EXIT_CONFIG = 78,
	ERROR_TEXT = 1024,
};

/* --- the outcome of the start --- */

static void
say_outcome(struct supervisor *s, const char *text)
{
	if (s->outcome < 0)
		return;
	file_write_all(s->outcome, bytes_of(text));
	close(s->outcome);
	s->outcome = -1;
	/* The terminal belongs to whoever typed "start": we log elsewhere now. */
	dup2(s->log, STDERR_FILENO);
	log_open("ampel"); /* it may be a file now */
}

void
supervisor_fail(struct supervisor *s, int code, const char *format, ...)
{
	char    text[ERROR_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	log_text("%s", text);
	s->exit_code = code;
	supervisor_stop(s);
}

/* --- start: helpers, then programs, then everybody works --- */

static bool
is_all(const struct supervisor *s, enum instance_state least)
{
	for (const struct instance *i = s->instances; i; i = i->next)
		if (i->is_wanted && i->state < least)
			return false;
	return true;
}

static void
begin_work(struct supervisor *s)
{
	s->phase = PHASE_RUNNING;
	for (struct instance *i = s->instances; i; i = i->next)
		if (i->state == INSTANCE_PREPARED)
			instance_use(i, s->generation);
}

static void
start_programs(struct supervisor *s)
{
	s->phase = PHASE_PREPARE;
	for (struct instance *i = s->instances, *next; i; i = next) {
		next = i->next;
		if (i->is_wanted)
			instance_start(i);
		if (s->phase != PHASE_PREPARE)
			return; /* it failed */
	}
}

void
supervisor_helper_up(struct supervisor *s)
{
	if (s->phase == PHASE_STOPPING)
		supervisor_stop(s);
	if (s->phase != PHASE_HELPERS)
		return;
	for (const struct helper *h = s->helpers; h; h = h->next)
		if (h->is_wanted && h->state != HELPER_UP)
			return;
	start_programs(s);
}

static void
connect_instance(struct supervisor *s, struct instance *i)
{
	wiring_connect(s, i);
	if (role_is_listener(i->role))
		listener_hand_out(s->listeners, i);
}

/* Started before a reload, prepared behind it: it is brought up to date. */
static void
use_or_update(struct supervisor *s, struct instance *i, uint64_t generation,
    bool is_first)
{
	if (generation == s->generation)
		instance_use(i, generation);
	else if (is_first)
		instance_send_config(i, s->config, s->secrets, s->generation);
}

void
supervisor_prepared(struct supervisor *s, struct instance *i,
    uint64_t generation, bool is_first)
{
	if (i->role == ROLE_MAILBOX) {
		if (is_first)
			mailbox_prepared(i, generation);
		return;
	}
	if (reload_prepared(s, i, generation, is_first))
		return;
	if (is_first)
		connect_instance(s, i);
	if (s->phase == PHASE_RUNNING) {
		use_or_update(s, i, generation, is_first);
		if (is_first && i->role == ROLE_DELIVER)
			want_tell_users(i);
	} else if (s->phase == PHASE_PREPARE &&
	    is_all(s, INSTANCE_PREPARED)) {
		begin_work(s);
	}
}

/* Without a configuration it can do nothing: it ends, and the next tries again. */
static void
end_unfit(struct instance *i)
{
	if (i->child && (i->state == INSTANCE_STARTING ||
	                    i->state == INSTANCE_PREPARED))
		child_signal(i->child, SIGKILL);
}

void
supervisor_refused(struct supervisor *s, struct instance *i,
    uint64_t generation, struct bytes text)
{
	struct buf shown;

	buf_init(&shown, ERROR_TEXT);
	printable_add(&shown, text, ERROR_TEXT - 1);
	if (reload_awaits(s, i, generation)) {
		reload_refused(s, i, buf_string(&shown));
	} else if (s->phase == PHASE_PREPARE) {
		supervisor_fail(s, EXIT_CONFIG, "%s: %s", role_program(i->role),
		    buf_string(&shown));
	} else {
		log_text("%s: %s", role_program(i->role), buf_string(&shown));
		end_unfit(i);
	}
	buf_finish(&shown);
}

void
supervisor_ready(struct supervisor *s, struct instance *i)
{
	(void)i;
	if (s->is_up || s->phase != PHASE_RUNNING || !is_all(s, INSTANCE_READY))
		return;
	s->is_up = true;
	say_outcome(s, SUPERVISOR_UP);
	readiness_check(s);
}

void
supervisor_ended(struct supervisor *s, struct instance *i)
{
	reload_ended(s, i);
	if (i->role == ROLE_DELIVER) {
		i->is_wanted = false;
		want_fail_all(i);
	}
	if (i->role == ROLE_MAILBOX) {
		instance_free(i);
		if (s->phase == PHASE_STOPPING)
			supervisor_stop(s);
		return;
	}
	switch (s->phase) {
	case PHASE_HELPERS:
		break;
	case PHASE_PREPARE:
		if (i->is_wanted)
			supervisor_fail(s, EXIT_TROUBLE, "%s did not start",
			    role_program(i->role));
		break;
	case PHASE_RUNNING:
		if (i->is_wanted)
			instance_start(i);
		else if (i->role == ROLE_DELIVER && i->failures == 0)
			instance_free(i);
		break;
	case PHASE_STOPPING:
		supervisor_stop(s);
		break;
	}
}

/* --- stop: in the direction of the mail, helpers last --- */

static bool
stop_role(struct supervisor *s, enum peer_role role)
{
	struct instance *i = NULL;
	bool             gone = true;

	while ((i = instance_find(s, role, i)) != NULL) {
		instance_stop(i);
		if (i->state != INSTANCE_DOWN)
			gone = false;
	}
	return gone;
}

static bool
stop_roles(struct supervisor *s, const enum peer_role *roles, size_t n)
{
	bool gone = true;

	for (size_t i = 0; i < n && roles[i] != ROLE_NONE; i++)
		gone = stop_role(s, roles[i]) && gone;
	return gone;
}

static bool
stop_helpers(struct supervisor *s)
{
	bool gone = true;

	for (struct helper *h = s->helpers; h; h = h->next) {
		if (h->state != HELPER_STOPPING)
			helper_stop(h);
		if (h->child)
			gone = false;
	}
	return gone;
}

/*
 * The queue waits for what is in flight, also for a process that has not begun, or
 * waits to be started again: it will not, and what was wanted of it is answered.
 */
static void
stop_unbegun(struct supervisor *s)
{
	struct instance *i = NULL;

	while ((i = instance_find(s, ROLE_DELIVER, i)) != NULL)
		if (i->state != INSTANCE_READY) {
			instance_stop(i);
			want_fail_all(i);
		}
}

/* Called again whenever something has ended. */
void
supervisor_stop(struct supervisor *s)
{
	/* A step begins when the one before is done. A session ends its mailbox. */
	static const enum peer_role steps[][3] = {
		{ ROLE_SMTPD, ROLE_POP3D },
		{ ROLE_HIQ, ROLE_MAILBOX },
		/* remote ends or gives back what the queue waits for */
		{ ROLE_QUEUE, ROLE_AUTH, ROLE_REMOTE },
		{ ROLE_DELIVER, ROLE_LOOKUP },
		{ ROLE_FETCH },
		{ ROLE_DNS },
	};

	if (s->phase != PHASE_STOPPING)
		notify_say("STOPPING=1\nSTATUS=letting what is in flight finish");
	s->phase = PHASE_STOPPING;
	readiness_abandon(s);
	reload_abandon(s);
	listener_close(&s->listeners, NULL);
	stop_unbegun(s);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (!stop_roles(s, steps[i], 3))
			return;
	if (!stop_helpers(s))
		return;
	if (control_finish(s->control))
		uv_stop(&s->loop);
}

static void
on_stop_signal(uv_signal_t *signal, int number)
{
	(void)number;
	supervisor_stop(signal->data);
}

static void
log_reload(bool ok, const char *text, void *context)
{
	(void)context;
	if (ok)
		log_text("the configuration was taken anew");
	else
		log_text("the old configuration stays: %s", text);
}

static void
on_hangup(uv_signal_t *signal, int number)
{
	(void)number;
	supervisor_reload(signal->data, log_reload, NULL);
}

/* Everything in the queue is due now. */
static void
on_alarm(uv_signal_t *signal, int number)
{
	const struct supervisor *s = signal->data;
	struct instance         *queue = instance_find(s, ROLE_QUEUE, NULL);
	struct buf               frame;

	(void)number;
	if (queue == NULL || queue->state != INSTANCE_READY)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_retry_all_add(&frame, &(struct msg_retry_all){ 0 });
	instance_send(queue, &frame, NULL, 0);
	buf_finish(&frame);
}

/* --- before anything runs --- */

/* Root gives it its account. False: there is none. */
static bool
give_account(const struct supervisor *s, struct instance *i)
{
	char     account[ACCOUNT_NAME];
	uint32_t uid, gid;

	if (!s->is_root || account_is_root(s->config, i->role))
		return true;
	if (!account_of(s->config, i->role, bytes_of(i->name), account) ||
	    !account_find(account, &uid, &gid))
		return false;
	instance_set_uid(i, uid, gid);
	return true;
}

static bool
add_program(struct supervisor *s, enum peer_role role, struct bytes name)
{
	char             folder[PATHS_MAX];
	bool             has = account_folder(s->config, role, name, folder);
	struct instance *i = instance_new(s, role, name, has ? folder : NULL,
	    role_is_jailed(role));

	if (i == NULL)
		return false;
	if (!give_account(s, i)) {
		instance_free(i);
		return false;
	}
	i->is_wanted = true;
	return true;
}

bool
supervisor_add_listener(struct supervisor *s, const struct config_listen *l)
{
	for (uint64_t w = 0; w < l->workers; w++)
		if (!add_program(s, role_of_listener(l->name), l->name))
			return false;
	return true;
}

bool
supervisor_add_judge(struct supervisor *s)
{
	return add_program(s, ROLE_HIQ, BYTES("hiq"));
}

static bool
open_listeners(struct supervisor *s, char *error, size_t size)
{
	for (size_t i = 0; i < s->config->n_listen; i++) {
		const struct config_listen *l = &s->config->listen[i];

		if (!service_is_selected(s, l->name))
			continue;
		if (!listener_open(&s->listeners, l, error, size))
			return false;
		if (!supervisor_add_listener(s, l)) {
			snprintf(error, size, "no memory");
			return false;
		}
	}
	return true;
}

static bool
add_helpers(struct supervisor *s)
{
	for (size_t i = 0; i < s->config->n_helper; i++)
		if (helper_new(s, s->config->helper[i].name) == NULL)
			return false;
	return true;
}

/* All but the workers of listeners. False: no memory. */
static bool
add_programs(struct supervisor *s)
{
	/* those that every server has */
	static const enum peer_role always[] = {
		ROLE_LOOKUP, ROLE_QUEUE, ROLE_DNS, ROLE_FETCH, ROLE_REMOTE,
	};

	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		if (!add_program(s, always[i], bytes_of(role_name(always[i]))))
			return false;
	if (s->is_send_stopped)
		instance_find(s, ROLE_REMOTE, NULL)->is_wanted = false;
	return add_helpers(s) &&
	    (s->config->n_filter == 0 || supervisor_add_judge(s)) &&
	    (!role_is_auth_needed(s->config) ||
	        add_program(s, ROLE_AUTH, BYTES("auth")));
}

/* A name that is mistyped must not become a server without that service. */
static bool
are_services(struct supervisor *s, char **names, size_t n, char *error,
    size_t size)
{
	struct service found;

	for (size_t i = 0; i < n; i++)
		if (!service_find(s->config, bytes_of(names[i]), &found, error,
		        size))
			return false;
	return true;
}

/*
 * Everything that can be found out without starting a process. 0, or the exit code
 * with a line in error.
 */
static int
prepare(struct supervisor *s, int is_daemon, char *error, size_t size)
{
	enum pidfile_claim claim;

	if (s->is_root && !accounts_check(s->config, error, size))
		return EXIT_CONFIG;
	if (!accounts_make_folders(s->config, s->is_root, error, size))
		return EXIT_CONFIG;
	claim = pidfile_take(s->config, error, size);
	if (claim != PIDFILE_OURS)
		return claim == PIDFILE_OTHERS ? EXIT_SECOND : EXIT_TROUBLE;
	s->log = logfile_open(&s->loop, s->config, is_daemon, error, size);
	if (s->log < 0)
		return EXIT_CONFIG;
	s->control = control_open(s, error, size);
	if (s->control == NULL)
		return EXIT_TROUBLE;
	if (!add_programs(s)) {
		snprintf(error, size, "no memory");
		return EXIT_TROUBLE;
	}
	s->secrets = secrets_load(s->config, NULL, error, size);
	if (s->secrets == NULL)
		return EXIT_CONFIG;
	return open_listeners(s, error, size) ? 0 : EXIT_CONFIG;
}

static void
watch_signals(struct supervisor *s)
{
	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	uv_signal_init(&s->loop, &s->hangup);
	uv_signal_init(&s->loop, &s->alarm);
	s->term.data = s->interrupt.data = s->hangup.data = s->alarm.data = s;
	uv_signal_start(&s->term, on_stop_signal, SIGTERM);
	uv_signal_start(&s->interrupt, on_stop_signal, SIGINT);
	uv_signal_start(&s->hangup, on_hangup, SIGHUP);
	uv_signal_start(&s->alarm, on_alarm, SIGALRM);
	signal(SIGPIPE, SIG_IGN);
}

static void
start(struct supervisor *s)
{
	if (!s->is_root)
		log_text("started without root: all programs run as uid %u",
		    (unsigned)getuid());
	tls_keys_warn(secrets_keys(s->secrets));
	readiness_start_watchdog(s);
	s->phase = PHASE_HELPERS;
	for (struct helper *h = s->helpers; h; h = h->next)
		if (service_is_selected(s, bytes_of(h->name)))
			helper_start(h);
	supervisor_helper_up(s);
}

static void
undo(struct supervisor *s)
{
	while (s->instances)
		instance_free(s->instances);
	while (s->helpers)
		helper_free(s->helpers);
	listener_close(&s->listeners, NULL);
	control_close(s->control);
	logfile_close();
	pidfile_release();
	notify_close();
	secrets_free(s->secrets);
	config_finish(s->config);
	free(s->config);
}

/* The exit code. Two that were started at once: the second leaves it to the first. */
static int
say_why_not(struct supervisor *s, int code, const char *error)
{
	if (code == EXIT_SECOND && s->outcome >= 0)
		file_write_all(s->outcome, BYTES(SUPERVISOR_SECOND));
	else
		log_text("%s", error);
	return code == EXIT_SECOND ? EXIT_TROUBLE : code;
}

int
supervisor_run(const char *config_file, char **names, size_t n_names,
    int outcome)
{
	static struct supervisor s;
	char                     error[ERROR_TEXT] = "";
	int                      code;

	s = (struct supervisor){
		.config_file = config_file,
		.is_root = geteuid() == 0,
		.outcome = outcome,
		.generation = 1,
		.last_generation = 1,
		.log = -1,
	};
	log_open("ampel");
	notify_open(outcome < 0);
	umask(022);
	uv_loop_init(&s.loop);
	s.config = config_load_or_say(config_file);
	if (s.config == NULL)
		return EXIT_CONFIG;
	service_select(&s, names, n_names);
	watch_signals(&s);
	code = are_services(&s, names, n_names, error, sizeof error)
	    ? prepare(&s, outcome >= 0, error, sizeof error)
	    : EXIT_MISUSE;
	if (code == 0) {
		start(&s);
		uv_run(&s.loop, UV_RUN_DEFAULT);
		code = s.exit_code;
	} else {
		code = say_why_not(&s, code, error);
	}
	undo(&s);
	return code;
}
