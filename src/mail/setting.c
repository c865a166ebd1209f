#include "mail/setting.h"

#include "mail/config.h"
#include "mail/suggest.h"

enum {
	ALL = PART_SMTPD | PART_LOOKUP | PART_HIQ | PART_QUEUE | PART_DELIVER |
	    PART_AUTH | PART_POP3D | PART_REMOTE | PART_DNS | PART_FETCH,
	SMTPD = PART_SMTPD,
	LOOKUP = PART_LOOKUP,
	HIQ = PART_HIQ,
	QUEUE = PART_QUEUE,
	DELIVER = PART_DELIVER,
	AUTH = PART_AUTH,
	POP3D = PART_POP3D,
	REMOTE = PART_REMOTE,
	DNS = PART_DNS,
	FETCH = PART_FETCH,

	K = 1024,
	M = 1024 * 1024,
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
};

#define DAY             (24ULL * HOUR)
#define LIMITED         ((uint64_t)1 << 40) /* a size that no message has */
#define MANY            1000000

#define AT(type, field) offsetof(struct type, field)

/* clang-format off */
const struct setting setting_table[] = {
	/* scope, name, type, where, preset, min, max, parts, required */
	{ SCOPE_FILE, "hostname", VALUE_HOST, AT(config, hostname), NULL, 0, 0, ALL | PART_MAILBOX, true },
	{ SCOPE_FILE, "domains", VALUE_DOMAINS, AT(config, domains), "", 0, MANY, LOOKUP | AUTH | QUEUE, false },
	{ SCOPE_FILE, "relay_domains", VALUE_RELAY_DOMAINS, AT(config, relay_domains), "", 0, MANY, LOOKUP, false },
	{ SCOPE_FILE, "inside", VALUE_NETWORKS, AT(config, inside), "", 0, 10000, LOOKUP, false },
	{ SCOPE_FILE, "rules", VALUE_PATH, AT(config, rules), "", 0, 0, LOOKUP, false },
	{ SCOPE_FILE, "users", VALUE_USERS, AT(config, users), "file", 0, 0, LOOKUP | DELIVER, false },
	{ SCOPE_FILE, "recipient_delimiter", VALUE_DELIMITER, AT(config, recipient_delimiter), "+", 0, 0, LOOKUP, false },
	{ SCOPE_FILE, "yellow_folder", VALUE_FOLDER, AT(config, yellow_folder), "", 0, 0, DELIVER, false },
	{ SCOPE_FILE, "contact", VALUE_LINE, AT(config, contact), "", 0, 0, SMTPD | HIQ, false },
	{ SCOPE_FILE, "root", VALUE_ROOT, AT(config, root), "", 0, 0, ALL, false },
	{ SCOPE_FILE, "log", VALUE_LOG, AT(config, log), "stderr", 0, 0, 0, false },
	{ SCOPE_FILE, "dot_qmail", VALUE_FLAG, AT(config, dot_qmail), "yes", 0, 0, LOOKUP | DELIVER, false },
	{ SCOPE_FILE, "program_timeout", VALUE_DURATION, AT(config, program_timeout_ms), "10min", SECOND, DAY, DELIVER, false },
	{ SCOPE_FILE, "alias_user", VALUE_USER, AT(config, alias_user), "alias", 0, 0, LOOKUP, false },
	{ SCOPE_FILE, "assign", VALUE_PATH, AT(config, assign), "", 0, 0, LOOKUP | DELIVER, false },
	{ SCOPE_FILE, "virtual_domains", VALUE_PATH, AT(config, virtual_domains), "", 0, 0, LOOKUP, false },
	{ SCOPE_FILE, "message_size", VALUE_SIZE, AT(config, message_size), "50M", 64 * K, LIMITED, SMTPD | HIQ | QUEUE | DELIVER, false },
	{ SCOPE_FILE, "message_memory", VALUE_SIZE, AT(config, message_memory), "128M", 0, LIMITED, SMTPD | HIQ, false },
	{ SCOPE_FILE, "min_free", VALUE_SIZE, AT(config, min_free), "100M", 0, LIMITED, QUEUE, false },
	/* RFC 5321 section 4.5.3.1.8 wants 100 at least */
	{ SCOPE_FILE, "recipients", VALUE_NUMBER, AT(config, recipients), "100", 1, 10000, SMTPD, false },
	{ SCOPE_FILE, "sessions", VALUE_NUMBER, AT(config, sessions), "4000", 1, MANY, SMTPD | POP3D, false },
	{ SCOPE_FILE, "sessions_per_address", VALUE_NUMBER, AT(config, sessions_per_address), "50", 1, MANY, SMTPD | POP3D, false },
	{ SCOPE_FILE, "errors", VALUE_NUMBER, AT(config, errors), "20", 1, 1000, SMTPD | POP3D, false },
	{ SCOPE_FILE, "hops", VALUE_NUMBER, AT(config, hops), "100", 1, 1000, SMTPD, false },
	{ SCOPE_FILE, "command_timeout", VALUE_DURATION, AT(config, command_timeout_ms), "5min", SECOND, HOUR, SMTPD, false },
	{ SCOPE_FILE, "data_timeout", VALUE_DURATION, AT(config, data_timeout_ms), "3min", SECOND, HOUR, SMTPD, false },
	{ SCOPE_FILE, "session_timeout", VALUE_DURATION, AT(config, session_timeout_ms), "1h", SECOND, DAY, SMTPD, false },
	/* RFC 1939 section 3 wants 10 minutes at least, tests do not */
	{ SCOPE_FILE, "pop3_timeout", VALUE_DURATION, AT(config, pop3_timeout_ms), "10min", SECOND, DAY, POP3D, false },
	{ SCOPE_FILE, "filter_deadline", VALUE_DURATION, AT(config, filter_deadline_ms), "2min", SECOND, HOUR, SMTPD | HIQ, false },
	{ SCOPE_FILE, "filter_concurrency", VALUE_NUMBER, AT(config, filter_concurrency), "10", 1, 1000, HIQ, false },
	{ SCOPE_FILE, "queue_lifetime", VALUE_DURATION, AT(config, queue_lifetime_ms), "7d", SECOND, 365 * DAY, QUEUE, false },
	{ SCOPE_FILE, "stop_timeout", VALUE_DURATION, AT(config, stop_timeout_ms), "150s", SECOND, DAY, 0, false },
	{ SCOPE_FILE, "bounce_single_recipient", VALUE_FLAG, AT(config, bounce_single_recipient), "yes", 0, 0, SMTPD, false },
	{ SCOPE_FILE, "refuse_relay_probes", VALUE_FLAG, AT(config, refuse_relay_probes), "yes", 0, 0, SMTPD, false },
	{ SCOPE_FILE, "any_sender", VALUE_FLAG, AT(config, any_sender), "no", 0, 0, SMTPD, false },
	{ SCOPE_FILE, "hide_client", VALUE_FLAG, AT(config, hide_client), "no", 0, 0, SMTPD, false },
	{ SCOPE_FILE, "daily_recipients", VALUE_NUMBER, AT(config, daily_recipients), "1000", 1, MANY, LOOKUP, false },
	{ SCOPE_FILE, "password_check", VALUE_PASSWORDS, AT(config, password_check), "file", 0, 0, AUTH, false },
	{ SCOPE_FILE, "password_user", VALUE_USER, AT(config, password_user), "_ampelauth", 0, 0, 0, false },
	/* 0: none */
	{ SCOPE_FILE, "delay_warning", VALUE_DURATION, AT(config, delay_warning_ms), "4h", 0, 365 * DAY, QUEUE, false },
	{ SCOPE_FILE, "double_bounce_to", VALUE_RECIPIENT, AT(config, double_bounce_to), "postmaster", 0, 0, QUEUE, false },
	{ SCOPE_FILE, "remote_connections", VALUE_NUMBER, AT(config, remote_connections), "100", 1, 10000, REMOTE, false },
	{ SCOPE_FILE, "remote_per_destination", VALUE_NUMBER, AT(config, remote_per_destination), "20", 1, 1000, REMOTE, false },
	{ SCOPE_FILE, "remote_timeout", VALUE_DURATION, AT(config, remote_timeout_ms), "5min", SECOND, HOUR, REMOTE, false },
	{ SCOPE_FILE, "connect_timeout", VALUE_DURATION, AT(config, connect_timeout_ms), "30s", SECOND, HOUR, REMOTE, false },
	{ SCOPE_FILE, "authorities", VALUE_PATH, AT(config, authorities), "/etc/ssl/certs/ca-certificates.crt", 0, 0, REMOTE | FETCH, false },

	/* what hi-q(8) reads itself is in no part; its filters are those below */
	{ SCOPE_HIQ, "queue", VALUE_PATH, AT(config, queue), "", 0, 0, 0, false },
	{ SCOPE_HIQ, "error_text", VALUE_ERROR_TEXT, AT(config, error_text), "none", 0, 0, 0, false },
	{ SCOPE_HIQ, "filter_deadline", VALUE_DURATION, AT(config, filter_deadline_ms), "2min", SECOND, HOUR, 0, false },
	{ SCOPE_HIQ, "contact", VALUE_LINE, AT(config, contact), "", 0, 0, 0, false },
	{ SCOPE_HIQ, "message_size", VALUE_SIZE, AT(config, message_size), "none", 64 * K, UINT64_MAX, 0, false },

	/* needed, but by the listener that has a preset, mail/config.c; lookup reads what has rules */
	{ SCOPE_LISTEN, "address", VALUE_ENDPOINTS, AT(config_listen, address), NULL, 1, 64, SMTPD | POP3D | LOOKUP, false },
	{ SCOPE_LISTEN, "workers", VALUE_NUMBER, AT(config_listen, workers), "1", 1, 64, SMTPD | POP3D, false },
	{ SCOPE_LISTEN, "rules", VALUE_PATH, AT(config_listen, rules), "", 0, 0, LOOKUP, false },

	/* the supervisor reads the files, the other programs get what is in them */
	{ SCOPE_TLS, "certificate", VALUE_PATH, AT(config_tls, certificate), NULL, 0, 0, 0, true },
	{ SCOPE_TLS, "key", VALUE_PATH, AT(config_tls, key), NULL, 0, 0, 0, true },
	{ SCOPE_TLS, "listeners", VALUE_LISTENERS, AT(config_tls, listeners), "", 0, 16, 0, false },

	{ SCOPE_FILTER, "command", VALUE_PROGRAM, AT(config_filter, program), NULL, 0, 0, HIQ, false },
	{ SCOPE_FILTER, "check", VALUE_PROGRAM, AT(config_filter, program), NULL, 0, 0, HIQ, false },
	{ SCOPE_FILTER, "spamd", VALUE_ENDPOINTS, AT(config_filter, spamd), NULL, 1, 16, HIQ, false },
	{ SCOPE_FILTER, "rspamd", VALUE_LATER, 0, NULL, 0, 0, 0, false },
	{ SCOPE_FILTER, "clamd", VALUE_LATER, 0, NULL, 0, 0, 0, false },
	{ SCOPE_FILTER, "milter", VALUE_LATER, 0, NULL, 0, 0, 0, false },
	{ SCOPE_FILTER, "green", VALUE_COLOUR, 0, NULL, 0, 0, HIQ, false },
	{ SCOPE_FILTER, "yellow", VALUE_COLOUR, 0, NULL, 0, 0, HIQ, false },
	{ SCOPE_FILTER, "red", VALUE_COLOUR, 0, NULL, 0, 0, HIQ, false },
	{ SCOPE_FILTER, "timeout", VALUE_DURATION, AT(config_filter, timeout_ms), "60s", SECOND, HOUR, HIQ, false },
	{ SCOPE_FILTER, "on_error", VALUE_POLICY, AT(config_filter, on_error), "defer", 0, 0, HIQ, false },
	{ SCOPE_FILTER, "max_size", VALUE_SIZE, AT(config_filter, max_size), "none", 1, UINT64_MAX, HIQ, false },
	{ SCOPE_FILTER, "on_oversize", VALUE_POLICY, AT(config_filter, on_oversize), "pass", 0, 0, HIQ, false },
	{ SCOPE_FILTER, "shadow", VALUE_FLAG, AT(config_filter, shadow), "no", 0, 0, HIQ, false },
	{ SCOPE_FILTER, "listeners", VALUE_LISTENERS, AT(config_filter, listeners), "smtp", 0, 16, HIQ, false },

	{ SCOPE_ROUTE, "to", VALUE_HOPS, AT(config_route, to), "", 1, 16, REMOTE, false },
	{ SCOPE_ROUTE, "tls", VALUE_ROUTE_TLS, AT(config_route, tls), "may", 0, 0, REMOTE, false },
	{ SCOPE_ROUTE, "user", VALUE_LINE, AT(config_route, user), "", 0, 0, REMOTE, false },
	/* the supervisor reads it: remote gets what is in it */
	{ SCOPE_ROUTE, "password_file", VALUE_PATH, AT(config_route, password_file), "", 0, 0, REMOTE, false },

	{ SCOPE_DNS, "forward", VALUE_ENDPOINTS, AT(config_dns, forward), "", 0, 16, DNS, false },
	{ SCOPE_DNS, "anchor", VALUE_PATH, AT(config_dns, anchor), "", 0, 0, DNS, false },
	{ SCOPE_DNS, "root_hints", VALUE_PATH, AT(config_dns, root_hints), "", 0, 0, DNS, false },

	{ SCOPE_HELPER, "command", VALUE_PROGRAM, AT(config_helper, command), NULL, 0, 0, 0, true },
	{ SCOPE_HELPER, "ready", VALUE_ENDPOINTS, AT(config_helper, ready), "", 0, 1, 0, false },
	{ SCOPE_HELPER, "user", VALUE_USER, AT(config_helper, user), "_ampelfilter", 0, 0, 0, false },
};
/* clang-format on */

