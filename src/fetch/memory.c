#include "fetch/memory.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/recent.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/log.h"
#include "proto/dns_record.h"

enum {
	FAILURES_MAX = 10000,
	FILE_MAX = 64 * 1024, /* 100 patterns take less */
	PATH_BYTES = 1024,
	DIGEST_BYTES = 32,
	COMPLAIN_MS = 60 * 1000,
};

_Static_assert(STS_PATTERNS_MAX * (DNS_NAME_MAX + sizeof "mx: *.") < FILE_MAX / 2,
    "every policy fits into a file");

struct kept {
	struct recent_entry entry; /* first */
	char                domain[DNS_NAME_MAX + 1];
	char               *text; /* of its file */
	size_t              len;
};

struct failure {
	struct recent_entry entry; /* first */
	uint64_t            failed_ms;
	char                why[MEMORY_WHY_MAX];
};

struct memory {
	struct recent policies, failures;
	size_t        bytes;  /* of all policies */
	char         *folder; /* NULL: there is none */
	uint64_t      complained_ms; /* 0: never */
};

/* Nobody finds two domains that are taken for one another. */
static bool
make_key(struct bytes domain, struct recent_key *key)
{
	unsigned n = 0;

	_Static_assert(sizeof *key >= DIGEST_BYTES, "a digest is a key");
	*key = (struct recent_key){ 0 };
	return EVP_Digest(domain.p, domain.n, (unsigned char *)key->words, &n,
	           EVP_sha256(), NULL) == 1 &&
	    n == DIGEST_BYTES;
}

/* --- files --- */

/* At most once a minute. */
static void
complain(struct memory *m, const char *path, const char *what)
{
	const char *why = strerror(errno);
	uint64_t    now_ms = clock_monotonic_ms();

	if (m->complained_ms != 0 && now_ms - m->complained_ms < COMPLAIN_MS)
		return;
	m->complained_ms = now_ms;
	log_text("%s cannot be %s: %s", path, what, why);
}

/* False: there are none, or the name is too long for one. */
static bool
path_of(const struct memory *m, const char *name, char path[PATH_BYTES])
{
	int n;

	if (m->folder == NULL)
		return false;
	n = snprintf(path, PATH_BYTES, "%s/%s", m->folder, name);
	return n > 0 && n < PATH_BYTES;
}

static void
remove_file(struct memory *m, const char *name)
{
	char path[PATH_BYTES];

	if (path_of(m, name, path) && unlink(path) == -1 && errno != ENOENT)
		complain(m, path, "removed");
}

static void
write_file(struct memory *m, const struct kept *kept)
{
	const struct bytes text = { kept->text, kept->len };
	char               path[PATH_BYTES];

	if (path_of(m, kept->domain, path) && file_replace(path, text, 0600) == -1)
		complain(m, path, "written");
}

/* --- policies --- */

/* From here only; its file is the caller's affair. */
static void
drop(struct memory *m, struct kept *kept)
{
	m->bytes -= kept->len;
	free(kept->text);
	recent_remove(&m->policies, &kept->entry);
}

static void
forget(struct memory *m, struct kept *kept)
{
	remove_file(m, kept->domain);
	drop(m, kept);
}

static struct kept *
find(struct memory *m, struct bytes domain)
{
	struct recent_key key;

	return make_key(domain, &key)
	    ? (struct kept *)recent_find(&m->policies, &key)
	    : NULL;
}

/* For one more of that size. */
static void
make_room(struct memory *m, size_t bytes)
{
	while (m->policies.oldest &&
	    (m->policies.n >= m->policies.max ||
	        m->bytes + bytes > MEMORY_BYTES_MAX))
		forget(m, (struct kept *)m->policies.oldest);
}

/* text is copied. NULL: no memory. */
static struct kept *
keep(struct memory *m, struct bytes domain, struct bytes text)
{
	struct kept      *kept = find(m, domain);
	struct recent_key key;
	char             *copy;

	if (kept)
		drop(m, kept);
	make_room(m, text.n);
	copy = malloc(text.n);
	if (copy == NULL || !make_key(domain, &key) ||
	    (kept = (struct kept *)recent_touch(&m->policies, &key)) == NULL) {
		free(copy);
		return NULL;
	}
	memcpy(copy, text.p, text.n);
	bytes_to_string(domain, kept->domain, sizeof kept->domain);
	kept->text = copy;
	kept->len = text.n;
	m->bytes += text.n;
	return kept;
}

