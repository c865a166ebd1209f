/*
 * A reply of spamd. A score comes only from exactly one well-formed Spam header;
 * what is accepted whole is accepted the same wherever the bytes were split; an
 * error has a printable text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/printable.h"
#include "proto/spamd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_same(const struct spamd_reply *a, const struct spamd_reply *b)
{
	return a->score_milli == b->score_milli &&
	    a->threshold_milli == b->threshold_milli &&
	    a->is_spam == b->is_spam && bytes_equal(a->tests, b->tests);
}

/* Counted without the parser: the lines of the head that begin with "Spam:". */
static size_t
spam_headers(struct bytes text)
{
	struct bytes line;
	size_t       n = 0;

	while (bytes_split(&text, '\n', &line) && line.n > 0 &&
	    !bytes_equal(line, BYTES("\r"))) {
		struct bytes name = bytes_first(line, bytes_find(line, ':'));

		if (bytes_equal_nocase(bytes_trim(name), BYTES("spam")) &&
		    name.n < line.n)
			n++;
	}
	return n;
}

static void
check_pieces(struct bytes whole, const struct spamd_reply *expected)
{
	for (size_t n = 0; n <= whole.n; n++) {
		struct spamd_reply r;

		switch (spamd_read_reply(bytes_first(whole, n), false, &r)) {
		case SPAMD_MORE:
			continue;
		case SPAMD_SCORE:
			if (!is_same(&r, expected))
				abort();
			continue;
		case SPAMD_ERROR:
			abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes       whole = { (const char *)data, size };
	struct spamd_reply r;

	switch (spamd_read_reply(whole, true, &r)) {
	case SPAMD_MORE:
		abort(); /* nothing more comes */
	case SPAMD_SCORE:
		if (spam_headers(whole) != 1)
			abort();
		check_pieces(whole, &r);
		break;
	case SPAMD_ERROR:
		if (r.error.n == 0 || !printable_is(r.error))
			abort();
		break;
	}
	return 0;
}
