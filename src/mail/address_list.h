/*
 * The addresses in a header field such as To, Cc and Bcc, RFC 5322 section 3.4, as
 * `sendmail -t` sends to them: names, comments, groups and obsolete routes are read
 * over; folded values as they stand in the message.
 */
#ifndef AMPEL_MAIL_ADDRESS_LIST_H
#define AMPEL_MAIL_ADDRESS_LIST_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"

enum {
	ADDRESS_LIST_MAX = 100 * 1024, /* bytes of one field */
	ADDRESS_COMMENTS_MAX = 16,     /* of comments within comments */
};

struct address_list {
	const char  *p;    /* private */
	const char  *end;
	char        *room; /* where addresses are put together; NULL: no memory */
	bool         is_in_group;
};

/* Begin with the value of a field, which must outlive the list. */
struct address_list address_list_of(struct bytes value, struct arena *arena);

enum address_list_result {
	ADDRESS_LIST_END,
	ADDRESS_LIST_ADDRESS, /* *out: "local@domain", or "local" alone; lives in the arena */
	ADDRESS_LIST_BROKEN,  /* not an address; *out: what stands there; the next one may be good */
};

enum address_list_result address_list_next(
    struct address_list *l, struct bytes *out);

#endif