bool
memory_find(struct memory *m, struct bytes domain, uint64_t now_ms,
    struct arena *arena, struct sts_cached *out)
{
	struct kept *kept = find(m, domain);
	struct bytes text;

	if (kept == NULL)
		return false;
	recent_touch(&m->policies, &kept->entry.key);
	text = arena_copy(arena, (struct bytes){ kept->text, kept->len });
	if (text.p == NULL || !sts_cached_parse(text, domain, arena, out))
		return false;
	if (sts_cached_is_valid(out, now_ms))
		return true;
	forget(m, kept);
	return false;
}

bool
memory_put(
    struct memory *m, struct bytes domain, const struct sts_cached *cached)
{
	struct recent_key    key;
	struct recent_entry *failure = NULL;
	struct kept         *kept = NULL;
	struct buf           text;

	buf_init(&text, FILE_MAX);
	sts_cached_add(&text, domain, cached);
	if (!text.failed)
		kept = keep(m, domain, buf_bytes(&text));
	buf_finish(&text);
	if (kept == NULL)
		return false;
	write_file(m, kept);
	if (make_key(domain, &key))
		failure = recent_find(&m->failures, &key);
	if (failure)
		recent_remove(&m->failures, failure);
	return true;
}

size_t
memory_policies(const struct memory *m)
{
	return m->policies.n;
}

/* --- failures --- */

void
memory_fail(struct memory *m, struct bytes domain, uint64_t now_ms,
    struct bytes why)
{
	struct recent_key key;
	struct failure   *failure = NULL;

	if (make_key(domain, &key))
		failure = (struct failure *)recent_touch(&m->failures, &key);
	if (failure == NULL)
		return;
	failure->failed_ms = now_ms;
	bytes_to_string(
	    bytes_first(why, sizeof failure->why - 1), failure->why, sizeof failure->why);
}

uint64_t
memory_failed_ms(struct memory *m, struct bytes domain, struct bytes *why)
{
	struct recent_key key;
	struct failure   *failure = NULL;

	if (make_key(domain, &key))
		failure = (struct failure *)recent_find(&m->failures, &key);
	*why = failure ? bytes_of(failure->why) : BYTES("");
	return failure ? failure->failed_ms : 0;
}

/* --- the beginning and the end --- */

/* False: it is none that is to be kept. */
static bool
read_policy(struct memory *m, const char *name, uint64_t now_ms)
{
	struct sts_cached cached;
	struct arena      arena;
	struct buf        text;
	char              path[PATH_BYTES];
	bool              good;

	arena_init(&arena, MEMORY_ARENA_MAX);
	buf_init(&text, FILE_MAX);
	good = path_of(m, name, path) && file_read(path, &text, NULL) == 0 &&
	    sts_cached_parse(buf_bytes(&text), bytes_of(name), &arena, &cached) &&
	    sts_cached_is_valid(&cached, now_ms) &&
	    keep(m, bytes_of(name), buf_bytes(&text)) != NULL;
	buf_finish(&text);
	arena_finish(&arena);
	return good;
}

static bool
read_folder(struct memory *m, uint64_t now_ms)
{
	DIR           *folder;
	struct dirent *file;

	if (file_make_folders(m->folder, 0700) == -1 ||
	    (folder = opendir(m->folder)) == NULL) {
		log_text("%s: %s", m->folder, strerror(errno));
		return false;
	}
	while ((file = readdir(folder)) != NULL)
		if (file->d_type == DT_REG && !read_policy(m, file->d_name, now_ms))
			remove_file(m, file->d_name);
	closedir(folder);
	return true;
}

struct memory *
memory_open(const char *folder, uint64_t now_ms)
{
	struct memory *m = calloc(1, sizeof *m);
	uint64_t       seed;
	bool           good;

	if (m == NULL)
		return NULL;
	random_fill(&seed, sizeof seed);
	m->folder = folder ? strdup(folder) : NULL;
	good = (folder == NULL || m->folder) &&
	    recent_init(&m->policies, MEMORY_POLICIES_MAX, sizeof(struct kept), seed) &&
	    recent_init(&m->failures, FAILURES_MAX, sizeof(struct failure), seed) &&
	    (folder == NULL || read_folder(m, now_ms));
	if (good)
		return m;
	memory_close(m);
	return NULL;
}

void
memory_close(struct memory *m)
{
	if (m == NULL)
		return;
	while (m->policies.newest)
		drop(m, (struct kept *)m->policies.newest);
	recent_finish(&m->policies);
	recent_finish(&m->failures);
	free(m->folder);
	free(m);
}
