#include "ampel/story.h"

#include "ampel/output.h"

enum { VALUE_MAX = 4096 };

/* Said when the line has that field; key NULL: always. */
struct piece {
	const char *text;
	const char *key;
};

enum { PIECES_MAX = 12 };

struct sentence {
	const char  *event;
	struct piece pieces[PIECES_MAX];
};

#define MESSAGE \
	{ " from ", "from" }, { ", sent by ", "user" }, { " at ", "peer" }, \
	    { ", under ", "tls" }, { ", for ", "rcpt" }, \
	    { ", recipients in all: ", "recipients" }, { ", bytes: ", "size" }, \
	    { ", answered ", "code" }, { ": ", "why" }

#define ATTEMPT \
	{ " ", "status" }, { ", to user ", "user" }, { ", by ", "host" }, \
	    { ", protected by ", "tls" }, { ", after ms: ", "ms" }, { ": ", "why" }

/* clang-format off */
static const struct sentence sentences[] = {
	{ "accept", { { "accepted", NULL }, MESSAGE } },
	{ "reject", { { "rejected", NULL }, MESSAGE } },
	{ "defer", { { "put off", NULL }, MESSAGE } },
	{ "cancel", { { "given up by the client", NULL }, MESSAGE } },
	{ "filter", { { "filter ", "filter" }, { " said ", "said" }, { ": ", "why" } } },
	{ "verdict", { { "judged ", "verdict" }, { ", score ", "score" },
	    { ", decided by ", "stage" }, { "; the filters said: ", "filters" },
	    { "; they took: ", "took" }, { ": ", "why" } } },
	{ "delivered", { { "delivered ", "rcpt" }, ATTEMPT } },
	{ "deferred", { { "will be tried again: ", "rcpt" }, ATTEMPT } },
	{ "failed", { { "failed for good: ", "rcpt" }, ATTEMPT } },
	{ "cut-off", { { "cut off, and will be tried again: ", "rcpt" }, ATTEMPT } },
	{ "held", { { "held: ", "rcpt" }, ATTEMPT } },
	{ "expanded", { { "became others: ", "rcpt" }, ATTEMPT } },
	{ "forward", { { "went on from ", "rcpt" }, { ", as message ", "new" },
	    { ", from ", "from" }, { ", recipients in all: ", "recipients" } } },
	{ "possible-duplicate", { { "perhaps delivered twice: ", "rcpt" }, ATTEMPT } },
	{ "bounce", { { "its sender is told that it failed: ", "to" },
	    { ", by message ", "new" } } },
	{ "warning", { { "its sender is told that it takes long: ", "to" },
	    { ", by message ", "new" } } },
	{ "success", { { "its sender is told that it arrived: ", "to" },
	    { ", by message ", "new" } } },
	{ "discarded", { { "nobody is told any more: it was for ", "to" } } },
	{ "double-bounce", { { "its sender cannot be told; this is: ", "to" },
	    { ", by message ", "new" } } },
};
/* clang-format on */

static const struct sentence *
find(struct bytes event)
{
	for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
		if (bytes_equal(bytes_of(sentences[i].event), event))
			return &sentences[i];
	return NULL;
}

static void
add_sentence(struct buf *b, const struct sentence *s, const struct log_line *line)
{
	for (size_t i = 0; i < PIECES_MAX && s->pieces[i].text; i++) {
		const struct piece *piece = &s->pieces[i];
		struct bytes        value = { NULL, 0 };

		if (piece->key)
			value = log_line_get(line, piece->key);
		if (piece->key && value.n == 0)
			continue;
		buf_add_string(b, piece->text);
		log_value_add(b, value);
	}
}

void
story_add(struct buf *b, const struct log_line *line)
{
	struct bytes           event = log_line_get(line, "ev");
	const struct sentence *s = find(event);

	if (s) {
		add_sentence(b, s, line);
		return;
	}
	buf_add_bytes(b, event);
	for (size_t i = 0; i < line->n; i++) {
		const struct log_field *f = &line->fields[i];

		if (bytes_equal(f->key, BYTES("id")) ||
		    bytes_equal(f->key, BYTES("ev")))
			continue;
		buf_add_char(b, ' ');
		buf_add_bytes(b, f->key);
		buf_add_char(b, '=');
		log_value_add(b, f->value);
	}
}

static void
add_json_field(struct buf *b, const char *before, struct bytes key,
    struct bytes value)
{
	struct buf plain;

	buf_init(&plain, VALUE_MAX);
	log_value_add(&plain, value);
	buf_add_string(b, before);
	output_json(b, key);
	buf_add_char(b, ':');
	output_json(b, buf_bytes(&plain));
	buf_finish(&plain);
}

void
story_add_json(struct buf *b, const struct log_line *line)
{
	add_json_field(b, "{", BYTES("time"), line->time);
	for (size_t i = 0; i < line->n; i++)
		add_json_field(
		    b, ",", line->fields[i].key, line->fields[i].value);
	buf_add_char(b, '}');
}