const size_t setting_count = sizeof setting_table / sizeof setting_table[0];

/* How the blocks of a scope begin. */
static const char *const openings[SCOPES] = {
	[SCOPE_FILE] = "",
	[SCOPE_HIQ] = "",
	[SCOPE_LISTEN] = "listen NAME",
	[SCOPE_TLS] = "tls NAME",
	[SCOPE_FILTER] = "filter NAME",
	[SCOPE_HELPER] = "helper NAME",
	[SCOPE_ROUTE] = "route \"DOMAIN\"",
	[SCOPE_DNS] = "dns",
};

const struct setting *
setting_find(enum setting_scope scope, struct bytes name)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_table[i].scope == scope &&
		    bytes_equal(bytes_of(setting_table[i].name), name))
			return &setting_table[i];
	return NULL;
}

/* The preset takes the way of everything that is written. */
static void
apply_preset(const struct setting *s, void *record, struct arena *arena,
    struct mistakes *mistakes)
{
	struct config_value   value = { .text = bytes_of(s->preset) };
	struct config_setting preset = {
		.name = bytes_of(s->name), .values = &value,
	};

	if (value.text.n > 0)
		value_read(s, &preset, record, arena, mistakes);
}

/* The block that has a setting of that name, or SCOPES. */
static enum setting_scope
scope_of(struct bytes name)
{
	for (size_t i = 0; i < setting_count; i++)
		if (bytes_equal(bytes_of(setting_table[i].name), name))
			return setting_table[i].scope;
	return SCOPES;
}

