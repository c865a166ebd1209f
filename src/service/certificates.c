#include "service/certificates.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "service/service.h"

enum { KEYS_MAX = 64 * 1024 * 1024 }; /* bytes, those of every name */

bool
certificates_use(
    struct bytes protocol, struct tls_context **out, char *error, size_t size)
{
	struct bytes ticket_key = service_ticket_key();
	struct buf   keys;

	*out = NULL;
	if (ticket_key.n == 0)
		return true;
	buf_init(&keys, KEYS_MAX);
	if (service_read_secrets(&keys))
		*out = tls_context_new(buf_bytes(&keys), protocol,
		    service_instance(), ticket_key, error, size);
	else
		snprintf(error, size, "the keys for TLS cannot be read");
	buf_wipe(&keys);
	return *out != NULL;
}
