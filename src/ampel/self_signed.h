/*
 * The certificate that the server makes and signs itself while no tls block applies:
 * passwords are under TLS from the first start on. It is kept for later starts, so that
 * whoever has accepted it once notices a change.
 */
#ifndef AMPEL_AMPEL_SELF_SIGNED_H
#define AMPEL_AMPEL_SELF_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ampel/key_pair.h"
#include "mail/config.h"

/*
 * Read it; it is made when there is none that can be used, when the hostname has
 * changed, or when it expires within 30 days. False with a line in error. out is to be
 * finished in any case.
 */
bool self_signed_get(const struct config *config, uint64_t now_ms,
    struct key_pair *out, char *error, size_t size);

#endif
