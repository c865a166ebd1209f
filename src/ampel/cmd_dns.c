#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ampel/ask.h"
#include "ampel/command.h"
#include "ampel/config_load.h"
#include "ampel/output.h"
#include "base/buf.h"
#include "base/printable.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "proto/dns_record.h"

enum {
	RECORDS_MAX_BYTES = 256 * 1024,
	OUTPUT_MAX = 4 * 1024 * 1024, /* a byte may become "\\010" */
	TEXT_MAX = 512,
};

/* What is wanted, and what came. */
struct lookup {
	struct bytes   name;
	enum dns_type  type;
	char          *buffer; /* of FRAME_MAX bytes; the answer's views are in it */
	struct msg_dns answer;
	struct buf     large;  /* or here */
};

/* --- the conversation --- */

/* False: the resolver is gone. */
static bool
send_question(int resolver, const struct lookup *l)
{
	const struct msg_ask_dns m = { 1, (uint16_t)l->type, l->name };
	struct buf               frame;
	bool                     sent;

	buf_init(&frame, FRAME_MAX);
	msg_ask_dns_add(&frame, &m);
	sent = peer_send_blocking(resolver, buf_bytes(&frame), NULL, 0);
	buf_finish(&frame);
	return sent;
}

/* False: the resolver is gone, or there is no memory. */
static bool
receive_answer(int resolver, struct lookup *l)
{
	int          fds[FRAME_DESCRIPTORS];
	struct bytes frame;
	bool         good;

	if (!ask_receive(resolver, l->buffer, &frame, fds))
		return false;
	good = msg_dns_read(frame, &l->answer) && l->answer.result <= DNS_BOGUS;
	if (good && l->answer.is_large) {
		good = fds[0] >= 0 && memfile_read(fds[0], 0, &l->large) == 0;
		l->answer.records = buf_bytes(&l->large);
	}
	if (fds[0] >= 0)
		close(fds[0]);
	return good;
}

/* --- what people see --- */

static const char *const result_names[] = {
	[DNS_TRY_LATER] = "try later",
	[DNS_FOUND] = "found",
	[DNS_NO_DATA] = "no such records",
	[DNS_NO_NAME] = "no such name",
	[DNS_BOGUS] = "bogus",
};

static const char *
state_name(const struct msg_dns *answer)
{
	if (answer->result == DNS_TRY_LATER)
		return "unknown";
	if (answer->result == DNS_BOGUS)
		return "bogus";
	return answer->is_secure ? "secure" : "insecure";
}

/* As a zone file has it; what nobody can read is said to be that. */
static void
add_record(struct buf *b, const struct lookup *l, struct bytes data)
{
	if (!dns_record_add(b, (uint16_t)l->type, data))
		buf_add_string(b, "(malformed)");
}

static void
add_text(struct buf *b, const struct lookup *l)
{
	const struct msg_dns *m = &l->answer;
	struct frame_reader   r = frame_reader_of(m->records);

	buf_add_string(b, result_names[m->result]);
	if (m->result != DNS_TRY_LATER && m->result != DNS_BOGUS)
		buf_addf(b, ", %s, ttl %u", state_name(m), m->ttl);
	if (m->text.n > 0) {
		buf_add_string(b, ": ");
		printable_add(b, m->text, TEXT_MAX);
	}
	if (m->canonical.n > 0 && !bytes_equal_nocase(m->canonical, l->name)) {
		buf_add_string(b, ", canonical name ");
		printable_add(b, m->canonical, DNS_NAME_MAX);
	}
	buf_add_char(b, '\n');
	for (uint32_t i = 0; i < m->n && !r.failed; i++) {
		add_record(b, l, frame_bytes(&r));
		buf_add_char(b, '\n');
	}
}

