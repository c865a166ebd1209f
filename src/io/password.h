/* Hashes of passwords, crypt(3) of libxcrypt. Safe to call from several threads. */
#ifndef AMPEL_IO_PASSWORD_H
#define AMPEL_IO_PASSWORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum password_result { PASSWORD_FITS_NOT, PASSWORD_FITS, PASSWORD_TROUBLE };

/*
 * Whether the password makes that hash. An empty password never fits, nor does any password an
 * empty, locked or unknown hash. TROUBLE: no memory. Takes tens of milliseconds.
 */
enum password_result password_check(struct bytes hash, struct bytes password);

/*
 * The same work as password_check, whose answer is no: for a user that does not exist.
 * like: a hash of the kind that users of that file have; empty: the default kind.
 */
void password_check_nobody(struct bytes like, struct bytes password);

/* Add a new hash, yescrypt with the default cost. False: no randomness or no memory. */
bool password_add_hash(struct buf *b, struct bytes password);

#endif
