#include "proto/smtp_transaction.h"

#include <string.h>

#include "mail/verp.h"

/* Generous: two addresses and an ORCPT, and twice the table while it grows. */
enum { BYTES_PER_RECIPIENT = 2048, BYTES_OF_MAIL = 4096, FIRST_ROOM = 4 };

void
smtp_path_add(struct buf *b, const struct address *path)
{
	buf_add_bytes(b, path->local);
	if (path->domain.n == 0)
		return;
	buf_add_char(b, '@');
	buf_add_bytes(b, path->domain);
}

void
smtp_transaction_init(struct smtp_transaction *t, size_t recipients_max)
{
	*t = (struct smtp_transaction){ .is_open = false };
	if (recipients_max > SIZE_MAX / BYTES_PER_RECIPIENT - 2)
		recipients_max = SIZE_MAX / BYTES_PER_RECIPIENT - 2;
	arena_init(&t->arena, BYTES_OF_MAIL + recipients_max * BYTES_PER_RECIPIENT);
}

void
smtp_transaction_reset(struct smtp_transaction *t)
{
	arena_reset(&t->arena);
	*t = (struct smtp_transaction){ .arena = t->arena };
}

bool
smtp_transaction_begin(struct smtp_transaction *t, const struct smtp_mail *mail)
{
	struct buf path;

	smtp_transaction_reset(t);
	t->is_open = true;
	t->is_queue = mail->xqueue;
	t->envelope.body = mail->body;
	t->envelope.ret = mail->ret;
	t->envelope.smtputf8 = mail->smtputf8;
	t->envelope.envid = arena_copy(&t->arena, buf_bytes(&mail->envid));
	t->envelope.reverse_path = BYTES("");
	if (t->envelope.envid.p == NULL || mail->is_null)
		return t->envelope.envid.p != NULL;
	buf_init(&path, ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX + sizeof VERP_END);
	smtp_path_add(&path, &mail->path);
	if (mail->xverp)
		buf_add_string(&path, VERP_END);
	if (!path.failed)
		t->envelope.reverse_path = arena_copy(&t->arena, buf_bytes(&path));
	buf_finish(&path);
	return t->envelope.reverse_path.n > 0;
}

/* Room for one more recipient. The old table stays in the arena until its end. */
static bool
grow(struct smtp_transaction *t)
{
	struct envelope           *e = &t->envelope;
	size_t                     room = t->room ? t->room * 2 : FIRST_ROOM;
	struct envelope_recipient *table;

	if (e->n_recipients < t->room)
		return true;
	table = arena_alloc(&t->arena, room * sizeof *table);
	if (table == NULL)
		return false;
	if (e->n_recipients > 0)
		memcpy(table, e->recipients, e->n_recipients * sizeof *table);
	e->recipients = table;
	t->room = room;
	return true;
}

bool
smtp_transaction_add(
    struct smtp_transaction *t, const struct envelope_recipient *recipient)
{
	struct envelope_recipient r = *recipient;

	if (!grow(t))
		return false;
	r.address = arena_copy(&t->arena, r.address);
	r.original = arena_copy(&t->arena, r.original);
	r.orcpt = arena_copy(&t->arena, r.orcpt);
	if (r.address.p == NULL || r.original.p == NULL || r.orcpt.p == NULL)
		return false;
	t->envelope.recipients[t->envelope.n_recipients++] = r;
	return true;
}

bool
smtp_transaction_has(const struct smtp_transaction *t, struct bytes canonical)
{
	for (size_t i = 0; i < t->envelope.n_recipients; i++)
		if (bytes_equal(t->envelope.recipients[i].address, canonical))
			return true;
	return false;
}
