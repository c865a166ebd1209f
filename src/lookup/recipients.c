#include "lookup/recipients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memfile.h"
#include "lookup/extensions.h"

enum {
	TARGETS_IN_FRAME = 48 * 1024,
	TARGETS_MAX = 16 * 1024 * 1024, /* as much as lookup_client reads */
	ROUTE_MEMORY = 4096,            /* extensions, a local part and an owner */
};

/* A question, and who sends its answer; route NULL: try later. */
struct inquiry {
	struct peer *asker;
	uint64_t     q;
	struct bytes address;
	struct bytes user; /* who authenticated, of ASK_RECIPIENT */
	void       (*answer)(struct office *office, const struct inquiry *inquiry,
	          const struct route *route);
};

/* One that waits for an account. */
struct waiting_inquiry {
	struct waiting_inquiry    *next, **at; /* where it is linked */
	struct office             *office;
	struct inquiry             inquiry;    /* its views lie behind it */
	struct extension_question *question;
};

/* --- where an address leads --- */

/* <Postmaster> is written without a domain. */
static bool
parse_recipient(struct bytes text, struct address *address)
{
	*address = (struct address){ .local = text };
	return bytes_find(text, '@') == text.n || address_parse_utf8(text, address);
}

/* Who is not there, or not for sure, may have been added a moment ago. */
static void
find_route(struct office *office, struct arena *arena, struct bytes text,
    struct route *route)
{
	struct address address;
	uint64_t       now_ms = clock_monotonic_ms();

	tables_refresh(office->tables, office->config, now_ms);
	*route = (struct route){ .kind = ROUTE_UNKNOWN_USER };
	if (!parse_recipient(text, &address))
		return;
	do {
		arena_reset(arena);
		directory_route(
		    tables_directory(office->tables), arena, &address, route);
	} while ((route->kind == ROUTE_UNKNOWN_USER || route->must_ask) &&
	    tables_refresh_soon(office->tables, office->config, now_ms));
}

/* The same when the account has no .qmail file for him. */
static void
find_route_without(struct office *office, struct arena *arena,
    struct bytes text, struct route *route)
{
	struct address address;

	find_route(office, arena, text, route);
	if (route->must_ask && parse_recipient(text, &address))
		directory_route_without(
		    tables_directory(office->tables), arena, &address, route);
}

/* --- answers --- */

static void
send_frame(struct peer *peer, struct buf *frame, const int *fds, size_t n_fds)
{
	if (!frame->failed)
		peer_send(peer, buf_bytes(frame), fds, n_fds);
	buf_finish(frame);
}

static bool
is_over_quota(struct office *office, struct bytes user, enum recipient_answer answer)
{
	bool counts = user.n > 0 &&
	    (answer == RECIPIENT_OK || answer == RECIPIENT_NOT_OURS);

	return counts && !quota_take(&office->quota, user,
	                     office->config->daily_recipients,
	                     clock_monotonic_ms());
}

static enum recipient_answer
answer_of(const struct route *route)
{
	static const enum recipient_answer answers[] = {
		[ROUTE_UNKNOWN_USER] = RECIPIENT_UNKNOWN,
		[ROUTE_NOT_OURS] = RECIPIENT_NOT_OURS,
		[ROUTE_USER] = RECIPIENT_OK,
		[ROUTE_EXPANDED] = RECIPIENT_OK,
	};

	if (route == NULL)
		return RECIPIENT_TRY_LATER;
	return route->is_relayed ? RECIPIENT_OK : answers[route->kind];
}

/* Comes once for each question: what it takes of an allowance is counted here. */
static void
answer_recipient(struct office *office, const struct inquiry *inquiry,
    const struct route *route)
{
	enum recipient_answer answer = answer_of(route);
	struct msg_recipient  m = { .q = inquiry->q };
	struct buf            b;

	if (is_over_quota(office, inquiry->user, answer))
		answer = RECIPIENT_LIMIT;
	m.answer = (uint8_t)answer;
	buf_init(&b, FRAME_MAX);
	msg_recipient_add(&b, &m);
	send_frame(inquiry->asker, &b, NULL, 0);
}

static void
send_route(struct peer *peer, uint64_t q, const struct route *route,
    struct bytes targets)
{
	struct msg_route answer = {
		.q = q,
		.kind = (uint8_t)route->kind,
		.user = route->user,
		.extension = route->extension,
		.is_qmail = route->is_qmail,
		.local = route->local,
		.dash = route->dash,
		.owner = route->owner,
		.is_large = targets.n > TARGETS_IN_FRAME,
	};
	struct buf b;
	int        fd = -1;

	if (!answer.is_large) {
		answer.targets = targets;
	} else if ((fd = memfile_of("targets", targets)) == -1) {
		/* unanswered the question becomes "try later" */
		log_text("cannot pass on a list: %s", strerror(errno));
		return;
	}
	buf_init(&b, FRAME_MAX);
	msg_route_add(&b, &answer);
	send_frame(peer, &b, &fd, fd == -1 ? 0 : 1);
	if (fd != -1)
		close(fd);
}

