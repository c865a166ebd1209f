/*
 * What tls and certificate both need of certificates and private keys. Needs libcrypto,
 * not libssl.
 */
#ifndef AMPEL_IO_X509_H
#define AMPEL_IO_X509_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Goes through a text in PEM, which it borrows. */
struct x509_reader {
	BIO *bio;
};

enum x509_item {
	X509_ITEM_NONE,        /* no more */
	X509_ITEM_CERTIFICATE,
	X509_ITEM_KEY,
	X509_ITEM_LOCKED,      /* a private key that wants a pass phrase */
	X509_ITEM_BROKEN,      /* something that cannot be read; or no memory */
};

/* False: no memory. */
bool x509_reader_init(struct x509_reader *r, struct bytes text);
void x509_reader_finish(struct x509_reader *r);

/*
 * The next certificate or private key, which the caller frees; the other pointer is NULL.
 * Texts around them are passed over, and so is whatever else stands there in PEM.
 */
enum x509_item x509_next(
    struct x509_reader *r, X509 **certificate, EVP_PKEY **key);

/* The first DNS name, or the subject's CN; printable, cut to size; "" when it has neither. */
void x509_name(const X509 *certificate, char *name, size_t size);

#endif