/* Why a setting of ours is not known where it is written. */
static void
add_misplaced(enum setting_scope scope, enum setting_scope other, unsigned line,
    struct bytes name, struct arena *arena, struct mistakes *mistakes)
{
	if (scope == SCOPE_HIQ && other != SCOPE_FILTER)
		mistakes_add(mistakes, arena, line,
		    "\"%.*s\" belongs in ampel.conf", BYTES_ARG(name));
	else if (other == SCOPE_HIQ)
		mistakes_add(mistakes, arena, line,
		    "\"%.*s\" belongs in hi-q.conf, the file of hi-q(8)",
		    BYTES_ARG(name));
	else if (other == SCOPE_FILE)
		mistakes_add(mistakes, arena, line,
		    "\"%.*s\" belongs outside of all blocks", BYTES_ARG(name));
	else
		mistakes_add(mistakes, arena, line,
		    "\"%.*s\" belongs in a block: %s { ... }",
		    BYTES_ARG(name), openings[other]);
}

static void
add_unknown(enum setting_scope scope, const struct config_setting *written,
    struct arena *arena, struct mistakes *mistakes)
{
	struct suggestion  near = suggestion_for(written->name);
	struct bytes       name = bytes_first(written->name, 60);
	enum setting_scope other = scope_of(written->name);
	char               text[SUGGESTION_TEXT];

	for (size_t i = 0; i < setting_count; i++)
		if (setting_table[i].scope == scope)
			suggestion_offer(&near, setting_table[i].name);
	if (near.nearest || other == SCOPES)
		mistakes_add(mistakes, arena, written->line,
		    "unknown setting \"%.*s\"%s", BYTES_ARG(name),
		    suggestion_text(&near, text));
	else
		add_misplaced(scope, other, written->line, name, arena, mistakes);
}

static bool
is_written(const struct config_setting *written, const char *name)
{
	for (; written; written = written->next)
		if (bytes_equal(written->name, bytes_of(name)))
			return true;
	return false;
}

void
setting_read_all(enum setting_scope scope, const struct config_setting *written,
    unsigned line, void *record, struct arena *arena, struct mistakes *mistakes)
{
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];

		if (s->scope != scope)
			continue;
		apply_preset(s, record, arena, mistakes);
		if (s->required && !is_written(written, s->name))
			mistakes_add(mistakes, arena, line,
			    "\"%s\" is not set", s->name);
	}
	for (; written; written = written->next) {
		const struct setting *s = setting_find(scope, written->name);

		if (s)
			value_read(s, written, record, arena, mistakes);
		else
			add_unknown(scope, written, arena, mistakes);
	}
}
