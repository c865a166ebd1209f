/*
 * What the parts of the directory share: its tables (directory.c), the way of an address
 * through them (directory_route.c), and what is asked of many such ways (directory_own.c).
 * For others there is directory.h.
 */
#ifndef AMPEL_MAIL_DIRECTORY_INSIDE_H
#define AMPEL_MAIL_DIRECTORY_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/table.h"
#include "mail/directory.h"

enum { CANONICAL_MAX = 1 + ADDRESS_LOCAL_MAX * 2 + 1 + ADDRESS_DOMAIN_MAX + 1 };

struct alias_entry {
	struct bytes        name;
	const struct bytes *targets;
	size_t              n_targets;
	bool                leads_out; /* for directory_find_loop */
	struct alias_entry *next;
};

struct user_entry {
	struct bytes name;
};

struct virtual_entry {
	struct bytes prefix; /* "joe-"; empty: an exception, not ours */
};

struct directory {
	struct arena arena;    /* keys and values of the tables */
	struct table domains;
	struct table relays;   /* of domains and ".suffix" */
	struct table virtuals; /* struct virtual_entry, by key in lower case */
	struct table users;    /* struct user_entry, by name in lower case */
	struct table aliases;  /* struct alias_entry, by name in lower case */
	const struct assignments *assignments; /* NULL: none */
	const struct user_entry  *first_user;
	const struct user_entry  *alias_user; /* NULL: none */
	struct alias_entry       *first_alias;
	struct bytes delimiter;
	struct bytes hostname;
	bool         is_any_ours; /* domain, virtual or not: the host's name is, too */
	bool         is_qmail;    /* users have .qmail files and dash extensions */
};

/* A canonical address in two parts, and room for it. */
struct canonical {
	char         room[CANONICAL_MAX];
	struct bytes local;
	struct bytes domain; /* empty: <Postmaster> */
};

/* False: it is longer than any address can be. */
bool directory_canonical(struct canonical *c, const struct address *address);

/*
 * Writes into room and nowhere else: the buffer cannot grow. One byte is for the NUL that
 * buffers have.
 */
struct buf directory_buf_in(char *room, size_t size);

/* "LOCAL@DOMAIN" with something around the local part. NULL p: no memory, or too long. */
struct bytes directory_copy_joined(struct arena *arena, const char *before,
    struct bytes local, const char *after, struct bytes domain);

/* directory_route, and the alias that it has taken: NULL is none. */
const struct alias_entry *directory_route_by(const struct directory *d,
    struct arena *arena, const struct address *address, struct route *out);

#endif
