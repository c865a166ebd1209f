#include "service/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"
#include "io/memfile.h"
#include "io/sandbox.h"
#include "proto/config_text.h"

_Static_assert((int)PEER_FRAME_MAX == (int)FRAME_MAX, "one size of frame");
_Static_assert((int)PEER_DESCRIPTORS == (int)FRAME_DESCRIPTORS, "and of its luggage");

enum { CONTROL = 3, ERROR_TEXT = 512, PERMITS_MAX = 16, TICKET_KEY_MAX = 128 };

/* One process is one service: this is its whole state. */
static struct {
	const struct program *program;
	uv_loop_t             loop;
	struct peer          *control;
	struct config        *current; /* in use */
	struct config        *next;    /* prepared, not yet in use */
	uint64_t              next_generation;
	bool                  is_sandboxed;
	int                   secrets; /* of the configuration that came; -1: none */
	char                  ticket_key[TICKET_KEY_MAX];
	size_t                ticket_key_len;
	char                 *instance;
	char                 *directory;
	int                   exit_code;
} service;

uv_loop_t *
service_loop(void)
{
	return &service.loop;
}

struct bytes
service_instance(void)
{
	return bytes_of(service.instance);
}

const char *
service_directory(void)
{
	return service.directory;
}

void
service_control_send(struct bytes frame, const int *fds, size_t n_fds)
{
	if (service.control)
		peer_send(service.control, frame, fds, n_fds);
}

bool
service_read_secrets(struct buf *secrets)
{
	return service.secrets < 0 ||
	    memfile_read(service.secrets, 0, secrets) == 0;
}

struct bytes
service_ticket_key(void)
{
	return (struct bytes){ service.ticket_key, service.ticket_key_len };
}

void
service_end(int code)
{
	service.exit_code = code;
	uv_stop(&service.loop);
}

static void
free_config(struct config *config)
{
	if (config == NULL)
		return;
	config_finish(config);
	free(config);
}

/* Send one of the frames that carry a generation. */
static void
send_generation(void (*add)(struct buf *, uint64_t), uint64_t generation)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	add(&b, generation);
	service_control_send(buf_bytes(&b), NULL, 0);
	buf_finish(&b);
}

static void
add_prepared(struct buf *b, uint64_t generation)
{
	msg_prepared_add(b, &(struct msg_prepared){ generation });
}

static void
add_ready(struct buf *b, uint64_t generation)
{
	msg_ready_add(b, &(struct msg_ready){ generation });
}

static void
send_refused(uint64_t generation, const char *text)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	msg_refused_add(&b, &(struct msg_refused){ generation, bytes_of(text) });
	service_control_send(buf_bytes(&b), NULL, 0);
	buf_finish(&b);
}

/* The part is made by our own supervisor: a mistake in it is a bug of ours. */
static struct config *
read_config(int fd, char *error, size_t size)
{
	struct config     *config = calloc(1, sizeof *config);
	struct mistakes   *mistakes = calloc(1, sizeof *mistakes);
	struct config_tree tree = { 0 };
	struct arena       arena;
	struct buf         text;
	bool               good;

	arena_init(&arena, 4 * (size_t)CONFIG_TEXT_MAX);
	buf_init(&text, CONFIG_TEXT_MAX);
	good = config && mistakes && memfile_read(fd, 0, &text) == 0 &&
	    config_text_parse(buf_bytes(&text), &arena, &tree, mistakes);
	if (good) {
		config_from_tree(config, &tree, mistakes);
		good = !mistakes_any(mistakes);
	}
	if (!good) {
		struct bytes why = mistakes && mistakes->n > 0
		    ? mistakes->list[0].text
		    : BYTES("no memory");

		snprintf(error, size, "part of the configuration: %.*s",
		    BYTES_ARG(why));
		free_config(config);
		config = NULL;
	}
	free(mistakes);
	buf_finish(&text);
	arena_finish(&arena);
	return config;
}

static bool
enter_sandbox(const struct msg_config *m, const struct config *config,
    char *error, size_t size)
{
	const struct program *p = service.program;
	struct sandbox        sandbox = {
		       .drop = m->drop != 0,
		       .uid = m->uid,
		       .gid = m->gid,
		       .open_files = p->open_files ? p->open_files : 1024,
		       .may_gain_privileges = p->may_gain_privileges ||
		           (p->would_gain_privileges &&
		               p->would_gain_privileges(config)),
	};

	service.instance = strndup(m->name.p, m->name.n);
	if (m->directory.n > 0)
		service.directory = strndup(m->directory.p, m->directory.n);
	if (service.instance == NULL ||
	    (m->directory.n > 0 && service.directory == NULL)) {
		snprintf(error, size, "no memory");
		return false;
	}
	if (p->before_sandbox && !p->before_sandbox(config)) {
		snprintf(error, size, "%s could not be started", p->name);
		return false;
	}
	if (m->chroot && m->drop)
		sandbox.root = service.directory;
	if (!sandbox_enter(&sandbox, error, size))
		return false;
	if (sandbox.root) /* what was a path outside is "/" from here on */
		memcpy(service.directory, "/", 2);
	service.is_sandboxed = true;
	return true;
}

