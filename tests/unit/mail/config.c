#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "mail/config.h"
#include "mail/setting.h"

/*
 * Trees are written as rows, one setting each, because the grammar is a floor above.
 * block: "kind name", or NULL outside of all. values end with NULL; more than one are a
 * list, and so is one after "{".
 */
struct row {
	const char *block;
	const char *name;
	const char *values[8];
};

enum { ROWS_MAX = 48 };

struct tree {
	struct config_tree    tree;
	struct config_setting settings[ROWS_MAX];
	struct config_block   blocks[ROWS_MAX];
	struct config_value   values[ROWS_MAX][8];
};

static void
fill_setting(struct config_setting *s, const struct row *row, unsigned line,
    struct config_value *values)
{
	struct config_value **tail = &s->values;
	size_t                i = 0;

	*s = (struct config_setting){ bytes_of(row->name), line, false, NULL, NULL };
	if (row->values[0] && (row->values[1] || row->values[0][0] == '{')) {
		s->is_list = true;
		i = row->values[0][0] == '{';
	}
	for (; row->values[i]; i++) {
		values[i] = (struct config_value){
			bytes_of(row->values[i]), false, line, NULL,
		};
		*tail = &values[i];
		tail = &values[i].next;
	}
}

/* Row i stands on line i + 1; a new block begins where its name changes. */
static const struct config_tree *
plant(struct tree *t, const struct row *rows)
{
	struct config_setting **tail = &t->tree.settings;
	struct config_block   **last_block = &t->tree.blocks;
	const char             *block = NULL;

	memset(t, 0, sizeof *t);
	for (unsigned i = 0; rows[i].block || rows[i].name; i++) {
		assert_true(i < ROWS_MAX);
		if (rows[i].block && (!block || strcmp(block, rows[i].block) != 0)) {
			struct bytes name = bytes_of(rows[i].block), kind;

			bytes_split(&name, ' ', &kind);
			t->blocks[i] = (struct config_block){
				kind, name, i + 1, NULL, NULL,
			};
			*last_block = &t->blocks[i];
			last_block = &t->blocks[i].next;
			tail = &t->blocks[i].settings;
			block = rows[i].block;
		}
		if (rows[i].name == NULL)
			continue;
		fill_setting(&t->settings[i], &rows[i], i + 1, t->values[i]);
		*tail = &t->settings[i];
		tail = &t->settings[i].next;
	}
	return &t->tree;
}

static void
read_rows(struct config *c, const struct row *rows, struct buf *printed)
{
	static struct tree tree; /* large for a stack */
	struct mistakes    mistakes = { 0 };

	config_from_tree(c, plant(&tree, rows), &mistakes);
	buf_init(printed, 10000);
	mistakes_print(&mistakes, "f", printed);
}

static void
assert_bytes(struct bytes b, const char *expected)
{
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p ? b.p : "", expected, b.n);
}

/* --- what is right --- */

static void
test_presets(void **state)
{
	static const struct row rows[] = {
		{ NULL, "hostname", { "mx.example.org" } },
		{ "listen smtp", "address", { "0.0.0.0:25" } },
		{ "filter a", "check", { "/a" } },
		{ "filter b", "spamd", { "127.0.0.1:783" } },
		{ "helper d", "command", { "/d" } },
		{ "tls ", "certificate", { "/c.pem" } },
		{ "tls ", "key", { "/k.pem" } },
		{ 0 },
	};
	struct config c;
	struct buf    printed;

	(void)state;
	read_rows(&c, rows, &printed);
	assert_string_equal(buf_string(&printed), "");
	assert_bytes(c.hostname, "mx.example.org");
	assert_int_equal(c.domains.n, 0);
	assert_int_equal(c.inside.n, 0);
	assert_int_equal(c.root.n, 0);
	assert_int_equal(c.users, USERS_FILE);
	assert_bytes(c.recipient_delimiter, "+");
	assert_int_equal(c.yellow_folder.n, 0);
	assert_bytes(c.log, "stderr");
	assert_int_equal(c.message_size, 50 * 1024 * 1024);
	assert_int_equal(c.message_memory, 128 * 1024 * 1024);
	assert_int_equal(c.min_free, 100 * 1024 * 1024);
	assert_int_equal(c.recipients, 100);
	assert_int_equal(c.sessions, 4000);
	assert_int_equal(c.sessions_per_address, 50);
	assert_int_equal(c.errors, 20);
	assert_int_equal(c.hops, 100);
	assert_int_equal(c.command_timeout_ms, 5 * 60 * 1000);
	assert_int_equal(c.data_timeout_ms, 3 * 60 * 1000);
	assert_int_equal(c.session_timeout_ms, 60 * 60 * 1000);
	assert_int_equal(c.filter_deadline_ms, 120 * 1000);
	assert_int_equal(c.filter_concurrency, 10);
	assert_int_equal(c.queue_lifetime_ms, 7 * 24 * 3600 * 1000LL);
	assert_int_equal(c.stop_timeout_ms, 150 * 1000);
	assert_true(c.bounce_single_recipient);
	assert_true(c.refuse_relay_probes);
	assert_false(c.any_sender);
	assert_false(c.hide_client);
	assert_int_equal(c.daily_recipients, 1000);
	assert_int_equal(c.pop3_timeout_ms, 10 * 60 * 1000);
	assert_bytes(c.password_check, "file");
	assert_bytes(c.password_user, "_ampelauth");

	assert_int_equal(c.n_listen, 1);
	assert_int_equal(c.listen[0].workers, 1);
	assert_int_equal(c.listen[0].line, 2);
	assert_int_equal(c.n_filter, 2);
	assert_int_equal(c.filter[0].kind, FILTER_CHECK);
	assert_int_equal(c.filter[0].timeout_ms, 60 * 1000);
	assert_int_equal(c.filter[0].on_error, FILTER_DEFER);
	assert_int_equal(c.filter[0].on_oversize, FILTER_PASS);
	assert_true(c.filter[0].max_size == UINT64_MAX);
	assert_false(c.filter[0].shadow);
	assert_false(c.filter[0].has_scores);
	assert_int_equal(c.filter[0].listeners.n, 1);
	assert_bytes(c.filter[0].listeners.v[0], "smtp");
	assert_int_equal(c.filter[0].code_colour[0], COLOUR_GREEN);
	assert_int_equal(c.filter[0].code_colour[1], COLOUR_RED);
	for (size_t i = 2; i < 256; i++)
		assert_int_equal(c.filter[0].code_colour[i], COLOUR_ERROR);
	assert_int_equal(c.filter[1].kind, FILTER_SPAMD);
	assert_int_equal(c.filter[1].max_size, 500 * 1024);
	assert_true(c.filter[1].has_scores);
	assert_int_equal(c.filter[1].yellow_milli, 5000);
	assert_int_equal(c.filter[1].red_milli, 7000);
	assert_bytes(c.helper[0].user, "_ampelfilter");
	assert_int_equal(c.helper[0].ready.n, 0);
	assert_int_equal(c.n_tls, 1);
	assert_int_equal(c.tls[0].name.n, 0);
	assert_bytes(c.tls[0].certificate, "/c.pem");
	assert_bytes(c.tls[0].key, "/k.pem");
	assert_int_equal(c.tls[0].listeners.n, 0);
	assert_int_equal(c.tls[0].line, 6);
	buf_finish(&printed);
	config_finish(&c);
}

