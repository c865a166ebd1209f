#include "io/key_ring.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "io/x509.h"

enum { NAME_MAX_BYTES = 256 };

static const char NO_MEMORY[] = "no memory";

/* The key becomes the ring's, also when this fails. */
static const char *
add_pair(struct key_ring *ring, EVP_PKEY *key)
{
	struct key_ring_pair *more =
	    realloc(ring->pairs, (ring->n + 1) * sizeof *more);

	if (more == NULL) {
		EVP_PKEY_free(key);
		return NO_MEMORY;
	}
	ring->pairs = more;
	more[ring->n] = (struct key_ring_pair){ .key = key, .chain = sk_X509_new_null() };
	return more[ring->n++].chain != NULL ? NULL : NO_MEMORY;
}

/* Likewise the certificate. */
static const char *
add_certificate(struct key_ring *ring, X509 *certificate)
{
	struct key_ring_pair *last = ring->n > 0 ? &ring->pairs[ring->n - 1] : NULL;

	if (last != NULL && last->certificate == NULL) {
		last->certificate = certificate;
		return NULL;
	}
	if (last != NULL && sk_X509_push(last->chain, certificate) > 0)
		return NULL;
	X509_free(certificate);
	return last != NULL ? NO_MEMORY : "a certificate stands before its key";
}

static const char *
read_all(struct key_ring *ring, struct x509_reader *reader)
{
	const char *fault = NULL;
	X509       *certificate;
	EVP_PKEY   *key;

	while (fault == NULL)
		switch (x509_next(reader, &certificate, &key)) {
		case X509_ITEM_KEY:
			fault = add_pair(ring, key);
			break;
		case X509_ITEM_CERTIFICATE:
			fault = add_certificate(ring, certificate);
			break;
		case X509_ITEM_LOCKED:
			return "a private key wants a pass phrase";
		case X509_ITEM_BROKEN:
			return "a key or certificate cannot be read";
		case X509_ITEM_NONE:
			return ring->n > 0 ? NULL : "there is no private key";
		}
	return fault;
}

static const char *
find_preset(struct key_ring *ring)
{
	char first[NAME_MAX_BYTES], name[NAME_MAX_BYTES];

	for (size_t i = 0; i < ring->n; i++) {
		if (ring->pairs[i].certificate == NULL)
			return "a private key has no certificate";
		x509_name(ring->pairs[i].certificate, name, sizeof name);
		if (i == 0)
			memcpy(first, name, sizeof first);
		ring->pairs[i].is_preset =
		    bytes_equal_nocase(bytes_of(name), bytes_of(first));
	}
	return NULL;
}

const char *
key_ring_read(struct key_ring *ring, struct bytes text)
{
	struct x509_reader reader;
	const char        *fault;

	if (!x509_reader_init(&reader, text))
		return NO_MEMORY;
	fault = read_all(ring, &reader);
	x509_reader_finish(&reader);
	if (fault == NULL)
		fault = find_preset(ring);
	ERR_clear_error();
	return fault;
}

void
key_ring_finish(struct key_ring *ring)
{
	for (size_t i = 0; i < ring->n; i++) {
		EVP_PKEY_free(ring->pairs[i].key);
		X509_free(ring->pairs[i].certificate);
		sk_X509_pop_free(ring->pairs[i].chain, X509_free);
	}
	free(ring->pairs);
	*ring = (struct key_ring){ 0 };
}

bool
key_ring_pair_bears(const struct key_ring_pair *pair, const char *host)
{
	return X509_check_host(pair->certificate, host, strlen(host),
	           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

bool
key_ring_bears(const struct key_ring *ring, const char *host)
{
	for (size_t i = 0; i < ring->n; i++)
		if (key_ring_pair_bears(&ring->pairs[i], host))
			return true;
	return false;
}