static void
answer_route(struct office *office, const struct inquiry *inquiry,
    const struct route *route)
{
	struct buf targets;

	(void)office;
	if (route == NULL) /* unanswered it becomes "try later" */
		return;
	buf_init(&targets, TARGETS_MAX);
	for (size_t i = 0; i < route->n_targets; i++)
		frame_add_bytes(&targets, route->targets[i]);
	if (targets.failed)
		log_text("the list %.*s is too long", BYTES_ARG(inquiry->address));
	else
		send_route(inquiry->asker, inquiry->q, route, buf_bytes(&targets));
	buf_finish(&targets);
}

/* --- those that wait --- */

static void
link_waiting(struct office *office, struct waiting_inquiry *w)
{
	w->next = office->waiting;
	w->at = &office->waiting;
	if (w->next)
		w->next->at = &w->next;
	office->waiting = w;
}

static void
unlink_waiting(struct waiting_inquiry *w)
{
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
}

static void
on_known(enum extension_answer extension, void *context)
{
	struct waiting_inquiry *w = context;
	struct office          *office = w->office;
	struct arena            arena;
	struct route            route;

	unlink_waiting(w);
	arena_init(&arena, ROUTE_MEMORY);
	if (extension == EXTENSION_YES)
		find_route(office, &arena, w->inquiry.address, &route);
	else if (extension == EXTENSION_NO)
		find_route_without(office, &arena, w->inquiry.address, &route);
	w->inquiry.answer(office, &w->inquiry,
	    extension == EXTENSION_TRY_LATER ? NULL : &route);
	arena_finish(&arena);
	free(w);
}

/* A copy with its views behind it. NULL: no memory. */
static struct waiting_inquiry *
copy_of(const struct inquiry *inquiry)
{
	const size_t            size = inquiry->address.n + inquiry->user.n;
	struct waiting_inquiry *w = calloc(1, sizeof *w + size + 1);
	char                   *text = (char *)w + sizeof *w;

	if (w == NULL)
		return NULL;
	w->inquiry = *inquiry;
	memcpy(text, inquiry->address.p, inquiry->address.n);
	w->inquiry.address.p = text;
	text += inquiry->address.n;
	if (inquiry->user.n > 0)
		memcpy(text, inquiry->user.p, inquiry->user.n);
	w->inquiry.user.p = text;
	return w;
}

/* False: the account cannot be asked now. */
static bool
ask_account(struct office *office, const struct inquiry *inquiry,
    const struct extension *extension)
{
	struct waiting_inquiry *w = copy_of(inquiry);

	if (w == NULL)
		return false;
	w->office = office;
	w->question =
	    extensions_ask(office->extensions, extension, on_known, w);
	if (w->question == NULL) {
		free(w);
		return false;
	}
	link_waiting(office, w);
	return true;
}

void
recipients_forget(struct office *office, const struct peer *asker)
{
	for (struct waiting_inquiry *w = office->waiting, *next; w; w = next) {
		next = w->next;
		if (w->inquiry.asker != asker)
			continue;
		unlink_waiting(w);
		extensions_forget(w->question);
		free(w);
	}
}

/* --- questions --- */

/* Who has the route must see whether the account has a .qmail file for him. */
static void
settle(struct office *office, const struct inquiry *inquiry,
    struct arena *arena, struct route *route)
{
	const struct extension extension = { route->user, route->dash,
		route->extension };

	switch (extensions_recall(office->extensions, &extension)) {
	case EXTENSION_YES:
		inquiry->answer(office, inquiry, route);
		break;
	case EXTENSION_NO:
		find_route_without(office, arena, inquiry->address, route);
		inquiry->answer(office, inquiry, route);
		break;
	case EXTENSION_TRY_LATER:
		if (!ask_account(office, inquiry, &extension))
			inquiry->answer(office, inquiry, NULL);
		break;
	}
}

/* Of every domain of ours, RFC 5321 section 4.5.1 and RFC 2142 section 2. */
static bool
always_exists(struct bytes text)
{
	struct address address;

	return parse_recipient(text, &address) &&
	    (bytes_equal_nocase(address.local, BYTES("postmaster")) ||
	        bytes_equal_nocase(address.local, BYTES("abuse")));
}

static void
inquire(struct office *office, const struct inquiry *inquiry, bool may_ask)
{
	struct arena arena;
	struct route route;

	office->questions++;
	arena_init(&arena, ROUTE_MEMORY);
	find_route(office, &arena, inquiry->address, &route);
	if (route.must_ask && may_ask)
		settle(office, inquiry, &arena, &route);
	else
		inquiry->answer(office, inquiry, &route);
	arena_finish(&arena);
}

bool
recipients_ask(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_ask_recipient m;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_recipient_read(frame, &m))
		return false;
	inquire(context,
	    &(struct inquiry){ .asker = peer, .q = m.q, .address = m.address,
	        .user = m.user, .answer = answer_recipient },
	    true);
	return true;
}

bool
recipients_route(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct msg_ask_route m;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_route_read(frame, &m))
		return false;
	inquire(context,
	    &(struct inquiry){ .asker = peer, .q = m.q, .address = m.address,
	        .answer = answer_route },
	    always_exists(m.address));
	return true;
}
