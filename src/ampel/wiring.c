#include "ampel/wiring.h"

#include <unistd.h>

#include "ampel/instance.h"
#include "ampel/role.h"
#include "ampel/supervisor.h"
#include "io/log.h"
#include "io/peer.h"

static const struct {
	enum peer_role asker, answerer;
} wires[] = {
	{ ROLE_SMTPD, ROLE_LOOKUP },
	{ ROLE_SMTPD, ROLE_AUTH }, /* where passwords are taken */
	{ ROLE_SMTPD, ROLE_HIQ },
	{ ROLE_SMTPD, ROLE_QUEUE }, /* unless hiq stands before it */
	{ ROLE_HIQ, ROLE_QUEUE },
	{ ROLE_QUEUE, ROLE_LOOKUP },
	{ ROLE_QUEUE, ROLE_DELIVER },
	{ ROLE_QUEUE, ROLE_REMOTE },
	{ ROLE_LOOKUP, ROLE_DELIVER },
	{ ROLE_LOOKUP, ROLE_DNS },
	{ ROLE_REMOTE, ROLE_DNS },
	{ ROLE_REMOTE, ROLE_FETCH },
	{ ROLE_FETCH, ROLE_DNS },
	{ ROLE_POP3D, ROLE_LOOKUP },
	{ ROLE_POP3D, ROLE_AUTH },
};

static void
send_peer(struct instance *to, const struct instance *other,
    enum peer_role role, int fd)
{
	struct msg_peer m = { .role = (uint8_t)role };
	struct buf      frame;

	if (other) {
		m.serial = other->serial;
		m.name = bytes_of(other->name);
	}
	buf_init(&frame, FRAME_MAX);
	msg_peer_add(&frame, &m);
	instance_send(to, &frame, &fd, 1);
	buf_finish(&frame);
}

/*
 * hi-q looks exactly like the queue it stands in front of: smtpd has one of them. And
 * where no passwords are taken nobody can be asked whether one is right.
 */
static bool
is_wired(const struct supervisor *s, const struct instance *a,
    const struct instance *b)
{
	bool filtered;

	if (a->role != ROLE_SMTPD || b->role == ROLE_LOOKUP)
		return true;
	if (b->role == ROLE_AUTH)
		return role_needs_auth(bytes_of(a->name));
	filtered = config_is_filtered(s->config, bytes_of(a->name));
	return filtered == (b->role == ROLE_HIQ);
}

static void
connect_pair(struct supervisor *s, struct instance *a, struct instance *b)
{
	int pair[2];

	if (!instance_can_be_wired(a) || !instance_can_be_wired(b) ||
	    !is_wired(s, a, b))
		return;
	if (peer_pair(pair) != 0) {
		log_text("cannot connect %s with %s: no socket",
		    role_program(a->role), role_program(b->role));
		return;
	}
	send_peer(a, b, b->role, pair[0]);
	send_peer(b, a, a->role, pair[1]);
	close(pair[0]);
	close(pair[1]);
}

void
wiring_connect(struct supervisor *s, struct instance *i)
{
	for (size_t w = 0; w < sizeof wires / sizeof wires[0]; w++) {
		enum peer_role   other = wires[w].answerer;
		struct instance *o = NULL;

		if (wires[w].asker != i->role && wires[w].answerer != i->role)
			continue;
		if (other == i->role)
			other = wires[w].asker;
		while ((o = instance_find(s, other, o)) != NULL) {
			if (wires[w].asker == i->role)
				connect_pair(s, i, o);
			else
				connect_pair(s, o, i);
		}
	}
}

void
wiring_reconnect_smtpd(struct supervisor *s)
{
	static const enum peer_role doors[] = { ROLE_HIQ, ROLE_QUEUE };
	struct instance            *smtpd = NULL;

	while ((smtpd = instance_find(s, ROLE_SMTPD, smtpd)) != NULL)
		for (size_t d = 0; d < 2; d++) {
			struct instance *door = instance_find(s, doors[d], NULL);

			if (door)
				connect_pair(s, smtpd, door);
		}
}

int
wiring_admin(struct supervisor *s, enum peer_role role)
{
	struct instance *asked = instance_find(s, role, NULL);
	int              pair[2];

	if (asked == NULL || asked->state != INSTANCE_READY ||
	    peer_pair(pair) != 0)
		return -1;
	send_peer(asked, NULL, ROLE_ADMIN, pair[0]);
	close(pair[0]);
	return pair[1];
}
