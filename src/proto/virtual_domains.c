#include "proto/virtual_domains.h"

#include "mail/address.h"
#include "proto/qmail_control.h"

enum {
	/* a local part of ours still fits behind it */
	PREPEND_LENGTH = DIRECTORY_USER_MAX - 2 - ADDRESS_LOCAL_MAX - 1,
	SHOWN_MAX = 60, /* bytes of the file that a mistake quotes */
};

/* Without quotes: whatever can stand there but what divides. */
static bool
is_local(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return text.n > 0 && text.n <= ADDRESS_LOCAL_MAX;
}

static bool
is_key(struct bytes key)
{
	size_t at = bytes_find_last(key, '@');

	if (at < key.n)
		return is_local(bytes_first(key, at)) &&
		    address_domain_is_valid(bytes_from(key, at + 1));
	if (bytes_start(key, BYTES(".")))
		return address_domain_is_valid(bytes_from(key, 1));
	return key.n == 0 || address_domain_is_valid(key);
}

/* It becomes part of a user's name and of the names of .qmail files. */
static bool
is_prepend(struct bytes prepend)
{
	for (size_t i = 0; i < prepend.n; i++)
		if ((unsigned char)prepend.p[i] <= 0x20 ||
		    prepend.p[i] == 0x7f || prepend.p[i] == '/')
			return false;
	return prepend.n <= PREPEND_LENGTH;
}

void
virtual_domains_read(struct directory *d, struct bytes text,
    struct arena *arena, struct mistakes *mistakes)
{
	struct bytes entry, key, prepend;
	unsigned     line = 0;

	while (qmail_control_next(&text, &entry, &line)) {
		if (!qmail_control_pair(entry, &key, &prepend))
			mistakes_add(mistakes, arena, line,
			    "expected key:prepend");
		else if (!is_key(key))
			mistakes_add(mistakes, arena, line,
			    "\"%.*s\" is neither user@domain, domain, .suffix nor empty",
			    BYTES_ARG(bytes_first(key, SHOWN_MAX)));
		else if (!is_prepend(prepend))
			mistakes_add(mistakes, arena, line,
			    "\"%.*s\" cannot stand in front of a local part",
			    BYTES_ARG(bytes_first(prepend, SHOWN_MAX)));
		else if (!directory_add_virtual(d, key, prepend))
			mistakes_add(mistakes, arena, line, "no memory");
	}
}
