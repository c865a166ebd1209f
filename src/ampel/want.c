#include "ampel/want.h"

#include <stdlib.h>

#include "ampel/instance.h"
#include "ampel/mail_user.h"
#include "ampel/supervisor.h"
#include "proto/message.h"

/* A user that a deliver process was asked for and has not acknowledged. */
struct want {
	struct want     *next;
	bool             is_told;
	bool             is_of_queue, is_of_lookup; /* who asked */
	char             name[DIRECTORY_USER_MAX + 1];
	struct mail_user account;
};

/* To the process that asked, or the one in its place: which knows whether it did. */
static void
answer(struct supervisor *s, enum peer_role asker, struct bytes user,
    enum want_result result, uint64_t serial, const char *text)
{
	struct instance       *to = instance_find(s, asker, NULL);
	struct msg_deliver_for m = { user, (uint8_t)result, serial,
		bytes_of(text) };
	struct buf             frame;

	if (to == NULL)
		return;
	buf_init(&frame, FRAME_MAX);
	msg_deliver_for_add(&frame, &m);
	instance_send(to, &frame, NULL, 0);
	buf_finish(&frame);
}

static void
answer_want(const struct instance *deliver, const struct want *w,
    enum want_result result, uint64_t serial, const char *text)
{
	struct bytes user = bytes_of(w->name);

	if (w->is_of_queue)
		answer(deliver->supervisor, ROLE_QUEUE, user, result, serial, text);
	if (w->is_of_lookup)
		answer(deliver->supervisor, ROLE_LOOKUP, user, result, serial, text);
}

/* --- its process --- */

static struct instance *
find_deliver(const struct supervisor *s, const struct mail_user *account)
{
	struct instance *i = instance_find(s, ROLE_DELIVER, NULL);

	while (i && s->is_root &&
	    (i->uid != account->uid || i->gid != account->gid))
		i = instance_find(s, ROLE_DELIVER, i);
	return i;
}

static struct instance *
new_deliver(struct supervisor *s, struct bytes user,
    const struct mail_user *account)
{
	struct instance *i = instance_new(s, ROLE_DELIVER, user, NULL, false);

	if (i && s->is_root)
		instance_set_uid(i, account->uid, account->gid);
	return i;
}

static struct want *
find_want(struct instance *deliver, struct bytes user)
{
	struct want *w = deliver->wants;

	while (w && !bytes_equal(bytes_of(w->name), user))
		w = w->next;
	return w;
}

static bool
add_want(struct instance *deliver, enum peer_role asker, struct bytes user,
    const struct mail_user *account)
{
	struct want *w = find_want(deliver, user);

	if (w == NULL) {
		w = calloc(1, sizeof *w);
		if (w == NULL)
			return false;
		bytes_to_string(user, w->name, sizeof w->name);
		w->account = *account;
		w->next = deliver->wants;
		deliver->wants = w;
	}
	w->is_of_queue |= asker == ROLE_QUEUE;
	w->is_of_lookup |= asker == ROLE_LOOKUP;
	return true;
}

void
want_deliver(struct supervisor *s, enum peer_role asker, struct bytes user)
{
	struct mail_user account = { 0 };
	const char      *why = "no memory";
	enum want_result result;
	struct instance *deliver;

	if (s->phase == PHASE_STOPPING || s->is_send_stopped) {
		answer(s, asker, user, WANT_FAILED, 0, "deliveries are stopped");
		return;
	}
	result = mail_user_find_recipient(s, user, &account, &why);
	if (result != WANT_READY) {
		answer(s, asker, user, result, 0, why);
		return;
	}
	deliver = find_deliver(s, &account);
	if (deliver == NULL)
		deliver = new_deliver(s, user, &account);
	if (deliver == NULL || !add_want(deliver, asker, user, &account)) {
		answer(s, asker, user, WANT_FAILED, 0, "no memory");
		return;
	}
	if (instance_can_be_wired(deliver))
		want_tell_users(deliver);
	else
		instance_start(deliver);
}

static void
tell_user(struct instance *deliver, const struct want *w)
{
	struct msg_user m = { bytes_of(w->name), bytes_of(w->account.home),
		bytes_of(w->account.login) };
	struct buf      frame;

	buf_init(&frame, FRAME_MAX);
	msg_user_add(&frame, &m);
	instance_send(deliver, &frame, NULL, 0);
	buf_finish(&frame);
}

void
want_tell_users(struct instance *deliver)
{
	for (struct want *w = deliver->wants; w; w = w->next)
		if (!w->is_told) {
			w->is_told = true;
			tell_user(deliver, w);
		}
}

void
want_user_known(struct instance *deliver, struct bytes user)
{
	for (struct want **at = &deliver->wants; *at; at = &(*at)->next) {
		struct want *w = *at;

		if (!bytes_equal(bytes_of(w->name), user))
			continue;
		*at = w->next;
		answer_want(deliver, w, WANT_READY, deliver->serial, "");
		free(w);
		return;
	}
}

void
want_fail_all(struct instance *deliver)
{
	for (struct want *w = deliver->wants; w; w = w->next)
		answer_want(deliver, w, WANT_FAILED, 0,
		    "the process for deliveries ended");
	want_forget_all(deliver);
}

void
want_forget_all(struct instance *deliver)
{
	while (deliver->wants) {
		struct want *next = deliver->wants->next;

		free(deliver->wants);
		deliver->wants = next;
	}
}
