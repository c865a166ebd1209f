#include "lookup/remembered.h"

#include <openssl/evp.h>

#include "base/buf.h"
#include "proto/frame.h"

enum { DIGEST_BYTES = 32 };

struct answer {
	struct recent_entry entry; /* first */
	uint64_t            said_ms;
	bool                exists;
};

bool
remembered_init(struct remembered *r, uint64_t seed)
{
	return recent_init(
	    &r->answers, REMEMBERED_MAX, sizeof(struct answer), seed);
}

void
remembered_finish(struct remembered *r)
{
	recent_finish(&r->answers);
}

/*
 * A digest, because extensions are strangers' choice: nobody finds two that are taken for one
 * another. False: it cannot be made.
 */
static bool
make_key(const struct extension *extension, struct recent_key *key)
{
	struct buf b;
	unsigned   n = 0;
	bool       is_made;

	_Static_assert(sizeof *key >= DIGEST_BYTES, "a digest is a key");
	*key = (struct recent_key){ 0 };
	buf_init(&b, FRAME_MAX);
	frame_add_bytes(&b, extension->user);
	frame_add_bytes(&b, extension->dash);
	frame_add_bytes(&b, extension->name);
	is_made = !b.failed &&
	    EVP_Digest(b.p, b.len, (unsigned char *)key->words, &n,
	        EVP_sha256(), NULL) == 1 &&
	    n == DIGEST_BYTES;
	buf_finish(&b);
	return is_made;
}

bool
remembered_find(struct remembered *r, const struct extension *extension,
    uint64_t now_ms, bool *exists)
{
	struct recent_key key;
	struct answer    *answer = NULL;

	if (make_key(extension, &key))
		answer = (struct answer *)recent_find(&r->answers, &key);
	if (answer == NULL || now_ms - answer->said_ms >= REMEMBERED_MS)
		return false;
	*exists = answer->exists;
	return true;
}

void
remembered_add(struct remembered *r, const struct extension *extension,
    uint64_t now_ms, bool exists)
{
	struct recent_key key;
	struct answer    *answer = NULL;

	if (make_key(extension, &key))
		answer = (struct answer *)recent_touch(&r->answers, &key);
	if (answer == NULL)
		return;
	answer->said_ms = now_ms;
	answer->exists = exists;
}
