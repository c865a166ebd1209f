/* Hashes of passwords, crypt(3) of libxcrypt. Safe to call from several threads. */
#ifndef AMPEL_IO_PASSWORD_H
#define AMPEL_IO_PASSWORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum password_result { PASSWORD_FITS_NOT, PASSWORD_FITS, PASSWORD_TROUBLE };

/*
 * Whether the password makes that hash. An empty password never fits, nor does any password an
 * empty, locked or unknown hash; for these it takes as long as for one of the default kind.
 * TROUBLE: no memory. Takes tens of milliseconds.
 */
enum password_result password_check(struct bytes hash, struct bytes password);

/*
 * The same work as password_check, whose answer is no: for a user that does not exist.
 * like: a hash of the kind that users of that file have; empty: the default kind.
 */
void password_check_nobody(struct bytes like, struct bytes password);

/*
 * Add a new hash, yescrypt with the default cost. False: no randomness, no memory, or no
 * password: empty, with a NUL, or longer than crypt(3) takes (511 bytes).
 */
bool password_add_hash(struct buf *b, struct bytes password);

/*
 * What a hash is worth that came from elsewhere. Weak: DES, MD5 and others that a stolen
 * file gives away. Unknown: empty, locked, or of a kind that crypt(3) has not.
 */
enum password_strength { PASSWORD_UNKNOWN, PASSWORD_WEAK, PASSWORD_STRONG };

enum password_strength password_strength(struct bytes hash);

#endif
