#include "ampel/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ampel/accounts.h"
#include "ampel/config_load.h"
#include "ampel/helper.h"
#include "ampel/instance.h"
#include "ampel/notify.h"
#include "ampel/role.h"
#include "ampel/secrets.h"
#include "ampel/service_list.h"
#include "ampel/supervisor.h"
#include "ampel/tls_keys.h"
#include "ampel/wiring.h"
#include "base/buf.h"

enum { TEXT_MAX = 64 * 1024 };

struct reload {
	struct config   *config;
	struct secrets  *secrets;
	uint64_t         generation;
	reload_done     *done;
	void            *context;
	bool             is_judge_new; /* hiq is being started for it */
};

static void
drop(struct config *config, struct secrets *secrets)
{
	config_free(config);
	secrets_free(secrets);
}

static void
end(struct supervisor *s, bool ok, const char *text)
{
	struct reload *r = s->reload;

	s->reload = NULL;
	notify_say(ok ? "READY=1\nSTATUS=running"
	              : "READY=1\nSTATUS=running; the last reload was refused");
	if (!ok && r->is_judge_new) /* it holds what nobody will use */
		instance_stop(instance_find(s, ROLE_HIQ, NULL));
	for (struct instance *i = s->instances; i; i = i->next)
		i->awaits_reload = i->is_prepared_for_reload = false;
	if (!ok)
		drop(r->config, r->secrets);
	r->done(ok, text, r->context);
	free(r);
}

static const struct config_listen *
find_listen(const struct config *c, struct bytes name)
{
	for (size_t i = 0; i < c->n_listen; i++)
		if (bytes_equal(c->listen[i].name, name))
			return &c->listen[i];
	return NULL;
}

static bool
is_same_listen(const struct config_listen *a, const struct config_listen *b)
{
	if (a->workers != b->workers || a->address.n != b->address.n)
		return false;
	for (size_t i = 0; i < a->address.n; i++)
		if (!bytes_equal(a->address.v[i].text, b->address.v[i].text))
			return false;
	return true;
}

/* Listeners whose block has changed need `ampel restart NAME`; new ones just start. */
static const char *
find_changed_listener(const struct config *old, const struct config *new)
{
	for (size_t i = 0; i < old->n_listen; i++) {
		const struct config_listen *l =
		    find_listen(new, old->listen[i].name);

		if (l == NULL || !is_same_listen(&old->listen[i], l))
			return "a listen block has changed: stop and start the "
			       "server";
	}
	return new->n_listen != old->n_listen
	    ? "a listen block is new: stop and start the server"
	    : NULL;
}

/* What a running server cannot change; NULL: nothing of that differs. */
static const char *
find_obstacle(const struct config *old, const struct config *new)
{
	if (!bytes_equal(old->root, new->root))
		return "\"root\" has changed: stop and start the server";
	if (!bytes_equal(old->log, new->log))
		return "\"log\" has changed: stop and start the server";
	/* ampel-remote and ampel-fetch cannot reach it any more */
	if (!bytes_equal(old->authorities, new->authorities))
		return "\"authorities\" has changed: stop and start the server";
	/* who checks passwords became that account when it started */
	if (!bytes_equal(old->password_check, new->password_check) ||
	    !bytes_equal(old->password_user, new->password_user))
		return "how passwords are checked has changed: stop and start "
		       "the server";
	return find_changed_listener(old, new);
}

static bool
has_helper(const struct config *c, struct bytes name)
{
	for (size_t i = 0; i < c->n_helper; i++)
		if (bytes_equal(c->helper[i].name, name))
			return true;
	return false;
}

/* Helpers that are gone stop, new ones start. */
static void
apply_helpers(struct supervisor *s, const struct config *old)
{
	char error[128];

	for (struct helper *h = s->helpers; h; h = h->next)
		if (!has_helper(s->config, bytes_of(h->name)))
			helper_stop(h);
	for (size_t i = 0; i < s->config->n_helper; i++) {
		struct service service = { SERVICE_HELPER,
			s->config->helper[i].name };

		if (!has_helper(old, service.name))
			service_start(s, &service, error, sizeof error);
	}
}

/* A mailbox is there for one session, and its configuration says nothing to it. */
static bool
is_reloaded(const struct instance *i)
{
	return instance_can_be_wired(i) && i->role != ROLE_MAILBOX;
}

/* All have prepared: from here on it cannot fail. */
static void
apply(struct supervisor *s)
{
	struct reload   *r = s->reload;
	struct config   *old = s->config;
	struct secrets  *old_secrets = s->secrets;
	struct instance *judge = instance_find(s, ROLE_HIQ, NULL);
	bool             was_judged = old->n_filter > 0;

	s->config = r->config;
	s->secrets = r->secrets;
	s->generation = r->generation;
	for (struct instance *i = s->instances; i; i = i->next)
		if (i->is_prepared_for_reload)
			instance_use(i, s->generation);
		else if (is_reloaded(i)) /* it started meanwhile */
			instance_send_config(
			    i, s->config, s->secrets, s->generation);
	if (r->is_judge_new || (was_judged && s->config->n_filter == 0))
		wiring_reconnect_smtpd(s);
	if (judge && s->config->n_filter == 0)
		instance_stop(judge);
	apply_helpers(s, old);
	drop(old, old_secrets);
	tls_keys_warn(secrets_keys(s->secrets));
	end(s, true, "");
}

