#include "proto/pop3_maildrop.h"

#include <stdlib.h>

void
pop3_maildrop_init(struct pop3_maildrop *m, struct bytes list, size_t n)
{
	uint64_t octets = 0;

	for (size_t i = 0; i < n; i++)
		octets += maildrop_at(list, i).octets;
	*m = (struct pop3_maildrop){
		.list = list,
		.n_messages = n,
		.octets_left = octets,
		.octets_in_all = octets,
	};
}

void
pop3_maildrop_finish(struct pop3_maildrop *m)
{
	free(m->deleted);
	*m = (struct pop3_maildrop){ .n_messages = 0 };
}

struct maildrop_message
pop3_maildrop_at(const struct pop3_maildrop *m, size_t number)
{
	return maildrop_at(m->list, number - 1);
}

static size_t
byte_of(size_t number)
{
	return (number - 1) / 8;
}

static unsigned
bit_of(size_t number)
{
	return 1u << ((number - 1) % 8);
}

bool
pop3_maildrop_is_deleted(const struct pop3_maildrop *m, size_t number)
{
	return m->deleted != NULL &&
	    (m->deleted[byte_of(number)] & bit_of(number)) != 0;
}

bool
pop3_maildrop_delete(struct pop3_maildrop *m, size_t number)
{
	if (m->deleted == NULL)
		m->deleted = calloc(byte_of(m->n_messages) + 1, 1);
	if (m->deleted == NULL)
		return false;
	m->deleted[byte_of(number)] |= (unsigned char)bit_of(number);
	m->n_deleted++;
	m->octets_left -= pop3_maildrop_at(m, number).octets;
	return true;
}

void
pop3_maildrop_reset(struct pop3_maildrop *m)
{
	free(m->deleted);
	m->deleted = NULL;
	m->n_deleted = 0;
	m->octets_left = m->octets_in_all;
}
