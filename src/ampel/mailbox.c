#include "ampel/mailbox.h"

#include <unistd.h>

#include "ampel/instance.h"
#include "ampel/mail_user.h"
#include "ampel/supervisor.h"
#include "io/log.h"
#include "proto/message.h"

enum { NAME_SHOWN = 64 }; /* bytes */

/*
 * Whether there is room for one more, of all together and of that user, who gets as many
 * as one address: most log in from one or two.
 */
static bool
has_room(const struct supervisor *s, struct bytes user)
{
	const struct instance *i = NULL;
	uint64_t               all = 0, own = 0;

	while ((i = instance_find(s, ROLE_MAILBOX, i)) != NULL) {
		all++;
		if (bytes_equal(bytes_of(i->name), user))
			own++;
	}
	return own < s->config->sessions_per_address && all < s->config->sessions;
}

static struct instance *
new_mailbox(struct supervisor *s, struct bytes user, const char **why)
{
	struct mail_user who = { 0 };
	struct instance *i;

	if (mail_user_find(s, user, &who, why) != WANT_READY)
		return NULL;
	*why = "too many logins at the same time";
	if (!has_room(s, user))
		return NULL;
	*why = "no memory";
	i = instance_new(s, ROLE_MAILBOX, user, who.home, false);
	if (i && s->is_root)
		instance_set_uid(i, who.uid, who.gid);
	return i;
}

void
mailbox_want(struct supervisor *s, struct bytes user, int socket)
{
	const char      *why = "the server is starting or stopping";
	struct instance *i = NULL;

	if (s->phase == PHASE_RUNNING)
		i = new_mailbox(s, user, &why);
	if (i == NULL) {
		log_text("no mailbox for \"%.*s\": %s",
		    BYTES_ARG(bytes_first(user, NAME_SHOWN)), why);
		close(socket);
		return;
	}
	i->socket = socket;
	instance_start_once(i); /* which may have freed it */
}

void
mailbox_prepared(struct instance *mailbox, uint64_t generation)
{
	struct msg_user user = { bytes_of(mailbox->name),
		bytes_of(mailbox->directory), BYTES("") };
	struct msg_peer peer = { .role = ROLE_POP3D };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_user_add(&frame, &user);
	instance_send(mailbox, &frame, NULL, 0);
	buf_clear(&frame);
	msg_peer_add(&frame, &peer);
	instance_send(mailbox, &frame, &mailbox->socket, 1);
	buf_finish(&frame);
	close(mailbox->socket);
	mailbox->socket = -1;
	instance_use(mailbox, generation);
}
