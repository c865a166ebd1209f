#include "remote/parcel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/message.h"

static struct bytes
add_text(char **room, struct bytes text)
{
	struct bytes copy = { *room, text.n };

	memcpy(*room, text.p, text.n);
	*room += text.n;
	return copy;
}

static bool
is_well_formed(const struct msg_remote *m)
{
	return m->ret <= RET_HDRS && m->body <= BODY_BINARYMIME && m->address.n > 0;
}

struct parcel *
parcel_read(struct bytes frame, int *body)
{
	struct msg_remote m;
	struct id         id;
	struct parcel    *p;
	char             *room;

	if (!msg_remote_read(frame, &m) || !id_read(m.id, &id) || !is_well_formed(&m))
		return NULL;
	p = calloc(1, sizeof *p + m.address.n + m.reverse_path.n + m.envid.n + m.orcpt.n);
	if (p == NULL)
		return NULL;
	room = p->texts;
	p->job.id = id;
	p->job.recipient = m.recipient;
	p->job.token = m.token;
	p->body = *body;
	*body = -1;
	p->size_bytes = m.size;
	p->reverse_path = add_text(&room, m.reverse_path);
	p->ret = (enum envelope_ret)m.ret;
	p->envid = add_text(&room, m.envid);
	p->body_type = (enum envelope_body)m.body;
	p->smtputf8 = m.smtputf8 != 0;
	p->recipient.address = add_text(&room, m.address);
	p->recipient.original = p->recipient.address;
	p->recipient.orcpt = add_text(&room, m.orcpt);
	p->recipient.notify = m.notify;
	p->domain = bytes_from(p->recipient.address,
	    bytes_find_last(p->recipient.address, '@') + 1);
	return p;
}

void
parcel_free(struct parcel *p)
{
	if (p->body != -1)
		close(p->body);
	free(p);
}

bool
parcel_goes_with(const struct parcel *p, const struct parcel *other)
{
	/* DESIGN section 8: no genuine bounce has two recipients */
	return p->reverse_path.n > 0 && id_equal(&p->job.id, &other->job.id) &&
	    bytes_equal(p->reverse_path, other->reverse_path); /* VERP has many */
}

void
batch_add(struct batch *b, struct parcel *p)
{
	b->recipients[b->n] = p->recipient;
	b->v[b->n++] = p;
	p->batch = b;
}

void
batch_give_up(struct batch *b, struct parcel *p)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i] == p)
			b->v[i] = NULL;
	p->batch = NULL;
	p->next = b->given_up;
	b->given_up = p;
}

void
batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i])
			b->v[i]->batch = NULL;
	b->n = 0;
	while (b->given_up) {
		struct parcel *p = b->given_up;

		b->given_up = p->next;
		parcel_free(p);
	}
}
