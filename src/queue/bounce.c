#include "queue/bounce.h"

#include "mail/verp.h"

/* False: whatever became of it, it is not over, or somebody else reports. */
static bool
find_action(const struct store_lease *l, const struct store_finish *end,
    bool is_remote, enum dsn_action *action)
{
	const struct outcome *o = &end->outcome;

	switch (o->kind) {
	case OUTCOME_FAILED:
		*action = DSN_FAILED;
		return true;
	case OUTCOME_DEFERRED:
		*action = DSN_DELAYED;
		return end->is_warned && !l->is_warned;
	case OUTCOME_DELIVERED:
		*action = is_remote ? DSN_RELAYED : DSN_DELIVERED;
		return !o->is_handed_on;
	case OUTCOME_EXPANDED:
		/*
		 * RFC 3461 section 5.2.7.2 leaves the choice: NOTIFY goes on with the
		 * recipients of an alias, and each reports for itself. A list with an
		 * owner is the end of the way (section 5.2.7.3).
		 */
		*action = DSN_EXPANDED;
		return end->reverse_path.n > 0;
	}
	return false;
}

static size_t
at_of(struct bytes path)
{
	return bytes_find_last(path, '@');
}

/* Whether that is where double bounces go. */
static bool
is_last_resort(const struct config *config, struct bytes address)
{
	struct bytes to = config->double_bounce_to;
	size_t       at = at_of(address);

	if (at_of(to) < to.n)
		return bytes_equal_nocase(to, address);
	return bytes_equal_nocase(to, bytes_first(address, at)) &&
	    (at == address.n || bytes_equal_nocase(config->hostname,
	                            bytes_from(address, at + 1)));
}

static enum bounce_kind
without_sender(const struct config *config, const struct store_lease *l,
    enum dsn_action action)
{
	if (action != DSN_FAILED)
		return BOUNCE_NONE;
	if (config->double_bounce_to.n == 0 ||
	    is_last_resort(config, l->original) ||
	    is_last_resort(config, l->address))
		return BOUNCE_DISCARDED;
	return BOUNCE_DOUBLE;
}

struct bounce
bounce_for(const struct config *config, const struct store_lease *l,
    const struct store_finish *end, bool is_remote)
{
	struct bounce b = { .kind = BOUNCE_NONE, .to = verp_base(l->reverse_path) };

	if (!find_action(l, end, is_remote, &b.action))
		return b;
	if (l->reverse_path.n == 0) {
		b.kind = without_sender(config, l, b.action);
		b.to = config->double_bounce_to;
	} else if (dsn_is_wanted(l->notify, b.action)) {
		b.kind = BOUNCE_SENDER;
	}
	return b;
}

void
bounce_add_path(struct buf *b, const struct config *config, struct bytes to)
{
	size_t at = at_of(to);

	buf_add_bytes(b, bytes_first(to, at));
	buf_add_char(b, '@');
	if (at == to.n)
		buf_add_bytes(b, config->hostname);
	for (size_t i = at + 1; i < to.n; i++)
		buf_add_char(b, byte_lower(to.p[i]));
}

static bool
has_high(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > 127)
			return true;
	return false;
}

struct envelope
bounce_envelope(const struct id *id, uint64_t now_ms, struct bytes to,
    struct bytes content, struct envelope_recipient *recipient)
{
	/* RFC 3461 section 6.1: what reports asks for no report. */
	*recipient = (struct envelope_recipient){
		.address = to,
		.original = to,
		.orcpt = BYTES(""),
		.notify = NOTIFY_NEVER,
	};
	return (struct envelope){
		.id = *id,
		.arrival_ms = now_ms,
		.reverse_path = BYTES(""),
		.envid = BYTES(""),
		.body = has_high(content) ? BODY_8BITMIME : BODY_7BIT,
		.smtputf8 = has_high(to),
		.listener = BYTES("bounce"),
		.size_bytes = content.n,
		.recipients = recipient,
		.n_recipients = 1,
	};
}

const char *
bounce_name(const struct bounce *b)
{
	static const char *const names[] = {
		[DSN_FAILED] = "bounce",
		[DSN_DELAYED] = "warning",
		[DSN_DELIVERED] = "success",
		[DSN_RELAYED] = "success",
		[DSN_EXPANDED] = "success",
	};

	if (b->kind == BOUNCE_DOUBLE)
		return "double-bounce";
	return b->kind == BOUNCE_DISCARDED ? "discarded" : names[b->action];
}
