/*
 * The keys and certificates that come with a configuration, made into what sessions of this
 * instance's listener need for TLS.
 */
#ifndef AMPEL_SERVICE_CERTIFICATES_H
#define AMPEL_SERVICE_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "io/tls.h"

/*
 * From inside `prepare`. protocol: as tls_context_new has it. *out is NULL when none came.
 * False with a text: they came and cannot be used.
 */
bool certificates_use(struct bytes protocol, struct tls_context **out,
    char *error, size_t size);

#endif