static void
add_json(struct buf *b, const struct lookup *l)
{
	const struct msg_dns *m = &l->answer;
	struct frame_reader   r = frame_reader_of(m->records);
	struct buf            record;

	buf_add_string(b, "{\"name\":");
	output_json(b, l->name);
	buf_addf(b, ",\"type\":\"%s\",\"result\":\"%s\",\"state\":\"%s\",\"ttl\":%u,",
	    dns_type_name((uint16_t)l->type), result_names[m->result],
	    state_name(m), m->ttl);
	buf_add_string(b, "\"canonical\":");
	output_json(b, m->canonical);
	buf_add_string(b, ",\"text\":");
	output_json(b, m->text);
	buf_add_string(b, ",\"records\":[");
	buf_init(&record, OUTPUT_MAX);
	for (uint32_t i = 0; i < m->n && !r.failed; i++) {
		buf_clear(&record);
		add_record(&record, l, frame_bytes(&r));
		if (i > 0)
			buf_add_char(b, ',');
		output_json(b, buf_bytes(&record));
	}
	buf_finish(&record);
	buf_add_string(b, "]}\n");
}

static int
show(const struct command *c, const struct lookup *l)
{
	static const int codes[] = {
		[DNS_TRY_LATER] = EX_LATER,
		[DNS_FOUND] = EX_GOOD,
		[DNS_NO_DATA] = EX_BAD,
		[DNS_NO_NAME] = EX_BAD,
		[DNS_BOGUS] = EX_LATER, /* as mail is: it may be mended */
	};
	struct buf b;
	int        code = codes[l->answer.result];

	buf_init(&b, OUTPUT_MAX);
	if (c->json)
		add_json(&b, l);
	else
		add_text(&b, l);
	if (b.failed)
		code = output_complain(EX_BAD, "the answer", strerror(ENOMEM));
	else
		fwrite(b.p, 1, b.len, stdout);
	buf_finish(&b);
	return code;
}

/* --- the command --- */

static int
run_lookup(const struct command *c, const struct config *config, struct lookup *l)
{
	int code = EX_LATER;
	int resolver = ask_door(config, VERB_DNS, l->buffer, &code);

	if (resolver < 0)
		return code;
	if (send_question(resolver, l) && receive_answer(resolver, l)) {
		code = show(c, l);
	} else {
		fprintf(stderr, "ampel: the resolver ended meanwhile\n");
		code = EX_LATER;
	}
	close(resolver);
	return code;
}

static int
lookup(const struct command *c, struct lookup *l)
{
	struct config *config = config_load_or_say(c->config_file);
	int            code;

	if (config == NULL)
		return EX_CONFIG_BAD;
	buf_init(&l->large, RECORDS_MAX_BYTES);
	l->buffer = malloc(FRAME_MAX);
	code = l->buffer ? run_lookup(c, config, l)
	                 : output_complain(EX_BAD, "the answer", strerror(ENOMEM));
	free(l->buffer);
	buf_finish(&l->large);
	config_free(config);
	return code;
}

/* People write the final dot. */
static bool
parse_name(const char *text, struct bytes *name)
{
	*name = bytes_of(text);
	if (name->n > 1 && name->p[name->n - 1] == '.')
		name->n--;
	return dns_name_is_host(*name);
}

int
cmd_dns(const struct command *c)
{
	struct lookup l = { .type = DNS_A };

	if (c->argc != 3 || strcmp(c->argv[0], "lookup") != 0) {
		fprintf(stderr, "usage: ampel dns lookup NAME TYPE\n");
		return EX_MISUSE;
	}
	if (!parse_name(c->argv[1], &l.name))
		return output_complain(EX_MISUSE, c->argv[1],
		    "not the name of a host (names beyond ASCII are written xn--...)");
	if (!dns_type_parse(bytes_of(c->argv[2]), &l.type))
		return output_complain(EX_MISUSE, c->argv[2],
		    "expected A, AAAA, CNAME, MX, PTR, TLSA or TXT");
	return lookup(c, &l);
}