static const struct row everything[] = {
	{ NULL, "hostname", { "mx.example.org" } },
	{ NULL, "domains", { "Example.ORG", "example.net" } },
	{ NULL, "relay_domains", { "Example.COM", ".Example.com" } },
	{ NULL, "inside", { "10.0.0.0/8", "fd00::/8" } },
	{ NULL, "virtual_domains", { "/var/qmail/control/virtualdomains" } },
	{ NULL, "assign", { "/var/qmail/users/cdb" } },
	{ NULL, "root", { "/srv/trial" } },
	{ NULL, "rules", { "/etc/tcp.smtp" } },
	{ NULL, "recipient_delimiter", { "" } },
	{ NULL, "contact", { "call +49 30 1" } },
	{ NULL, "message_size", { "10M" } },
	{ NULL, "queue_lifetime", { "36h" } },
	{ NULL, "refuse_relay_probes", { "no" } },
	{ NULL, "any_sender", { "yes" } },
	{ NULL, "daily_recipients", { "50" } },
	{ NULL, "password_check", { "/bin/checkpassword -x" } },
	{ NULL, "password_user", { "root" } },
	{ NULL, "double_bounce_to", { "" } },
	{ NULL, "delay_warning", { "0s" } },
	{ "listen smtp", "address", { "0.0.0.0:25", "[::]:25" } },
	{ "listen smtp", "workers", { "4" } },
	{ "listen pop3s", "address", { "0.0.0.0:995" } },
	{ "listen pop3s", "rules", { "/etc/tcp.pop3.cdb" } },
	{ "tls rsa", "certificate", { "/tls/rsa.pem" } },
	{ "tls rsa", "key", { "/tls/rsa.key" } },
	{ "tls rsa", "listeners", { "smtp", "pop3s" } },
	{ "tls ", "certificate", { "/tls/cert.pem" } },
	{ "tls ", "key", { "/tls/key.pem" } },
	{ "route .Example.NET", "to", { "[smart.example.net]:587", "192.0.2.1" } },
	{ "route .Example.NET", "tls", { "verify" } },
	{ "route .Example.NET", "user", { "jo" } },
	{ "route .Example.NET", "password_file", { "/etc/ampel/smart" } },
	{ "route *", "tls", { "none" } },
	{ "dns ", "forward", { "127.0.0.1:5353" } },
	{ "dns ", "anchor", { "/etc/anchor" } },
	{ "filter sa", "spamd", { "127.0.0.1:783", "/run/spamd" } },
	{ "filter sa", "red", { "9.125" } },
	{ "filter map", "command", { "/bin/bogo -x" } },
	{ "filter map", "green", { "{", "1" } },
	{ "filter map", "yellow", { "{", "2" } },
	{ "filter map", "red", { "0", "31" } },
	{ "filter map", "shadow", { "true" } },
	{ "filter score", "check", { "/bin/score" } },
	{ "filter score", "yellow", { "1" } },
	{ "filter score", "listeners", { "{" } },
	{ "helper d", "command", { "/d -p 1" } },
	{ "helper d", "ready", { "127.0.0.1:1" } },
	{ 0 },
};