/* False: luggage that such a configuration does not have. */
static bool
take_secrets(const struct msg_config *m, const int *fds, size_t n_fds)
{
	bool has_ticket_key = m->ticket_key.n > 0;

	if (n_fds < 1 || (has_ticket_key && n_fds != 2) ||
	    m->ticket_key.n > TICKET_KEY_MAX)
		return false;
	service.secrets = n_fds == 2 ? fds[1] : -1;
	service.ticket_key_len = m->ticket_key.n;
	if (has_ticket_key)
		memcpy(service.ticket_key, m->ticket_key.p, m->ticket_key.n);
	return true;
}

static bool
on_config(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_config m;
	struct config    *config;
	char              error[ERROR_TEXT] = "";
	bool              first = !service.is_sandboxed;

	(void)peer;
	(void)context;
	if (!msg_config_read(frame, &m) || !take_secrets(&m, fds, n_fds))
		return false;
	config = read_config(fds[0], error, sizeof error);
	if (config && first && !enter_sandbox(&m, config, error, sizeof error)) {
		free_config(config);
		config = NULL;
	}
	if (config && !service.program->prepare(config, error, sizeof error)) {
		free_config(config);
		config = NULL;
	}
	service.secrets = -1;
	if (config == NULL) {
		send_refused(m.generation, error);
		return true;
	}
	free_config(service.next);
	service.next = config;
	service.next_generation = m.generation;
	send_generation(add_prepared, m.generation);
	return true;
}

static bool
on_use(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_use m;
	struct config *old = service.current;

	(void)peer;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_use_read(frame, &m))
		return false;
	if (service.next == NULL || m.generation != service.next_generation)
		return false;
	service.current = service.next;
	service.next = NULL;
	service.program->use(service.current);
	free_config(old);
	send_generation(add_ready, m.generation);
	return true;
}

static bool
on_listen(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_listen m;

	(void)peer;
	(void)context;
	if (!msg_listen_read(frame, &m) || n_fds != 1 ||
	    service.program->listen == NULL)
		return false;
	service.program->listen(m.name, fds[0]);
	fds[0] = -1;
	return true;
}

static bool
on_peer(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_peer m;

	(void)peer;
	(void)context;
	if (!msg_peer_read(frame, &m) || n_fds != 1 || m.role == ROLE_NONE ||
	    m.role > ROLE_ADMIN)
		return false;
	service.program->peer((enum peer_role)m.role, m.serial, m.name, fds[0]);
	fds[0] = -1;
	return true;
}

static bool
on_stop(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_stop m;

	(void)peer;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_stop_read(frame, &m))
		return false;
	service.program->stop();
	return true;
}

static bool
on_stats(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_stats m;
	struct buf       text, answer;

	(void)peer;
	(void)fds;
	(void)n_fds;
	(void)context;
	if (!msg_stats_read(frame, &m))
		return false;
	buf_init(&text, 4096);
	buf_init(&answer, FRAME_MAX);
	if (service.program->stats)
		service.program->stats(&text);
	m.text = buf_bytes(&text);
	msg_stats_add(&answer, &m);
	service_control_send(buf_bytes(&answer), NULL, 0);
	buf_finish(&text);
	buf_finish(&answer);
	return true;
}

static bool
is_sandboxed(void *context)
{
	(void)context;
	return service.is_sandboxed;
}

static bool
is_in_use(void *context)
{
	(void)context;
	return service.current != NULL;
}

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)context;
	log_text("the supervisor is gone (%s): ending", why);
	peer_close(peer);
	service.control = NULL;
	service_end(1);
}

/* What the supervisor may send; a program's own messages come behind. */
static size_t
fill_permits(struct peer_permit *permits)
{
	static const struct peer_permit base[] = {
		{ MSG_CONFIG, NULL, on_config, 2 },
		{ MSG_USE, is_sandboxed, on_use, 0 },
		{ MSG_LISTEN, is_sandboxed, on_listen, 1 },
		{ MSG_PEER, is_sandboxed, on_peer, 1 },
		{ MSG_STOP, NULL, on_stop, 0 },
		{ MSG_STATS, is_in_use, on_stats, 0 },
	};
	size_t n = sizeof base / sizeof base[0];

	memcpy(permits, base, sizeof base);
	for (size_t i = 0; i < service.program->n_control; i++)
		permits[n++] = service.program->control[i];
	return n;
}

int
service_main(const struct program *program)
{
	static struct peer_permit permits[PERMITS_MAX];

	service.program = program;
	service.exit_code = 1;
	log_open(program->name);
	sandbox_begin(CONTROL + 1);
	if (uv_loop_init(&service.loop) != 0) {
		log_text("cannot make an event loop");
		return 1;
	}
	service.control = peer_open(&service.loop, CONTROL, permits,
	    fill_permits(permits), on_gone, NULL);
	if (service.control == NULL) {
		log_text("is started by \"ampel run\" and not by hand");
		return 100;
	}
	uv_run(&service.loop, UV_RUN_DEFAULT);
	peer_close(service.control);
	return service.exit_code;
}
