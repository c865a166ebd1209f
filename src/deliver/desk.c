#include "deliver/desk.h"

#include <unistd.h>

#include "base/buf.h"
#include "deliver/home.h"
#include "io/log.h"
#include "proto/message.h"

/* Of whom the supervisor has not told us, nothing is known. */
static enum extension_answer
answer_to(const struct desk *d, const struct msg_ask_extension *m)
{
	const struct user *user = users_find(d->users, m->user);

	return user == NULL
	    ? EXTENSION_TRY_LATER
	    : home_has_extension(user->home, m->dash, m->extension);
}

static bool
on_ask_extension(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct desk             *d = context;
	struct msg_ask_extension m;
	struct msg_extension     answer;
	struct buf               b;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_extension_read(frame, &m))
		return false;
	answer = (struct msg_extension){ m.q, (uint8_t)answer_to(d, &m) };
	buf_init(&b, FRAME_MAX);
	msg_extension_add(&b, &answer);
	if (!b.failed)
		peer_send(peer, buf_bytes(&b), NULL, 0);
	buf_finish(&b);
	d->asked();
	return true;
}

static const struct peer_permit permits[] = {
	{ MSG_ASK_EXTENSION, NULL, on_ask_extension, 0 },
};

static void
on_gone(struct peer *peer, const char *why, void *context)
{
	(void)peer;
	(void)why;
	desk_finish(context);
}

void
desk_connect(struct desk *d, uv_loop_t *loop, int socket)
{
	desk_finish(d);
	d->lookup = peer_open(loop, socket, permits,
	    sizeof permits / sizeof permits[0], on_gone, d);
	if (d->lookup != NULL)
		return;
	log_text("no memory for questions about extensions");
	close(socket);
}

void
desk_finish(struct desk *d)
{
	peer_close(d->lookup);
	d->lookup = NULL;
}