static void
test_everything(void **state)
{
	struct config        c;
	struct buf           printed;
	struct config_filter *map;

	(void)state;
	read_rows(&c, everything, &printed);
	assert_string_equal(buf_string(&printed), "");
	assert_int_equal(c.domains.n, 2);
	assert_bytes(c.domains.v[0], "example.org");
	assert_int_equal(c.relay_domains.n, 2);
	assert_bytes(c.relay_domains.v[0], "example.com");
	assert_bytes(c.relay_domains.v[1], ".example.com");
	assert_int_equal(c.inside.n, 2);
	assert_bytes(c.root, "/srv/trial");
	assert_int_equal(c.recipient_delimiter.n, 0);
	assert_int_equal(c.message_size, 10 * 1024 * 1024);
	assert_int_equal(c.queue_lifetime_ms, 36 * 3600 * 1000);
	assert_false(c.refuse_relay_probes);
	assert_int_equal(c.listen[0].address.n, 2);
	assert_int_equal(c.listen[0].address.v[1].port, 25);
	assert_int_equal(c.n_listen, 2);
	assert_bytes(c.listen[1].name, "pop3s");
	assert_true(c.any_sender);
	assert_int_equal(c.daily_recipients, 50);
	assert_bytes(c.password_check, "/bin/checkpassword -x");
	assert_bytes(c.password_user, "root");
	assert_int_equal(c.n_tls, 2);
	assert_bytes(c.tls[0].name, "rsa");
	assert_int_equal(c.tls[0].listeners.n, 2);
	assert_bytes(c.tls[0].listeners.v[1], "pop3s");
	assert_int_equal(c.tls[1].name.n, 0);
	assert_int_equal(c.filter[0].spamd.n, 2);
	assert_int_equal(c.filter[0].red_milli, 9125);
	map = &c.filter[1];
	assert_int_equal(map->kind, FILTER_COMMAND);
	assert_bytes(map->program, "/bin/bogo -x");
	assert_int_equal(map->code_colour[0], COLOUR_RED);
	assert_int_equal(map->code_colour[1], COLOUR_GREEN);
	assert_int_equal(map->code_colour[2], COLOUR_YELLOW);
	assert_int_equal(map->code_colour[3], COLOUR_ERROR);
	assert_int_equal(map->code_colour[31], COLOUR_RED);
	assert_true(map->shadow);
	assert_false(map->has_scores);
	assert_true(c.filter[2].has_scores);
	assert_int_equal(c.filter[2].yellow_milli, 1000);
	assert_int_equal(c.filter[2].red_milli, 7000);
	assert_int_equal(c.filter[2].code_colour[1], COLOUR_RED);
	assert_true(config_is_filtered(&c, BYTES("smtp")));
	assert_false(config_is_filtered(&c, BYTES("smtps")));
	assert_int_equal(c.helper[0].ready.n, 1);
	buf_finish(&printed);
	config_finish(&c);
}

struct part_row {
	enum config_part part;
	const char      *text;
};

/* Each program is told what it needs and nothing else. */
static const struct part_row part_rows[] = {
	{ PART_LOOKUP,
	    "hostname = \"mx.example.org\"\n"
	    "domains = { \"example.org\", \"example.net\" }\n"
	    "relay_domains = { \"example.com\", \".example.com\" }\n"
	    "inside = { \"10.0.0.0/8\", \"fd00:0:0:0:0:0:0:0/8\" }\n"
	    "rules = \"/etc/tcp.smtp\"\n"
	    "users = file\n"
	    "recipient_delimiter = \"\"\n"
	    "root = \"/srv/trial\"\n"
	    "dot_qmail = yes\n"
	    "alias_user = \"alias\"\n"
	    "assign = \"/var/qmail/users/cdb\"\n"
	    "virtual_domains = \"/var/qmail/control/virtualdomains\"\n"
	    "daily_recipients = 50\n"
	    "listen pop3s {\n"
	    "\taddress = { \"0.0.0.0:995\" }\n"
	    "\trules = \"/etc/tcp.pop3.cdb\"\n"
	    "}\n" },
	{ PART_AUTH,
	    "hostname = \"mx.example.org\"\n"
	    "domains = { \"example.org\", \"example.net\" }\n"
	    "root = \"/srv/trial\"\n"
	    "password_check = \"/bin/checkpassword -x\"\n" },
	{ PART_POP3D,
	    "hostname = \"mx.example.org\"\n"
	    "root = \"/srv/trial\"\n"
	    "sessions = 4000\n"
	    "sessions_per_address = 50\n"
	    "errors = 20\n"
	    "pop3_timeout = 10min\n"
	    "listen pop3s {\n"
	    "\taddress = { \"0.0.0.0:995\" }\n"
	    "\tworkers = 1\n"
	    "}\n" },
	{ PART_MAILBOX, "hostname = \"mx.example.org\"\n" },
	{ PART_QUEUE,
	    "hostname = \"mx.example.org\"\n"
	    "domains = { \"example.org\", \"example.net\" }\n"
	    "root = \"/srv/trial\"\n"
	    "message_size = 10M\n"
	    "min_free = 100M\n"
	    "queue_lifetime = 36h\n"
	    "delay_warning = 0d\n"
	    "double_bounce_to = \"\"\n" },
	{ PART_REMOTE,
	    "hostname = \"mx.example.org\"\n"
	    "root = \"/srv/trial\"\n"
	    "remote_connections = 100\n"
	    "remote_per_destination = 20\n"
	    "remote_timeout = 5min\n"
	    "connect_timeout = 30s\n"
	    "authorities = \"/etc/ssl/certs/ca-certificates.crt\"\n"
	    "route \".example.net\" {\n"
	    "\tto = { \"[smart.example.net]:587\", \"192.0.2.1\" }\n"
	    "\ttls = verify\n"
	    "\tuser = \"jo\"\n"
	    "\tpassword_file = \"/etc/ampel/smart\"\n"
	    "}\n"
	    "route \"*\" {\n"
	    "\ttls = none\n"
	    "}\n" },
	{ PART_DNS,
	    "hostname = \"mx.example.org\"\n"
	    "root = \"/srv/trial\"\n"
	    "dns {\n"
	    "\tforward = { \"127.0.0.1:5353\" }\n"
	    "\tanchor = \"/etc/anchor\"\n"
	    "}\n" },
	{ PART_FETCH,
	    "hostname = \"mx.example.org\"\n"
	    "root = \"/srv/trial\"\n"
	    "authorities = \"/etc/ssl/certs/ca-certificates.crt\"\n" },
	{ PART_DELIVER,
	    "hostname = \"mx.example.org\"\n"
	    "users = file\n"
	    "root = \"/srv/trial\"\n"
	    "dot_qmail = yes\n"
	    "program_timeout = 10min\n"
	    "assign = \"/var/qmail/users/cdb\"\n"
	    "message_size = 10M\n" },
	{ PART_SMTPD,
	    "hostname = \"mx.example.org\"\n"
	    "contact = \"call +49 30 1\"\n"
	    "root = \"/srv/trial\"\n"
	    "message_size = 10M\n"
	    "message_memory = 128M\n"
	    "recipients = 100\n"
	    "sessions = 4000\n"
	    "sessions_per_address = 50\n"
	    "errors = 20\n"
	    "hops = 100\n"
	    "command_timeout = 5min\n"
	    "data_timeout = 3min\n"
	    "session_timeout = 1h\n"
	    "filter_deadline = 2min\n"
	    "bounce_single_recipient = yes\n"
	    "refuse_relay_probes = no\n"
	    "any_sender = yes\n"
	    "hide_client = no\n"
	    "listen smtp {\n"
	    "\taddress = { \"0.0.0.0:25\", \"[::]:25\" }\n"
	    "\tworkers = 4\n"
	    "}\n" },
	{ PART_HIQ,
	    "hostname = \"mx.example.org\"\n"
	    "contact = \"call +49 30 1\"\n"
	    "root = \"/srv/trial\"\n"
	    "message_size = 10M\n"
	    "message_memory = 128M\n"
	    "filter_deadline = 2min\n"
	    "filter_concurrency = 10\n"
	    "filter sa {\n"
	    "\tspamd = { \"127.0.0.1:783\", \"/run/spamd\" }\n"
	    "\ttimeout = 1min\n"
	    "\ton_error = defer\n"
	    "\tmax_size = 500k\n"
	    "\ton_oversize = pass\n"
	    "\tshadow = no\n"
	    "\tlisteners = { \"smtp\" }\n"
	    "\tyellow = 5.0\n"
	    "\tred = 9.125\n"
	    "}\n"
	    "filter map {\n"
	    "\tcommand = \"/bin/bogo -x\"\n"
	    "\ttimeout = 1min\n"
	    "\ton_error = defer\n"
	    "\tmax_size = none\n"
	    "\ton_oversize = pass\n"
	    "\tshadow = yes\n"
	    "\tlisteners = { \"smtp\" }\n"
	    "\tgreen = { 1 }\n"
	    "\tyellow = { 2 }\n"
	    "\tred = { 0, 31 }\n"
	    "}\n"
	    "filter score {\n"
	    "\tcheck = \"/bin/score\"\n"
	    "\ttimeout = 1min\n"
	    "\ton_error = defer\n"
	    "\tmax_size = none\n"
	    "\ton_oversize = pass\n"
	    "\tshadow = no\n"
	    "\tlisteners = { }\n"
	    "\tyellow = 1.0\n"
	    "\tred = 7.0\n"
	    "}\n" },
};

