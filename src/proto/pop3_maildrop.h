/*
 * The maildrop as a session sees it: the list, and which messages were marked as deleted.
 * Numbers are those of the protocol, from 1.
 */
#ifndef AMPEL_PROTO_POP3_MAILDROP_H
#define AMPEL_PROTO_POP3_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/maildrop.h"

struct pop3_maildrop {
	struct bytes   list;        /* proto/maildrop.h, checked; somebody else's */
	size_t         n_messages;
	size_t         n_deleted;
	uint64_t       octets_left; /* of what is not deleted */
	uint64_t       octets_in_all;
	unsigned char *deleted;     /* private: bits; NULL: none was ever deleted */
};

/* m is zeroed or finished. */
void pop3_maildrop_init(struct pop3_maildrop *m, struct bytes list, size_t n);
void pop3_maildrop_finish(struct pop3_maildrop *m);

/* number is 1 to n_messages. */
struct maildrop_message pop3_maildrop_at(const struct pop3_maildrop *m, size_t number);
bool pop3_maildrop_is_deleted(const struct pop3_maildrop *m, size_t number);
/* Of one that is not deleted. False: no memory. */
bool pop3_maildrop_delete(struct pop3_maildrop *m, size_t number);
void pop3_maildrop_reset(struct pop3_maildrop *m);

#endif
