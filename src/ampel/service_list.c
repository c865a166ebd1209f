#include "ampel/service_list.h"

#include <stdio.h>
#include <string.h>

#include "ampel/helper.h"
#include "ampel/instance.h"
#include "ampel/listener.h"
#include "ampel/role.h"
#include "ampel/secrets.h"
#include "ampel/supervisor.h"
#include "ampel/tls_keys.h"
#include "base/buf.h"
#include "io/clock.h"

static const char no_pop3[] =
    "pop3: there is no such service: it would send passwords in the clear; "
    "use pop3s (TLS)";

size_t
services_of(const struct config *config, struct service *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_helper && n < max; i++)
		out[n++] = (struct service){ SERVICE_HELPER,
			config->helper[i].name };
	if (n < max)
		out[n++] = (struct service){ SERVICE_SEND, BYTES("send") };
	for (size_t i = 0; i < config->n_listen && n < max; i++)
		out[n++] = (struct service){ SERVICE_LISTENER,
			config->listen[i].name };
	return n;
}

bool
service_find(const struct config *config, struct bytes name,
    struct service *out, char *error, size_t size)
{
	struct service all[SERVICES_MAX];
	size_t         n = services_of(config, all, SERVICES_MAX);
	int            at;

	for (size_t i = 0; i < n; i++)
		if (bytes_equal(all[i].name, name)) {
			*out = all[i];
			return true;
		}
	if (bytes_equal(name, BYTES("pop3"))) {
		snprintf(error, size, "%s", no_pop3);
		return false;
	}
	at = snprintf(error, size, "%.*s: no such service; there are:",
	    BYTES_ARG(name));
	for (size_t i = 0; i < n && at > 0 && (size_t)at < size; i++)
		at += snprintf(error + at, size - (size_t)at, " %.*s",
		    BYTES_ARG(all[i].name));
	return false;
}

void
service_select(struct supervisor *s, char **names, size_t n)
{
	s->selected = names;
	s->n_selected = n;
	s->is_send_stopped = !service_is_selected(s, BYTES("send"));
}

bool
service_is_selected(const struct supervisor *s, struct bytes name)
{
	for (size_t i = 0; i < s->n_selected; i++)
		if (bytes_equal(bytes_of(s->selected[i]), name))
			return true;
	return s->n_selected == 0;
}

/* --- the instances of a service --- */

/* Those of "send": each user's, then the one for other hosts. */
static struct instance *
next_sender(const struct supervisor *s, const struct instance *after)
{
	struct instance *i;

	if (after && after->role == ROLE_REMOTE)
		return instance_find(s, ROLE_REMOTE, after);
	i = instance_find(s, ROLE_DELIVER, after);
	return i ? i : instance_find(s, ROLE_REMOTE, NULL);
}

/* Of a listener its workers, of "send" the processes for deliveries. */
static struct instance *
next_instance(const struct supervisor *s, const struct service *service,
    const struct instance *after)
{
	enum peer_role   role = role_of_listener(service->name);
	struct instance *i;

	if (service->kind == SERVICE_HELPER)
		return NULL;
	if (service->kind == SERVICE_SEND)
		return next_sender(s, after);
	i = instance_find(s, role, after);
	while (i && !bytes_equal(bytes_of(i->name), service->name))
		i = instance_find(s, role, i);
	return i;
}

static const struct config_listen *
block_of(const struct config *config, struct bytes name)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (bytes_equal(config->listen[i].name, name))
			return &config->listen[i];
	return NULL;
}

static void
pause_queue(struct supervisor *s, bool on)
{
	struct instance *queue = instance_find(s, ROLE_QUEUE, NULL);
	struct buf       frame;

	s->is_send_stopped = on;
	if (queue == NULL)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_pause_add(&frame, &(struct msg_pause){ on });
	instance_send(queue, &frame, NULL, 0);
	buf_finish(&frame);
}

/* --- start --- */

static bool
start_listener(struct supervisor *s, const struct service *service,
    char *error, size_t size)
{
	const struct config_listen *block = block_of(s->config, service->name);
	struct instance            *i = next_instance(s, service, NULL);

	if (i && i->is_wanted)
		return true; /* it runs, or will */
	if (block == NULL || !listener_open(&s->listeners, block, error, size)) {
		char name[64];

		bytes_to_string(service->name, name, sizeof name);
		listener_close(&s->listeners, name);
		return false;
	}
	if (i == NULL && !supervisor_add_listener(s, block)) {
		snprintf(error, size, "no memory");
		return false;
	}
	for (i = next_instance(s, service, NULL); i;
	     i = next_instance(s, service, i))
		instance_start(i);
	return true;
}

/* Those for users come when there is something for them. */
static void
start_remote(struct supervisor *s)
{
	struct instance *remote = instance_find(s, ROLE_REMOTE, NULL);

	if (remote)
		instance_start(remote);
}

bool
service_start(struct supervisor *s, const struct service *service, char *error,
    size_t size)
{
	struct helper *h;

	switch (service->kind) {
	case SERVICE_LISTENER:
		return start_listener(s, service, error, size);
	case SERVICE_SEND:
		pause_queue(s, false);
		start_remote(s);
		return true;
	case SERVICE_HELPER:
		h = helper_find(s, service->name);
		if (h == NULL)
			h = helper_new(s, service->name);
		if (h)
			helper_start(h);
		return h != NULL;
	}
	return false;
}

/* --- stop --- */