static void
test_parts(void **state)
{
	struct config c;
	struct buf    printed;

	(void)state;
	read_rows(&c, everything, &printed);
	for (size_t i = 0; i < sizeof part_rows / sizeof part_rows[0]; i++) {
		struct buf part;

		buf_init(&part, 10000);
		config_add_part(&part, &c, part_rows[i].part);
		assert_string_equal(buf_string(&part), part_rows[i].text);
		buf_finish(&part);
	}
	buf_finish(&printed);
	config_finish(&c);
}

/* --- what is wrong --- */

struct bad {
	struct row  rows[8]; /* hostname is set on line 0, as it were */
	const char *printed;
};

static const struct bad bad[] = {
	{ { { NULL, "hostnmae", { "x" } } },
	    "f:1: unknown setting \"hostnmae\"; did you mean \"hostname\"?\n" },
	{ { { NULL, "frobnicate", { "x" } } },
	    "f:1: unknown setting \"frobnicate\"\n" },
	{ { { NULL, "workers", { "2" } } },
	    "f:1: \"workers\" belongs in a block: listen NAME { ... }\n" },
	{ { { "helper a", "command", { "/a" } }, { "helper a", "domains", { "x" } } },
	    "f:2: \"domains\" belongs outside of all blocks\n" },
	{ { { NULL, "message_size", { "50X" } } },
	    "f:1: \"message_size\" wants a size such as 50M, not \"50X\"\n" },
	{ { { NULL, "message_size", { "none" } } },
	    "f:1: \"message_size\" may be 64k to 1048576M, not \"none\"\n" },
	{ { { NULL, "message_size", { "1k" } } },
	    "f:1: \"message_size\" may be 64k to 1048576M, not \"1k\"\n" },
	{ { { NULL, "message_size", { "1M", "2M" } } },
	    "f:1: \"message_size\" wants a size such as 50M, not a list\n" },
	{ { { NULL, "errors", { "0" } }, { NULL, "recipients", { "-1" } } },
	    "f:1: \"errors\" may be 1 to 1000, not \"0\"\n"
	    "f:2: \"recipients\" wants a number such as 20, not \"-1\"\n" },
	{ { { NULL, "queue_lifetime", { "7" } } },
	    "f:1: \"queue_lifetime\" wants a time such as 10s, 5min, 1h or 7d, "
	    "not \"7\"\n" },
	{ { { NULL, "queue_lifetime", { "366d" } } },
	    "f:1: \"queue_lifetime\" may be 1s to 365d, not \"366d\"\n" },
	{ { { NULL, "refuse_relay_probes", { "maybe" } } },
	    "f:1: \"refuse_relay_probes\" wants yes or no, not \"maybe\"\n" },
	{ { { NULL, "users", { "ldap" } } },
	    "f:1: \"users\" wants file or system, not \"ldap\"\n" },
	{ { { NULL, "domains", { "a..b", "good.org", "-x" } } },
	    "f:1: \"domains\" wants domains such as \"example.org\", not \"a..b\"\n"
	    "f:1: \"domains\" wants domains such as \"example.org\", not \"-x\"\n" },
	{ { { NULL, "relay_domains", { ".", "..a", ".a.org", "*" } } },
	    "f:1: \"relay_domains\" wants domains such as \"example.org\" or "
	    "\".example.org\", not \".\"\n"
	    "f:1: \"relay_domains\" wants domains such as \"example.org\" or "
	    "\".example.org\", not \"..a\"\n"
	    "f:1: \"relay_domains\" wants domains such as \"example.org\" or "
	    "\".example.org\", not \"*\"\n" },
	{ { { NULL, "domains", { ".example.org" } } },
	    "f:1: \"domains\" wants domains such as \"example.org\", not "
	    "\".example.org\"\n" },
	{ { { NULL, "inside", { "10.0.0.1/8" } } },
	    "f:1: \"inside\" wants networks such as \"192.168.0.0/16\" or "
	    "\"fd00::/8\", not \"10.0.0.1/8\"\n" },
	{ { { NULL, "inside", { "0.0.0.0/0", "::/0", "64.0.0.0/2", "2000::/3",
	                          "::/8", "::ffff:0:0/96" } } },
	    "f:1: \"0.0.0.0/0\" would make this an open relay: strangers could "
	    "send through it\n"
	    "f:1: \"::/0\" would make this an open relay: strangers could "
	    "send through it\n"
	    "f:1: \"64.0.0.0/2\" would make this an open relay: strangers could "
	    "send through it\n"
	    "f:1: \"2000::/3\" would make this an open relay: strangers could "
	    "send through it\n"
	    "f:1: \"::/8\" would make this an open relay: strangers could "
	    "send through it\n"
	    "f:1: \"::ffff:0:0/96\" would make this an open relay: strangers could "
	    "send through it\n" },
	{ { { NULL, "root", { "trial" } } },
	    "f:1: \"root\" wants an absolute folder, in at most 80 bytes, other "
	    "than \"/\", not \"trial\"\n" },
	/* its etc/passwd would be the system's */
	{ { { NULL, "root", { "/" } } },
	    "f:1: \"root\" wants an absolute folder, in at most 80 bytes, other "
	    "than \"/\", not \"/\"\n" },
	{ { { NULL, "root", { "/a/.." } } },
	    "f:1: \"root\" wants an absolute folder, in at most 80 bytes, other "
	    "than \"/\", not \"/a/..\"\n" },
	{ { { NULL, "log", { "file" } } },
	    "f:1: \"log\" wants stderr, syslog or an absolute path, not \"file\"\n" },
	{ { { NULL, "recipient_delimiter", { "++" } } },
	    "f:1: \"recipient_delimiter\" wants one of + - = _ # ~ ^, or \"\", "
	    "not \"++\"\n" },
	{ { { NULL, "yellow_folder", { "../x" } } },
	    "f:1: \"yellow_folder\" wants the name of a Maildir folder such as "
	    "\"Junk\", not \"../x\"\n" },
	{ { { NULL, "double_bounce_to", { "a b@example.net" } } },
	    "f:1: \"double_bounce_to\" wants an address such as "
	    "\"admin@example.org\", a local name, or \"\", not \"a b@example.net\"\n" },

	{ { { "route *.net", "to", { "a" } } },
	    "f:1: a route is for a domain such as \"example.net\", for all below "
	    "one, \".example.net\", or for all, \"*\", not for \"*.net\"\n" },
	{ { { "route a.net", "to", { "a" } }, { "route A.net", "to", { "b" } } },
	    "f:2: there is a route for \"a.net\" already, at line 1\n" },
	{ { { "route *", "to", { "a:0", "[b", "c:d", "b:25", "[::1]:25" } } },
	    "f:1: \"to\" wants hosts such as \"smart.example.net\", "
	    "\"[192.0.2.1]\" or \"[smart.example.net]:587\", not \"a:0\"\n"
	    "f:1: \"to\" wants hosts such as \"smart.example.net\", "
	    "\"[192.0.2.1]\" or \"[smart.example.net]:587\", not \"[b\"\n"
	    "f:1: \"to\" wants hosts such as \"smart.example.net\", "
	    "\"[192.0.2.1]\" or \"[smart.example.net]:587\", not \"c:d\"\n" },
	{ { { "route *", "to", { "a" } }, { "route *", "tls", { "yes" } } },
	    "f:2: \"tls\" wants may, require, verify or none, not \"yes\"\n" },
	{ { { "route *", "to", { "a" } }, { "route *", "user", { "jo" } },
	      { "route *", "password_file", { "/p" } } },
	    "f:1: a password is sent only to a host that has proved its name: "
	    "\"user\" needs tls = verify\n" },
	{ { { "route *", "to", { "a" } }, { "route *", "tls", { "verify" } },
	      { "route *", "user", { "jo" } } },
	    "f:1: \"user\" needs a \"password_file\"\n" },
	{ { { "route *", "to", { "a" } },
	      { "route *", "password_file", { "/p" } } },
	    "f:1: \"password_file\" needs a \"user\"\n" },
	{ { { "route *", "to", { "{" } } },
	    "f:1: \"to\" takes 1 to 16 values, not 0\n" },
	{ { { "route *", "to", { "smart.example", "" } } },
	    "f:1: \"to\" wants hosts such as \"smart.example.net\", "
	    "\"[192.0.2.1]\" or \"[smart.example.net]:587\", not \"\"\n" },
	{ { { "route *", "tls", { "verify" } }, { "route *", "user", { "jo" } },
	      { "route *", "password_file", { "/p" } } },
	    "f:1: \"user\" needs a smart host in \"to\"\n" },
	{ { { "route *", "to", { "a" } }, { "route *", "tls", { "verify" } },
	      { "route *", "user", { "jo\n" } }, { "route *", "password_file", { "p" } } },
	    "f:3: \"user\" wants a line of at most 200 printable ASCII characters, "
	    "not \"jo \"\n"
	    "f:4: \"password_file\" wants the absolute path of a file, not \"p\"\n" },
	{ { { "route *", "ot", { "a" } }, { "route *", "passwd_file", { "/p" } },
	      { "route *", "forward", { "127.0.0.1:53" } } },
	    "f:1: unknown setting \"ot\"\n"
	    "f:2: unknown setting \"passwd_file\"; did you mean \"password_file\"?\n"
	    "f:3: \"forward\" belongs in a block: dns { ... }\n" },
	{ { { "dns ", "forward", { "resolver.example:53", "127.0.0.1" } },
	      { "dns ", "anchor", { "root.key" } }, { "dns ", "root_hint", { "/h" } } },
	    "f:1: \"forward\" wants addresses such as \"127.0.0.1:25\", "
	    "\"[::1]:25\" or an absolute path (no host names), not "
	    "\"resolver.example:53\"\n"
	    "f:1: \"forward\" wants addresses such as \"127.0.0.1:25\", "
	    "\"[::1]:25\" or an absolute path (no host names), not "
	    "\"127.0.0.1\"\n"
	    "f:2: \"anchor\" wants the absolute path of a file, not \"root.key\"\n"
	    "f:3: unknown setting \"root_hint\"; did you mean \"root_hints\"?\n" },
	{ { { "rute *", "to", { "a" } }, { "dsn ", NULL, { NULL } } },
	    "f:1: unknown block \"rute\"; did you mean \"route\"?\n"
	    "f:2: unknown block \"dsn\"; did you mean \"dns\"?\n" },
	{ { { NULL, "remote_conections", { "5" } }, { NULL, "remote_connections", { "0" } },
	      { NULL, "remote_per_destination", { "1001" } },
	      { NULL, "remote_timeout", { "2h" } }, { NULL, "connect_timeout", { "0s" } },
	      { NULL, "delay_warning", { "no" } }, { NULL, "authorities", { "" } } },
	    "f:1: unknown setting \"remote_conections\"; did you mean \"remote_connections\"?\n"
	    "f:2: \"remote_connections\" may be 1 to 10000, not \"0\"\n"
	    "f:3: \"remote_per_destination\" may be 1 to 1000, not \"1001\"\n"
	    "f:4: \"remote_timeout\" may be 1s to 1h, not \"2h\"\n"
	    "f:5: \"connect_timeout\" may be 1s to 1h, not \"0s\"\n"
	    "f:6: \"delay_warning\" wants a time such as 10s, 5min, 1h or 7d, not \"no\"\n"
	    "f:7: \"authorities\" wants the absolute path of a file, not \"\"\n" },
	{ { { NULL, "domains", { "example.net" } },
	      { "route example.net", "to", { "a" } } },
	    "f:2: mail for \"example.net\" stays here, it is one of the "
	    "\"domains\": this route is never used\n" },
	{ { { "dns ", "forward", { "127.0.0.1:53" } }, { "dns x", NULL, { NULL } } },
	    "f:2: there is a block \"dns\" already, at line 1\n" },
	{ { { "tls ", NULL, { NULL } } },
	    "f:1: \"certificate\" is not set\n"
	    "f:1: \"key\" is not set\n" },
	{ { { "tls a/b", "certificate", { "/c" } }, { "tls a/b", "key", { "/k" } } },
	    "f:1: a block \"tls\" needs a name of at most 32 letters, digits, "
	    "'-' and '_'\n" },
	{ { { "tls a", "certificate", { "cert.pem" } }, { "tls a", "key", { "/k/" } },
	      { "tls a", "listeners", { "smtps", "pop3" } } },
	    "f:1: \"certificate\" wants the absolute path of a file, not "
	    "\"cert.pem\"\n"
	    "f:2: \"key\" wants the absolute path of a file, not \"/k/\"\n"
	    "f:3: there is no listener \"pop3\": passwords would cross the "
	    "network in the clear; use pop3s\n" },
	{ { { NULL, "password_check", { "checkpassword" } }, { NULL, "password_user", { "" } },
	      { NULL, "daily_recipients", { "0" } }, { NULL, "pop3_timeout", { "0s" } } },
	    "f:1: \"password_check\" wants file, pam, or the absolute path of a "
	    "program and arguments, not \"checkpassword\"\n"
	    "f:2: \"password_user\" wants the name of a user of the system, not "
	    "\"\"\n"
	    "f:3: \"daily_recipients\" may be 1 to 1000000, not \"0\"\n"
	    "f:4: \"pop3_timeout\" may be 1s to 1d, not \"0s\"\n" },
	{ { { "listne smtp", "address", { "1.2.3.4:25" } } },
	    "f:1: unknown block \"listne\"; did you mean \"listen\"?\n" },
	{ { { "filter *", "check", { "/a" } }, { "helper ", "command", { "/a" } } },
	    "f:1: a block \"filter\" needs a name of at most 32 letters, digits, "
	    "'-' and '_'\n"
	    "f:2: a block \"helper\" needs a name of at most 32 letters, digits, "
	    "'-' and '_'\n" },

	{ { { "listen smtp", NULL, { NULL } } }, "f:1: \"address\" is not set\n" },
	{ { { "listen smtp", "address", { "{" } } },
	    "f:1: \"address\" takes 1 to 64 values, not 0\n" },
	{ { { "listen smtps", "address", { "0.0.0.0:465" } },
	      { "listen pop3s", "address", { "0.0.0.0:995" } },
	      { "listen submission", "address", { "0.0.0.0:587" } } },
	    "" },
	{ { { "listen local", "address", { "0.0.0.0:465" } } },
	    "f:1: the listener \"local\" wants one path of a Unix socket, such as "
	    "\"/run/ampel/local\"\n" },
	{ { { "listen local", "address", { "/a", "/b" } } },
	    "f:1: the listener \"local\" wants one path of a Unix socket, such as "
	    "\"/run/ampel/local\"\n" },
	{ { { "listen local", "rules", { "/etc/tcp.smtp" } } },
	    "f:1: the clients of listener \"local\" have no address: no rules apply to "
	    "it\n" },
	{ { { "listen local", "address", { "run/local" } } },
	    "f:1: \"address\" wants addresses such as \"127.0.0.1:25\", "
	    "\"[::1]:25\" or an absolute path (no host names), not \"run/local\"\n" },
	{ { { "listen smtp", "workers", { "1" } } },
	    "f:1: \"address\" is not set\n" },
	{ { { "listen pop3", "address", { "0.0.0.0:110" } } },
	    "f:1: there is no listener \"pop3\": passwords would cross the "
	    "network in the clear; use pop3s\n" },
	{ { { "listen smpt", "address", { "0.0.0.0:25" } } },
	    "f:1: unknown listener \"smpt\"; did you mean \"smtp\"?\n" },
	{ { { "listen smtp", "address", { "mx.example.org:25", "/run/smtp" } } },
	    "f:1: \"address\" wants addresses such as \"127.0.0.1:25\", "
	    "\"[::1]:25\" or an absolute path (no host names), not "
	    "\"mx.example.org:25\"\n"
	    "f:1: a listener wants an address and a port such as \"0.0.0.0:25\", "
	    "not \"/run/smtp\"\n" },
	{ { { "listen smtp", "workers", { "2" } },
	      { "listen smtp", "address", { "[::1]:25", "[::1]:26", "[0:0::1]:25" } } },
	    "f:2: \"[0:0::1]:25\" is listened on twice; first in the block at "
	    "line 1\n" },

	{ { { "filter a", NULL, { NULL } } },
	    "f:1: the filter has no kind: set command, check or spamd\n" },
	{ { { "filter a", "check", { "/a" } }, { "filter a", "command", { "/b" } } },
	    "f:2: the filter is \"check\" already, it cannot also be \"command\"\n" },
	{ { { "filter a", "clamd", { "/a" } }, { "filter b", "rspamd", { "/b" } },
	      { "filter c", "milter", { "/c" } } },
	    "f:1: \"clamd\" is not there yet in this version\n"
	    "f:2: \"rspamd\" is not there yet in this version\n"
	    "f:3: \"milter\" is not there yet in this version\n" },
	{ { { "filter a", "check", { "bin/a" } } },
	    "f:1: \"check\" wants an absolute path and arguments, not \"bin/a\"\n" },
	{ { { "filter a", "spamd", { "localhost:783" } } },
	    "f:1: \"spamd\" wants addresses such as \"127.0.0.1:25\", "
	    "\"[::1]:25\" or an absolute path (no host names), not "
	    "\"localhost:783\"\n" },
	{ { { "filter a", "spamd", { "/s" } }, { "filter a", "yellow", { "7.0" } } },
	    "f:2: \"red\" must be larger than \"yellow\"\n" },
	{ { { "filter a", "spamd", { "/s" } }, { "filter a", "yellow", { "{", "5" } },
	      { "filter a", "red", { "high" } }, { "filter a", "green", { "0" } } },
	    "f:2: \"yellow\" wants a score such as 5.0, not a list\n"
	    "f:3: \"red\" wants a score such as 5.0, not \"high\"\n"
	    "f:4: \"green\" wants a list of exit codes such as { 0 }\n" },
	{ { { "filter a", "check", { "/a" } }, { "filter a", "yellow", { "1", "256", "x" } } },
	    "f:2: \"yellow\" wants exit codes from 0 to 255, not \"256\"\n"
	    "f:2: \"yellow\" wants exit codes from 0 to 255, not \"x\"\n"
	    "f:2: exit code 1 cannot be both yellow and red\n" },
	{ { { "filter a", "check", { "/a" } }, { "filter a", "listeners", { "smtp", "smtps" } },
	      { "filter b", "check", { "/b" } }, { "filter b", "listeners", { "local", "web" } },
	      { "filter c", "check", { "/c" } }, { "filter c", "listeners", { "pop3s" } } },
	    "f:4: unknown listener \"web\"\n"
	    "f:5: no messages come in by listener \"pop3s\": no filter can apply "
	    "to it\n" },
	{ { { "filter a", "check", { "/a" } }, { "filter a", "on_error", { "red" } } },
	    "f:2: \"on_error\" wants defer or pass, not \"red\"\n" },

	{ { { "helper a", NULL, { NULL } } }, "f:1: \"command\" is not set\n" },
	{ { { "helper a", "command", { "spamd" } }, { "helper a", "user", { "a b" } },
	      { "helper a", "ready", { "1.2.3.4:5", "1.2.3.4:6" } } },
	    "f:1: \"command\" wants an absolute path and arguments, not \"spamd\"\n"
	    "f:2: \"user\" wants the name of a user of the system, not \"a b\"\n"
	    "f:3: \"ready\" takes 0 to 1 values, not 2\n" },
	{ { { "helper send", "command", { "/a" } }, { "helper smtp", "command", { "/b" } } },
	    "f:1: a helper cannot be called \"send\": that is a service of ours\n"
	    "f:2: a helper cannot be called \"smtp\": that is a service of ours\n" },
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct config_value   value = { .text = BYTES("mx.example.org") };
		struct config_setting hostname = {
			.name = BYTES("hostname"), .values = &value,
		};
		static struct tree tree;
		struct mistakes    mistakes = { 0 };
		struct config      c;
		struct buf         printed;

		plant(&tree, bad[i].rows);
		hostname.next = tree.tree.settings;
		tree.tree.settings = &hostname;
		config_from_tree(&c, &tree.tree, &mistakes);
		buf_init(&printed, 10000);
		mistakes_print(&mistakes, "f", &printed);
		assert_string_equal(buf_string(&printed), bad[i].printed);
		buf_finish(&printed);
		config_finish(&c);
	}
}

