/*
 * Files of qmail's control/. Entries lie in the text, one behind the other, none of them empty
 * or a comment or with a blank at its end, and line numbers rise. What is in a list by one walk is
 * what the rule says: the domain itself or one of its suffixes is an entry.
 *
 * The first line of the input is the domain, the others are the list.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/qmail_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_list(struct bytes list)
{
	struct bytes rest = list, entry, key, value;
	const char  *end = list.p;
	unsigned     line = 0, before = 0;

	while (qmail_control_next(&rest, &entry, &line)) {
		if (entry.n == 0 || entry.p[0] == '#' || entry.p < end ||
		    entry.p + entry.n > list.p + list.n || line <= before)
			abort();
		if (bytes_find(entry, '\n') != entry.n ||
		    entry.p[entry.n - 1] == ' ' || entry.p[entry.n - 1] == '\t')
			abort();
		end = entry.p + entry.n;
		before = line;
		if (qmail_control_pair(entry, &key, &value) !=
		    (key.n + 1 + value.n == entry.n))
			abort();
	}
}

static bool
has_entry(struct bytes list, struct bytes wanted)
{
	struct bytes entry;

	while (qmail_control_next(&list, &entry, NULL))
		if (bytes_equal_nocase(entry, wanted))
			return true;
	return false;
}

static bool
has_suffix(struct bytes list, struct bytes domain)
{
	for (size_t at = 0; at < domain.n; at++)
		if ((at == 0 || domain.p[at] == '.') &&
		    has_entry(list, bytes_from(domain, at)))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes       list = { (const char *)data, size }, domain = { "", 0 };
	struct constant_db none = { .content = { NULL, 0 } };
	uint64_t           number;

	bytes_split(&list, '\n', &domain);
	domain = bytes_first(domain, 100);
	check_list(list);
	if (qmail_control_has_domain(list, &none, domain) !=
	    has_suffix(list, domain))
		abort();
	if (domain.n > 0 && domain.p[0] == '@' &&
	    bytes_find_last(domain, '@') == 0 &&
	    qmail_control_is_bad_sender(list, domain) != has_entry(list, domain))
		abort();
	if (qmail_control_number(list, &number) &&
	    (list.n == 0 || !byte_is_digit(list.p[0])))
		abort();
	return 0;
}
