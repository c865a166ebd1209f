/*
 * Services, as the administrator names them: each listener by its name, "send" for
 * deliveries, each helper by its name.
 */
#ifndef AMPEL_AMPEL_SERVICE_LIST_H
#define AMPEL_AMPEL_SERVICE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "mail/config.h"

struct supervisor;

enum { SERVICES_MAX = 64 };

enum service_kind { SERVICE_LISTENER, SERVICE_SEND, SERVICE_HELPER };

struct service {
	enum service_kind kind;
	struct bytes      name; /* borrows from the configuration, or a literal */
};

/* All of a configuration, in the order in which they are started. */
size_t services_of(const struct config *config, struct service *out, size_t max);

/*
 * False with a line in error: there is none of that name. pop3 explains why there is
 * none and never will be.
 */
bool service_find(const struct config *config, struct bytes name,
    struct service *out, char *error, size_t size);

/* --- in the supervisor --- */

/* Which to begin with; none: all. The array must live on. */
void service_select(struct supervisor *s, char **names, size_t n);
bool service_is_selected(const struct supervisor *s, struct bytes name);

/* False with a line in error when it cannot be begun (port in use). */
bool service_start(struct supervisor *s, const struct service *service,
    char *error, size_t size);
void service_stop(struct supervisor *s, const struct service *service);
/* Signal its process groups; the queue's store never. */
void service_kill(
    struct supervisor *s, const struct service *service, int signal);

enum service_state {
	SERVICE_STOPPED, /* and meant to be */
	SERVICE_RUNNING,
	SERVICE_STARTING,
	SERVICE_STOPPING,
	SERVICE_FAILED,  /* meant to run, and down */
};

enum service_state service_state(
    const struct supervisor *s, const struct service *service);
const char *service_state_name(enum service_state state);

/* For people: process ids, or the last failure. */
struct buf;
void service_describe(
    const struct supervisor *s, const struct service *service, struct buf *out);

#endif
