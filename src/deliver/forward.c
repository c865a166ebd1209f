#include "deliver/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mix.h"
#include "io/memfile.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "proto/dot_qmail.h"
#include "proto/frame.h"

enum {
	TARGETS_BYTES = DOT_QMAIL_LINES_MAX * (ADDRESS_MAX + 8),
	EXT_BYTES = 256, /* a longer one makes no file's name */
};

/* --- to whom --- */

void
forward_init(struct forward *f)
{
	buf_init(&f->targets, TARGETS_BYTES);
	f->n = 0;
}

void
forward_finish(struct forward *f)
{
	buf_finish(&f->targets);
}

/* text, or text@hostname when it has no domain. */
static bool
parse(struct bytes text, struct bytes hostname, struct buf *whole,
    struct address *address)
{
	buf_add_bytes(whole, text);
	if (bytes_find(text, '@') == text.n) {
		buf_add_char(whole, '@');
		buf_add_bytes(whole, hostname);
	}
	return !whole->failed && address_parse_utf8(buf_bytes(whole), address);
}

bool
forward_add(struct forward *f, struct bytes text, struct bytes hostname)
{
	char           room[2][ADDRESS_MAX + 1];
	struct buf     whole = { .p = room[0], .cap = ADDRESS_MAX + 1,
		.max = ADDRESS_MAX };
	struct buf     canonical = { .p = room[1], .cap = ADDRESS_MAX + 1,
		.max = ADDRESS_MAX };
	struct address address;

	if (!parse(text, hostname, &whole, &address))
		return false;
	address_add_canonical(&canonical, &address);
	if (canonical.failed)
		return false;
	frame_add_bytes(&f->targets, buf_bytes(&canonical));
	f->n++;
	return !f->targets.failed;
}

/* --- from whom --- */

enum presence { ABSENT, PRESENT, UNKNOWN };

/* Whether there is the file of ext with that at its end; with errno when UNKNOWN. */
static enum presence
has_file(const struct forward_owner *o, const char *end)
{
	char         room[EXT_BYTES], name[256];
	struct buf   ext = { .p = room, .cap = EXT_BYTES, .max = EXT_BYTES - 1 };
	struct bytes matched;
	struct stat  st;
	unsigned     step = 0;

	buf_add_bytes(&ext, o->ext);
	buf_add_string(&ext, end);
	/* only the first name, that of the file itself */
	if (ext.failed ||
	    !dot_qmail_next_name(o->dash, buf_bytes(&ext), &step, name, &matched) ||
	    step > 1)
		return ABSENT;
	if (fstatat(o->home, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return PRESENT;
	return errno == ENOENT ? ABSENT : UNKNOWN;
}

/* LOCAL-owner@HOST, or when that is too long for an address, the message's own. */
static void
add_owner(struct buf *b, const struct forward_owner *o, bool is_verp)
{
	char           room[ADDRESS_MAX + 1];
	struct buf     base = { .p = room, .cap = ADDRESS_MAX + 1,
		.max = ADDRESS_MAX };
	struct address address;

	buf_addf(&base, "%.*s-owner%s@%.*s", BYTES_ARG(o->local),
	    is_verp ? "-" : "", BYTES_ARG(o->host));
	if (base.failed || !address_parse_utf8(buf_bytes(&base), &address)) {
		buf_add_bytes(b, o->reverse_path);
		return;
	}
	buf_add_bytes(b, buf_bytes(&base));
	if (is_verp)
		buf_add_string(b, VERP_END);
}

int
forward_add_sender(struct buf *b, const struct forward_owner *o)
{
	enum presence owner, owner_default;

	owner = o->reverse_path.n == 0 ? ABSENT : has_file(o, "-owner");
	if (owner == UNKNOWN)
		return -1;
	if (owner == ABSENT) {
		buf_add_bytes(b, o->reverse_path);
		return 0;
	}
	owner_default = has_file(o, "-owner-default");
	if (owner_default == UNKNOWN)
		return -1;
	add_owner(b, o, owner_default == PRESENT);
	return 0;
}

/* --- what --- */

int
forward_message(int body, uint64_t size_bytes, const struct trace *trace,
    uint64_t *forward_bytes)
{
	struct bytes top = bytes_of(trace->delivered_to);
	int          fd = memfile_new("forward");
	int          error;

	if (fd == -1)
		return -1;
	if (memfile_write(fd, top) == 0 &&
	    memfile_copy(body, size_bytes, fd) == 0 && memfile_seal(fd) == 0) {
		*forward_bytes = top.n + size_bytes;
		return fd;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

struct id
forward_id(const struct id *id, uint32_t recipient)
{
	uint64_t words[2], hash[2];

	_Static_assert(sizeof words == ID_BITS, "an id is two words");
	_Static_assert(sizeof hash >= ID_RANDOM, "and so is its hash");
	memcpy(words, id->bits, sizeof words);
	hash[0] = mix(mix(words[0] + 1) ^ mix(words[1] + 2) ^ recipient);
	hash[1] = mix(hash[0] ^ words[1]);
	return id_make(id_time_ms(id), (const uint8_t *)hash);
}
