#include "io/x509.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "base/printable.h"

bool
x509_reader_init(struct x509_reader *r, struct bytes text)
{
	r->bio = text.n > INT_MAX ?
	    NULL :
	    BIO_new_mem_buf(text.n > 0 ? text.p : "", (int)text.n);
	return r->bio != NULL;
}

void
x509_reader_finish(struct x509_reader *r)
{
	BIO_free(r->bio);
	r->bio = NULL;
}

static enum x509_item
certificate_of(const unsigned char *der, long n, X509 **certificate)
{
	const unsigned char *end = der;

	*certificate = d2i_X509(NULL, &end, n);
	if (*certificate != NULL && end == der + n)
		return X509_ITEM_CERTIFICATE;
	X509_free(*certificate);
	*certificate = NULL;
	return X509_ITEM_BROKEN;
}

/* header: that of PEM, where the old forms say that they are encrypted. */
static enum x509_item
key_of(struct bytes name, const char *header, const unsigned char *der, long n,
    EVP_PKEY **key)
{
	if (bytes_start(name, BYTES("ENCRYPTED")) || *header != '\0')
		return X509_ITEM_LOCKED;
	*key = d2i_AutoPrivateKey(NULL, &der, n);
	return *key != NULL ? X509_ITEM_KEY : X509_ITEM_BROKEN;
}

static bool
is_key(struct bytes name)
{
	const struct bytes ending = BYTES_INIT("PRIVATE KEY");

	return name.n >= ending.n &&
	    bytes_equal(bytes_from(name, name.n - ending.n), ending);
}

enum x509_item
x509_next(struct x509_reader *r, X509 **certificate, EVP_PKEY **key)
{
	enum x509_item item = X509_ITEM_NONE;
	char          *name, *header;
	unsigned char *der;
	long           n;

	*certificate = NULL;
	*key = NULL;
	ERR_clear_error();
	/* PEM_read_bio decrypts nothing, so that nothing asks for a pass phrase. */
	while (item == X509_ITEM_NONE &&
	    PEM_read_bio(r->bio, &name, &header, &der, &n) == 1) {
		if (strcmp(name, PEM_STRING_X509) == 0)
			item = certificate_of(der, n, certificate);
		else if (is_key(bytes_of(name)))
			item = key_of(bytes_of(name), header, der, n, key);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)n);
	}
	if (item == X509_ITEM_NONE &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		item = X509_ITEM_BROKEN;
	ERR_clear_error();
	return item;
}

static void
copy_name(const ASN1_STRING *string, char *name, size_t size)
{
	const void  *data = ASN1_STRING_get0_data(string);
	struct bytes text = { data, (size_t)ASN1_STRING_length(string) };
	struct buf   printable;

	buf_init(&printable, size);
	printable_add(&printable, text, size - 1);
	if (!bytes_to_string(buf_bytes(&printable), name, size))
		*name = '\0';
	buf_finish(&printable);
}

static bool
dns_name(const X509 *certificate, char *name, size_t size)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);

		found = one->type == GEN_DNS;
		if (found)
			copy_name(one->d.dNSName, name, size);
	}
	GENERAL_NAMES_free(names);
	return found;
}

void
x509_name(const X509 *certificate, char *name, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	*name = '\0';
	if (dns_name(certificate, name, size) || at < 0)
		return;
	copy_name(
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name, size);
}
