/*
 * The supervisor, `ampel run`: binds every socket, starts the other programs, wires
 * them together, restarts what dies, and answers the administrator. It parses no mail
 * and takes no uid, path or command from a child.
 */
#ifndef AMPEL_AMPEL_SUPERVISOR_H
#define AMPEL_AMPEL_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "mail/config.h"

struct instance;
struct helper;
struct secrets;
struct listener;
struct control;
struct child;

enum supervisor_phase {
	PHASE_HELPERS,  /* helpers come up */
	PHASE_PREPARE,  /* programs take their configuration and drop privileges */
	PHASE_RUNNING,
	PHASE_STOPPING,
};

struct supervisor {
	uv_loop_t             loop;
	const char           *config_file;
	struct config        *config;
	struct secrets       *secrets;
	bool                  is_root;
	int                   log;           /* stderr of every child */
	int                   outcome;       /* of the start, goes here; -1: nowhere */
	enum supervisor_phase phase;
	uint64_t              generation;      /* of config */
	uint64_t              last_generation; /* of a reload, good or not */
	uint64_t              last_serial;
	struct instance      *instances;
	struct helper        *helpers;
	struct listener      *listeners;
	struct control       *control;
	struct reload        *reload;        /* under way, or NULL */
	bool                  is_send_stopped;
	char                **selected;      /* services to begin with; none: all */
	size_t                n_selected;
	struct child         *self_check;    /* `ampel answers`, before READY=1 */
	bool                  is_up;         /* everything has worked once */
	uv_timer_t            watchdog;
	uv_signal_t           term, interrupt, hangup, alarm;
	int                   exit_code;
};

/* What goes to the descriptor for the outcome of the start; when it fails: nothing. */
#define SUPERVISOR_UP     "ok\n"
#define SUPERVISOR_SECOND "second\n" /* another one runs */

/*
 * Run until stopped. `names` are the services to begin with, none: all. outcome is the
 * descriptor for the outcome of the start, or -1: then this is the main process for
 * systemd. Returns the exit code: 78 when the configuration or the system is not fit, with
 * a line that says why.
 */
int supervisor_run(
    const char *config_file, char **names, size_t n_names, int outcome);

/* A start that cannot succeed: say why, undo, end with code. */
void supervisor_fail(struct supervisor *s, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- what the parts tell the supervisor --- */

/*
 * A helper is up; a program has prepared (is_first: it has just been started), has
 * refused a configuration, is ready, has ended.
 */
void supervisor_helper_up(struct supervisor *s);
void supervisor_prepared(struct supervisor *s, struct instance *i,
    uint64_t generation, bool is_first);
void supervisor_refused(struct supervisor *s, struct instance *i,
    uint64_t generation, struct bytes text);
void supervisor_ready(struct supervisor *s, struct instance *i);
void supervisor_ended(struct supervisor *s, struct instance *i);

/* More programs, after a reload: a listener's workers, the judge. False: no memory. */
bool supervisor_add_listener(
    struct supervisor *s, const struct config_listen *block);
bool supervisor_add_judge(struct supervisor *s);

/* Everything off, then the loop ends. */
void supervisor_stop(struct supervisor *s);

/*
 * Take the configuration file anew; done comes once, with a text for people that is
 * empty on success.
 */
typedef void reload_done(bool ok, const char *text, void *context);
void supervisor_reload(
    struct supervisor *s, reload_done *done, void *context);

#endif