static void
test_hostname(void **state)
{
	static const struct row none[] = { { 0 } };
	static const struct row literal[] = {
		{ NULL, "hostname", { "[192.0.2.1]" } }, { 0 },
	};
	struct config c;
	struct buf    printed;

	(void)state;
	read_rows(&c, none, &printed);
	assert_string_equal(buf_string(&printed), "f: \"hostname\" is not set\n");
	buf_finish(&printed);
	config_finish(&c);
	read_rows(&c, literal, &printed);
	assert_string_equal(buf_string(&printed),
	    "f:1: \"hostname\" wants a host name such as \"mail.example.org\", "
	    "not \"[192.0.2.1]\"\n");
	buf_finish(&printed);
	config_finish(&c);
}

/* No name stands twice in the table, and each block has its required ones. */
static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];

		assert_ptr_equal(setting_find(s->scope, bytes_of(s->name)), s);
		if (s->required)
			assert_null(s->preset);
	}
}

/* --- hi-q.conf --- */

static void
read_hiq_rows(struct config *c, const struct row *rows, struct buf *printed)
{
	static struct tree tree;
	struct mistakes    mistakes = { 0 };

	config_from_hiq_tree(c, plant(&tree, rows), &mistakes);
	buf_init(printed, 10000);
	mistakes_print(&mistakes, "f", printed);
}

