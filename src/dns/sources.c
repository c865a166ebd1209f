#include "dns/sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/network.h"
#include "io/file.h"

enum {
	FILE_MAX = 256 * 1024,
	PATH_MAX_BYTES = 4096,
};

static const char debian_anchors[] = "/usr/share/dns/root.key";

/* KSK-2017 and KSK-2024, https://data.iana.org/root-anchors/root-anchors.xml. */
static const char root_anchors[] =
    ". IN DS 20326 8 2 "
    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 "
    "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

/* --- files --- */

static bool
read_file(struct buf *text, struct buf *path, const char *what, char *error,
    size_t size)
{
	if (file_read(buf_string(path), text, NULL) == 0)
		return true;
	snprintf(error, size, "dns: %s: %s: %s", what, buf_string(path),
	    strerror(errno));
	return false;
}

/* Debian's follows the root when its keys change; ours is as old as this program. */
static void
read_root_anchors(struct buf *text)
{
	if (file_read(debian_anchors, text, NULL) == 0)
		return;
	buf_clear(text);
	buf_add_string(text, root_anchors);
}

bool
sources_read(struct sources *s, const struct config_dns *config, char *error,
    size_t size)
{
	buf_init(&s->anchor_path, PATH_MAX_BYTES);
	buf_init(&s->hints_path, PATH_MAX_BYTES);
	buf_init(&s->anchors, FILE_MAX);
	buf_init(&s->hints, FILE_MAX);
	buf_add_bytes(&s->anchor_path, config->anchor);
	buf_add_bytes(&s->hints_path, config->root_hints);
	if (config->anchor.n == 0)
		read_root_anchors(&s->anchors);
	else if (!read_file(
	             &s->anchors, &s->anchor_path, "anchor", error, size))
		return false;
	return config->root_hints.n == 0 ||
	    read_file(&s->hints, &s->hints_path, "root_hints", error, size);
}

void
sources_finish(struct sources *s)
{
	buf_finish(&s->anchor_path);
	buf_finish(&s->hints_path);
	buf_finish(&s->anchors);
	buf_finish(&s->hints);
}

bool
sources_are_of(const struct sources *s, const struct config_dns *config)
{
	return bytes_equal(buf_bytes(&s->anchor_path), config->anchor) &&
	    bytes_equal(buf_bytes(&s->hints_path), config->root_hints);
}

/* --- records --- */

/* One line without its comment; its parentheses become blanks and are counted. */
static void
add_line(struct buf *b, struct bytes line, int *depth)
{
	line = bytes_trim(bytes_first(line, bytes_find(line, ';')));
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > 0 && b->len > 0)
		buf_add_char(b, ' ');
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '(')
			++*depth;
		else if (line.p[i] == ')')
			--*depth;
		buf_add_char(b, line.p[i] == '(' || line.p[i] == ')' ? ' '
		                                                     : line.p[i]);
	}
}

bool
source_record(struct bytes *rest, struct buf *line)
{
	struct bytes piece;
	int          depth = 0;

	buf_clear(line);
	while (bytes_split(rest, '\n', &piece)) {
		add_line(line, piece, &depth);
		if (depth <= 0 && line->len > 0)
			return true;
	}
	return line->len > 0;
}

/* The word at the front. */
static bool
take_word(struct bytes *rest, struct bytes *word)
{
	size_t n = 0;

	*rest = bytes_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	*word = bytes_first(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}

bool
source_address(struct bytes record, struct bytes *address)
{
	struct bytes word, after;
	uint8_t      binary[16];

	if (!take_word(&record, &word)) /* whose it is */
		return false;
	while (take_word(&record, &word)) {
		if (!bytes_equal_nocase(word, BYTES("A")) &&
		    !bytes_equal_nocase(word, BYTES("AAAA")))
			continue;
		return take_word(&record, address) &&
		    !take_word(&record, &after) &&
		    network_parse_address(*address, binary);
	}
	return false;
}
