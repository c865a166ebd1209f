#include "lookup/connections.h"

#include <stdlib.h>
#include <string.h>

#include "base/network.h"
#include "lookup/reverse.h"

enum { LISTENER_MAX = 64, ADDRESS_TEXT_MAX = 64 };

/* One whose name is being found. */
struct waiting_client {
	struct waiting_client   *next, **at; /* where it is linked */
	struct office           *office;
	struct peer             *asker;
	uint64_t                 q;
	char                     listener[LISTENER_MAX];
	char                     address[ADDRESS_TEXT_MAX];
	struct reverse_question *question;
};

static bool
is_inside(const struct config *config, struct bytes text)
{
	uint8_t address[16];

	if (!network_parse_address(text, address))
		return false;
	for (size_t i = 0; i < config->inside.n; i++)
		if (network_contains(&config->inside.v[i], address))
			return true;
	return false;
}

static void
answer(struct office *office, struct peer *asker, const struct msg_ask_connect *m,
    struct bytes name)
{
	const struct tcprules_client client = { m->address, name, BYTES("") };
	struct tcprules_answer found;
	struct msg_connect     answer = { .q = m->q, .peer_name = name };
	struct buf             b;
	bool                   has_suffix, has_size;

	tcprules_find(rules_of(office->rules, office->config, m->listener),
	    &client, &found);
	has_suffix = tcprules_variable(&found, BYTES("RELAYCLIENT"), &answer.suffix);
	has_size = tcprules_size(&found, &answer.size_max);
	answer.allowed = found.allowed;
	answer.inside = has_suffix || is_inside(office->config, m->address);
	answer.has_size_max = has_size;
	buf_init(&b, FRAME_MAX);
	msg_connect_add(&b, &answer);
	if (!b.failed)
		peer_send(asker, buf_bytes(&b), NULL, 0);
	buf_finish(&b);
}

/* --- those that wait --- */

static void
link_waiting(struct office *office, struct waiting_client *w)
{
	w->office = office;
	w->next = office->clients;
	w->at = &office->clients;
	if (w->next)
		w->next->at = &w->next;
	office->clients = w;
}

static void
unlink_waiting(struct waiting_client *w)
{
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
}

static void
on_known(struct bytes name, void *context)
{
	struct waiting_client       *w = context;
	const struct msg_ask_connect m = { w->q, bytes_of(w->listener),
		bytes_of(w->address) };

	unlink_waiting(w);
	answer(w->office, w->asker, &m, name);
	free(w);
}

void
connections_forget(struct office *office, const struct peer *asker)
{
	for (struct waiting_client *w = office->clients, *next; w; w = next) {
		next = w->next;
		if (w->asker != asker)
			continue;
		unlink_waiting(w);
		reverse_forget(w->question);
		free(w);
	}
}

/* False: he is no address, or there is no memory: his name stays unknown. */
static bool
ask_name(struct office *office, struct peer *asker, const struct msg_ask_connect *m)
{
	uint8_t                address[16];
	struct waiting_client *w = calloc(1, sizeof *w);

	if (w == NULL)
		return false;
	w->asker = asker;
	w->q = m->q;
	if (network_parse_address(m->address, address) &&
	    bytes_to_string(m->listener, w->listener, sizeof w->listener) &&
	    bytes_to_string(m->address, w->address, sizeof w->address))
		w->question = reverse_ask(
		    office->loop, office->dns, address, on_known, w);
	if (w->question == NULL) {
		free(w);
		return false;
	}
	link_waiting(office, w);
	return true;
}

bool
connections_ask(struct peer *peer, struct bytes frame, int *fds, size_t n_fds,
    void *context)
{
	struct office         *office = context;
	struct msg_ask_connect m;
	bool                   needs_name;

	(void)fds;
	(void)n_fds;
	if (!msg_ask_connect_read(frame, &m))
		return false;
	office->questions++;
	needs_name = tcprules_needs_name(
	    rules_of(office->rules, office->config, m.listener));
	if (!needs_name || !ask_name(office, peer, &m))
		answer(office, peer, &m, BYTES(""));
	return true;
}
