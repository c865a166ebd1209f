/*
 * shadow(5). What is read lies in its line and, written again, is the line that it was;
 * what is open has a hash that is not locked; who is found is the first of that name, and
 * changed or removed is all of that name.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/shadow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(struct bytes line, const struct shadow_entry *entry)
{
	struct buf b;

	buf_init(&b, line.n + 1);
	shadow_add_line(&b, entry);
	if (b.failed || b.len != line.n + 1 || b.p[line.n] != '\n' ||
	    memcmp(b.p, line.p, line.n) != 0)
		abort();
	buf_finish(&b);
	if (shadow_is_open(entry, 0) &&
	    (entry->hash.n == 0 || memchr("!*", entry->hash.p[0], 2)))
		abort();
	/* who is open on a day was so before */
	if (shadow_is_open(entry, 20000) && !shadow_is_open(entry, 19999))
		abort();
}

/* Set, it is found; removed, it is not, nor brings another line of that name to life. */
static void
check_change(struct bytes text, struct bytes name)
{
	struct shadow_entry found, entry = {
		.name = name, .hash = BYTES_INIT("H"), .rest = BYTES_INIT("1::::::"),
	};
	struct buf b;

	buf_init(&b, text.n + name.n + 16);
	shadow_add_changed(&b, text, name, &entry);
	if (b.failed || !shadow_find(buf_bytes(&b), name, &found) ||
	    !bytes_equal(found.hash, entry.hash))
		abort();
	buf_clear(&b);
	shadow_add_changed(&b, text, name, NULL);
	if (b.failed || shadow_find(buf_bytes(&b), name, &found))
		abort();
	buf_finish(&b);
}

static void
check_find(struct bytes text, const struct shadow_entry *entry)
{
	struct shadow_entry found;

	if (!shadow_find(text, entry->name, &found) ||
	    !bytes_equal(found.name, entry->name) || found.hash.p > entry->hash.p)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes        text = { (const char *)data, size }, rest = text, line;
	struct shadow_entry entry;
	unsigned            lines = 0, seen = 0, good = 0;

	while (bytes_split(&rest, '\n', &line)) {
		lines++;
		if (!shadow_parse_line(line, &entry))
			continue;
		good++;
		check_line(line, &entry);
	}
	for (rest = text; shadow_next(&rest, &entry, &seen);)
		if (entry.name.n > 0) {
			check_find(text, &entry);
			check_change(text, entry.name);
			good--;
		}
	if (good != 0 || seen != lines)
		abort();
	return 0;
}