static void
check_all(struct supervisor *s)
{
	for (const struct instance *i = s->instances; i; i = i->next)
		if (i->awaits_reload)
			return;
	apply(s);
}

bool
reload_awaits(
    const struct supervisor *s, const struct instance *i, uint64_t generation)
{
	return s->reload && i->awaits_reload &&
	    generation == s->reload->generation;
}

bool
reload_prepared(struct supervisor *s, struct instance *i, uint64_t generation,
    bool is_first)
{
	if (s->reload && i->awaits_reload && is_first &&
	    generation != s->reload->generation) {
		/* The judge, whose start had to wait, began with the old one. */
		instance_send_config(
		    i, s->reload->config, s->reload->secrets,
		    s->reload->generation);
		return true;
	}
	if (!reload_awaits(s, i, generation))
		return false;
	i->awaits_reload = false;
	i->is_prepared_for_reload = true;
	if (i->role == ROLE_HIQ && s->reload->is_judge_new)
		wiring_connect(s, i);
	check_all(s);
	return true;
}

/* A process for deliveries ends when it is idle; of the others it says something. */
void
reload_ended(struct supervisor *s, struct instance *i)
{
	bool is_awaited = i->awaits_reload;

	i->awaits_reload = i->is_prepared_for_reload = false;
	if (s->reload == NULL || !is_awaited)
		return;
	if (i->role == ROLE_DELIVER)
		check_all(s);
	else
		reload_refused(s, i, "it ended");
}

void
reload_refused(struct supervisor *s, struct instance *i, const char *why)
{
	char text[1024];

	i->awaits_reload = false;
	if (s->reload == NULL)
		return;
	snprintf(text, sizeof text, "%s: %s", role_program(i->role), why);
	end(s, false, text);
}

void
reload_abandon(struct supervisor *s)
{
	if (s->reload)
		end(s, false, "the server is stopping");
}

/* The judge is new: it starts with the new configuration, before the others use it. */
static bool
start_judge(struct supervisor *s)
{
	struct reload   *r = s->reload;
	struct instance *judge = instance_find(s, ROLE_HIQ, NULL);
	struct config   *old = s->config;
	uint64_t         before = s->generation;

	if (judge == NULL && !supervisor_add_judge(s))
		return false;
	judge = instance_find(s, ROLE_HIQ, NULL);
	r->is_judge_new = true;
	s->config = r->config; /* what a starting program is sent */
	s->generation = r->generation;
	instance_start(judge);
	s->config = old;
	s->generation = before;
	judge->awaits_reload = true;
	return true;
}

static void
send_parts(struct supervisor *s)
{
	struct reload         *r = s->reload;
	const struct instance *judge = instance_find(s, ROLE_HIQ, NULL);

	for (struct instance *i = s->instances; i; i = i->next) {
		if (is_reloaded(i))
			i->awaits_reload = instance_send_config(
			    i, r->config, r->secrets, r->generation);
	}
	if (r->config->n_filter > 0 && (judge == NULL || !judge->is_wanted) &&
	    !start_judge(s)) {
		end(s, false, "no memory");
		return;
	}
	check_all(s);
}

/* The file as it is now. NULL with a text: it is not fit, or needs a new start. */
static struct config *
load(const struct supervisor *s, char *error, size_t size)
{
	struct buf     messages;
	struct config *config;
	const char    *obstacle;

	buf_init(&messages, TEXT_MAX);
	config = config_load(s->config_file, &messages);
	snprintf(error, size, "%s", buf_string(&messages));
	buf_finish(&messages);
	if (config == NULL)
		return NULL;
	obstacle = find_obstacle(s->config, config);
	if (obstacle)
		snprintf(error, size, "%s", obstacle);
	/* what a first filter needs may be missing so far */
	else if ((!s->is_root || accounts_check(config, error, size)) &&
	    accounts_make_folders(config, s->is_root, error, size))
		return config;
	config_free(config);
	return NULL;
}

/* False with a text. */
static bool
begin(struct supervisor *s, char *error, size_t size)
{
	struct config  *config = load(s, error, size);
	struct secrets *secrets =
	    config ? secrets_load(config, s->secrets, error, size) : NULL;

	s->reload = secrets ? calloc(1, sizeof *s->reload) : NULL;
	if (s->reload == NULL) {
		if (secrets)
			snprintf(error, size, "no memory");
		drop(config, secrets);
		return false;
	}
	s->reload->config = config;
	s->reload->secrets = secrets;
	return true;
}

void
supervisor_reload(struct supervisor *s, reload_done *done, void *context)
{
	static char error[TEXT_MAX]; /* one reload at a time */

	if (s->reload || s->phase != PHASE_RUNNING) {
		done(false, "busy: try again in a moment", context);
		return;
	}
	if (!begin(s, error, sizeof error)) {
		done(false, error, context);
		return;
	}
	s->reload->generation = ++s->last_generation;
	s->reload->done = done;
	s->reload->context = context;
	notify_reloading();
	send_parts(s);
}