static void
test_hiq(void **state)
{
	static const struct row nothing[] = { { 0 } };
	static const struct row all[] = {
		{ NULL, "queue", { "/var/qmail/bin/qmail-queue" } },
		{ NULL, "error_text", { "fd6" } },
		{ NULL, "filter_deadline", { "30s" } },
		{ NULL, "contact", { "call us" } },
		{ NULL, "message_size", { "1M" } },
		{ "filter a", "command", { "/a" } },
		{ "filter b", "spamd", { "127.0.0.1:783" } },
		{ 0 },
	};
	struct config c;
	struct buf    printed;

	(void)state;
	read_hiq_rows(&c, nothing, &printed);
	assert_string_equal(buf_string(&printed), "");
	assert_int_equal(c.queue.n, 0);
	assert_int_equal(c.error_text, ERROR_TEXT_NONE);
	assert_int_equal(c.filter_deadline_ms, 120 * 1000);
	assert_int_equal(c.contact.n, 0);
	assert_true(c.message_size == UINT64_MAX);
	assert_int_equal(c.n_filter, 0);
	config_finish(&c);
	buf_finish(&printed);

	read_hiq_rows(&c, all, &printed);
	assert_string_equal(buf_string(&printed), "");
	assert_bytes(c.queue, "/var/qmail/bin/qmail-queue");
	assert_int_equal(c.error_text, ERROR_TEXT_FD6);
	assert_int_equal(c.filter_deadline_ms, 30 * 1000);
	assert_bytes(c.contact, "call us");
	assert_int_equal(c.message_size, 1024 * 1024);
	assert_int_equal(c.n_filter, 2);
	assert_int_equal(c.filter[1].kind, FILTER_SPAMD);
	assert_int_equal(c.filter[1].red_milli, 7000);
	assert_bytes(c.filter[0].listeners.v[0], "smtp");
	config_finish(&c);
	buf_finish(&printed);
}

