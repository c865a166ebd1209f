#include "auth/name.h"

#include "proto/passwd.h"

static bool
is_ours(const struct bytes_list *domains, struct bytes domain)
{
	for (size_t i = 0; i < domains->n; i++)
		if (bytes_equal_nocase(domains->v[i], domain))
			return true;
	return false;
}

bool
name_of_user(const struct bytes_list *domains, struct bytes typed,
    char out[NAME_MAX_BYTES + 1])
{
	size_t       at = bytes_find_last(typed, '@');
	struct bytes name = bytes_first(typed, at);

	out[0] = '\0';
	if (at < typed.n && !is_ours(domains, bytes_from(typed, at + 1)))
		return false;
	if (!bytes_to_string(name, out, NAME_MAX_BYTES + 1))
		return false;
	for (char *p = out; *p; p++)
		*p = byte_lower(*p);
	if (passwd_name_is_valid(bytes_of(out)))
		return true;
	out[0] = '\0';
	return false;
}