void
service_stop(struct supervisor *s, const struct service *service)
{
	char           name[64];
	struct helper *h = helper_find(s, service->name);

	if (service->kind == SERVICE_HELPER) {
		if (h)
			helper_stop(h);
		return;
	}
	if (service->kind == SERVICE_SEND) {
		pause_queue(s, true);
	} else {
		bytes_to_string(service->name, name, sizeof name);
		listener_close(&s->listeners, name);
	}
	for (struct instance *i = next_instance(s, service, NULL); i;
	     i = next_instance(s, service, i))
		instance_stop(i);
}

/* One that hangs does not see that its session has ended. */
static void
kill_mailboxes(const struct supervisor *s, int signal)
{
	struct instance *i = NULL;

	while ((i = instance_find(s, ROLE_MAILBOX, i)) != NULL)
		if (i->child)
			child_signal_group(i->child, signal);
}

void
service_kill(struct supervisor *s, const struct service *service, int signal)
{
	struct helper *h = helper_find(s, service->name);

	if (service->kind == SERVICE_HELPER && h)
		helper_kill(h, signal);
	for (struct instance *i = next_instance(s, service, NULL); i;
	     i = next_instance(s, service, i))
		if (i->child)
			child_signal_group(i->child, signal);
	if (service->kind == SERVICE_LISTENER &&
	    role_of_listener(service->name) == ROLE_POP3D)
		kill_mailboxes(s, signal);
}

/* --- how it is --- */

static enum service_state
helper_service_state(const struct helper *h)
{
	if (h == NULL)
		return SERVICE_STOPPED;
	switch (h->state) {
	case HELPER_UP:
		return SERVICE_RUNNING;
	case HELPER_STARTING:
		return SERVICE_STARTING;
	case HELPER_STOPPING:
		return SERVICE_STOPPING;
	case HELPER_DOWN:
		break;
	}
	return h->is_wanted ? SERVICE_FAILED : SERVICE_STOPPED;
}

static enum service_state
instance_service_state(const struct instance *i)
{
	switch (i->state) {
	case INSTANCE_READY:
		return SERVICE_RUNNING;
	case INSTANCE_STARTING:
	case INSTANCE_PREPARED:
		return SERVICE_STARTING;
	case INSTANCE_STOPPING:
		return SERVICE_STOPPING;
	case INSTANCE_DOWN:
		break;
	}
	return i->is_wanted ? SERVICE_FAILED : SERVICE_STOPPED;
}

static enum service_state
worse(enum service_state a, enum service_state b)
{
	return a > b ? a : b;
}

/*
 * Deliveries to users come and go: what counts is that the queue works and may lease, and
 * that somebody takes what is for other hosts.
 */
static enum service_state
send_state(const struct supervisor *s)
{
	const struct instance *queue = instance_find(s, ROLE_QUEUE, NULL);
	const struct instance *remote = instance_find(s, ROLE_REMOTE, NULL);

	if (s->is_send_stopped || queue == NULL || !queue->is_wanted) {
		for (struct instance *i = next_sender(s, NULL); i;
		     i = next_sender(s, i))
			if (i->state != INSTANCE_DOWN)
				return SERVICE_STOPPING;
		return queue && !queue->is_wanted
		    ? instance_service_state(queue)
		    : SERVICE_STOPPED;
	}
	return remote ? worse(instance_service_state(queue),
	                    instance_service_state(remote))
	              : instance_service_state(queue);
}

enum service_state
service_state(const struct supervisor *s, const struct service *service)
{
	struct instance   *i;
	enum service_state state = SERVICE_STOPPED;

	if (service->kind == SERVICE_HELPER)
		return helper_service_state(helper_find(s, service->name));
	if (service->kind == SERVICE_SEND)
		return send_state(s);
	/* The worst of its workers. */
	for (i = next_instance(s, service, NULL); i;
	     i = next_instance(s, service, i))
		state = worse(state, instance_service_state(i));
	return state;
}

const char *
service_state_name(enum service_state state)
{
	static const char *const names[] = {
		[SERVICE_STOPPED] = "stopped",
		[SERVICE_RUNNING] = "running",
		[SERVICE_STARTING] = "starting",
		[SERVICE_STOPPING] = "stopping",
		[SERVICE_FAILED] = "FAILED",
	};

	return names[state];
}

void
service_describe(
    const struct supervisor *s, const struct service *service, struct buf *out)
{
	const struct helper *h = helper_find(s, service->name);
	const struct instance *queue = instance_find(s, ROLE_QUEUE, NULL);

	if (service->kind == SERVICE_HELPER) {
		if (h && h->child)
			buf_addf(out, "pid %d", (int)child_pid(h->child));
		else if (h)
			buf_add_string(out, h->error);
		return;
	}
	if (service->kind == SERVICE_SEND && queue && queue->child)
		buf_addf(out, "pid %d", (int)child_pid(queue->child));
	for (const struct instance *i = next_instance(s, service, NULL); i;
	     i = next_instance(s, service, i))
		if (i->child)
			buf_addf(out, "%s%d", out->len ? " " : "pid ",
			    (int)child_pid(i->child));
	for (const struct listener *l = s->listeners; l; l = l->next)
		if (bytes_equal(bytes_of(l->name), service->name))
			buf_addf(out, " %s", l->address);
	if (service->kind == SERVICE_LISTENER)
		tls_keys_describe(secrets_keys(s->secrets), service->name,
		    clock_now_ms(), out);
}