/* What belongs in the one file is a mistake in the other, which names that. */
static void
test_files(void **state)
{
	static const struct row server[] = {
		{ NULL, "hostname", { "mx.example.org" } },
		{ NULL, "queue", { "/q" } },
		{ NULL, "error_text", { "fd6" } },
		{ "filter a", "check", { "/a" } },
		{ "filter a", "queue", { "/q" } },
		{ 0 },
	};
	static const struct row hiq[] = {
		{ NULL, "hostname", { "mx.example.org" } },
		{ NULL, "command", { "/c" } },
		{ NULL, "queue", { "q" } },
		{ NULL, "error_text", { "fd2" } },
		{ NULL, "quue", { "/q" } },
		{ NULL, "message_size", { "1" } },
		{ "listen smtp", "address", { "0.0.0.0:25" } },
		{ "filter a", "check", { "/a" } },
		{ "filter a", "listeners", { "{", "smtp" } },
		{ "filter a", "domains", { "example.org" } },
		{ "filtr b", "check", { "/b" } },
		{ 0 },
	};
	struct config c;
	struct buf    printed;

	(void)state;
	read_rows(&c, server, &printed);
	assert_string_equal(buf_string(&printed),
	    "f:2: \"queue\" belongs in hi-q.conf, the file of hi-q(8)\n"
	    "f:3: \"error_text\" belongs in hi-q.conf, the file of hi-q(8)\n"
	    "f:5: \"queue\" belongs in hi-q.conf, the file of hi-q(8)\n");
	config_finish(&c);
	buf_finish(&printed);

	read_hiq_rows(&c, hiq, &printed);
	assert_string_equal(buf_string(&printed),
	    "f:1: \"hostname\" belongs in ampel.conf\n"
	    "f:2: \"command\" belongs in a block: filter NAME { ... }\n"
	    "f:3: \"queue\" wants the absolute path of a file, not \"q\"\n"
	    "f:4: \"error_text\" wants fd6 or none, not \"fd2\"\n"
	    "f:5: unknown setting \"quue\"; did you mean \"queue\"?\n"
	    "f:6: \"message_size\" may be 64k to none, not \"1\"\n"
	    "f:7: a block \"listen\" belongs in ampel.conf\n"
	    "f:9: \"listeners\" belongs in ampel.conf: hi-q judges whatever it is "
	    "given\n"
	    "f:10: \"domains\" belongs outside of all blocks\n"
	    "f:11: unknown block \"filtr\"; did you mean \"filter\"?\n");
	config_finish(&c);
	buf_finish(&printed);
}

/* The one listener whose address need not be written. */
static void
test_local(void **state)
{
	static const struct row preset[] = {
		{ NULL, "hostname", { "mx.example.org" } },
		{ NULL, "root", { "/t" } },
		{ "listen local", NULL, { NULL } },
		{ 0 },
	};
	static const struct row written[] = {
		{ NULL, "hostname", { "mx.example.org" } },
		{ "listen local", "address", { "/srv/mail" } },
		{ "filter a", "check", { "/a" } },
		{ "filter a", "listeners", { "local" } },
		{ 0 },
	};
	const struct row *const rows[] = { preset, written };
	const char *const       paths[] = { "/t/run/local", "/srv/mail" };
	struct config           c;
	struct buf              printed;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		read_rows(&c, rows[i], &printed);
		assert_string_equal(buf_string(&printed), "");
		assert_int_equal(c.listen[0].address.n, 1);
		assert_int_equal(c.listen[0].address.v[0].kind, ENDPOINT_UNIX);
		assert_bytes(c.listen[0].address.v[0].host, paths[i]);
		assert_bytes(c.listen[0].address.v[0].text, paths[i]);
		assert_int_equal(
		    config_is_filtered(&c, BYTES("local")), c.n_filter);
		buf_finish(&printed);
		config_finish(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_hiq),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
