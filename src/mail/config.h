/*
 * The meaning of ampel.conf (DESIGN section 9): every setting with its type,
 * default and limits, from one table. Pure: names of files are checked for form
 * only, whoever opens them says what is wrong with them.
 */
#ifndef AMPEL_MAIL_CONFIG_H
#define AMPEL_MAIL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/network.h"
#include "mail/config_tree.h"
#include "mail/mistakes.h"
#include "mail/verdict.h"

struct bytes_list {
	const struct bytes *v;
	size_t              n;
};

struct endpoint_list {
	const struct endpoint *v;
	size_t                 n;
};

struct network_list {
	const struct network *v;
	size_t                n;
};

enum users_source { USERS_FILE, USERS_SYSTEM };

struct config_listen {
	struct bytes         name;      /* "smtp": also the policy, DESIGN section 1 */
	struct endpoint_list address;
	uint64_t             workers;   /* processes that share the socket; 1 */
	struct bytes         rules;     /* as the setting of the file, for this one; empty: that */
	unsigned             line;
};

enum filter_kind { FILTER_COMMAND, FILTER_CHECK, FILTER_SPAMD };
enum filter_policy { FILTER_DEFER, FILTER_PASS };

struct config_filter {
	struct bytes         name;
	enum filter_kind     kind;
	struct bytes         program;      /* command, check: split at blanks, no shell */
	struct endpoint_list spamd;
	uint64_t             timeout_ms;   /* 60 s */
	enum filter_policy   on_error;     /* FILTER_DEFER */
	uint64_t             max_size;     /* spamd 500k; else UINT64_MAX */
	enum filter_policy   on_oversize;  /* FILTER_PASS, visibly marked */
	bool                 shadow;       /* run, record, never decide */
	struct bytes_list    listeners;    /* { "smtp" } */
	bool                 has_scores;   /* yellow_milli and red_milli count */
	int64_t              yellow_milli; /* 5.0 */
	int64_t              red_milli;    /* 7.0 */
	uint8_t              code_colour[256]; /* enum colour of each exit code */
	unsigned             line;
};

struct config_helper {
	struct bytes         name;
	struct bytes         command;  /* split at blanks, no shell */
	struct endpoint_list ready;    /* at most one: answers when it is up */
	struct bytes         user;     /* "_ampelfilter" */
	unsigned             line;
};

/* A certificate and its key; which of them is shown: io/tls.h. */
struct config_tls {
	struct bytes      name;        /* may be empty */
	struct bytes      certificate; /* absolute path of a chain in PEM */
	struct bytes      key;
	struct bytes_list listeners;   /* empty: all */
	unsigned          line;
};

/* How the connection to a server that we send to is protected. */
enum config_route_tls {
	ROUTE_TLS_MAY,     /* what its operator publishes (DANE, MTA-STS), else if it offers it */
	ROUTE_TLS_REQUIRE, /* encrypted, whoever it is */
	ROUTE_TLS_VERIFY,  /* and its certificate proves its name */
	ROUTE_TLS_NONE,    /* never, for a host that says it can and cannot */
};

/* Where mail for other domains goes, instead of to the hosts that DNS names. */
struct config_route {
	struct bytes          domain; /* "example.net", ".example.net": all below it, "*": all */
	/* "host", "[host]" (no MX of it), each with ":port" or without (25). Tried in order.
	 * Empty: as DNS says. */
	struct bytes_list     to;
	enum config_route_tls tls;
	struct bytes          user;   /* empty: no AUTH; else tls must be verify */
	struct bytes          password_file; /* absolute; root's, others cannot read it */
	unsigned              line;
};

/* The block "dns"; there is at most one. */
struct config_dns {
	struct endpoint_list forward;    /* resolvers to ask; empty: from the root down */
	struct bytes         anchor;     /* file of DS or DNSKEY records; empty: the root's own */
	struct bytes         root_hints; /* file; empty: those of the Internet */
	unsigned             line;
};

/* How hi-q(8) says why a message is not queued. */
enum error_text {
	ERROR_TEXT_NONE, /* by its exit code alone */
	ERROR_TEXT_FD6,  /* and where the caller reads it, on descriptor 6 */
};

struct config {
	struct arena         arena;    /* owns every view below */

	struct bytes         hostname; /* required */
	struct bytes_list    domains;  /* lower case; empty: mail for nobody */
	struct bytes_list    relay_domains; /* theirs is passed on: we are a lower MX */
	struct network_list  inside;   /* may relay without AUTH */
	struct bytes         rules;    /* file of tcprules, text or cdb, of listeners without their own; empty: none */
	struct bytes         root;     /* empty: the system's own folders */
	enum users_source    users;
	struct bytes         virtual_domains; /* file as qmail's control/virtualdomains; empty: none */
	struct bytes         assign;   /* file as qmail's users/assign, or its cdb; empty: none */
	struct bytes         alias_user; /* "alias": whose .qmail files catch what is nobody's; need not exist */
	bool                 dot_qmail; /* yes: system users' and assigned .qmail files are obeyed */
	uint64_t             program_timeout_ms; /* 10 min, of each that a .qmail file starts */
	struct bytes         recipient_delimiter; /* "+"; one byte or empty */
	struct bytes         yellow_folder;       /* without its dot; empty: the inbox */
	struct bytes         contact;  /* a line for people, in red replies */
	struct bytes         log;      /* "stderr", "syslog" or an absolute path */

	struct bytes    queue;         /* hi-q.conf: absolute path; empty: ours */
	enum error_text error_text;    /* hi-q.conf: ERROR_TEXT_NONE */

	uint64_t message_size;         /* 50M: SIZE, and counted; hi-q.conf: UINT64_MAX */
	uint64_t message_memory;       /* 128M, mail data held in memory files */
	uint64_t min_free;             /* 100M, beside twice message_size */
	uint64_t recipients;           /* 100 a transaction */
	uint64_t sessions;             /* 4000 in all, per listener */
	uint64_t sessions_per_address; /* 50, IPv6 per /64; inside networks too */
	uint64_t errors;               /* 20 a session */
	uint64_t hops;                 /* 100 */
	uint64_t command_timeout_ms;   /* 5 min, RFC 5321 section 4.5.3.2 */
	uint64_t data_timeout_ms;      /* 3 min a block */
	uint64_t session_timeout_ms;   /* 1 h in all */
	uint64_t filter_deadline_ms;   /* 120 s from the final dot, waiting included */
	uint64_t filter_concurrency;   /* 10 messages in the pipeline at once */
	uint64_t queue_lifetime_ms;    /* 7 d */
	uint64_t delay_warning_ms;     /* 4 h, 0: none */
	struct bytes double_bounce_to; /* "postmaster"; empty: discard */
	uint64_t remote_connections;   /* 100 at once */
	uint64_t remote_per_destination; /* 20 of them */
	uint64_t remote_timeout_ms;    /* 5 min for a reply, RFC 5321 section 4.5.3.2 */
	uint64_t connect_timeout_ms;   /* 30 s */
	struct bytes authorities;      /* file of certificates in PEM that may vouch for others */
	uint64_t stop_timeout_ms;      /* 150 s */
	bool     bounce_single_recipient; /* yes */
	bool     refuse_relay_probes;     /* yes */

	bool         any_sender;  /* no: an authenticated user's reverse-path is his own */
	bool         hide_client; /* no */
	uint64_t     daily_recipients; /* 1000, of an authenticated user */
	uint64_t     pop3_timeout_ms;  /* 10 min, RFC 1939 section 3 */
	/* "file": the shadow file; "pam"; or a checkpassword program with its arguments,
	 * split at blanks, no shell. */
	struct bytes password_check;
	struct bytes password_user; /* "_ampelauth": whom that program runs as */

	struct config_listen *listen;
	size_t                n_listen;
	struct config_filter *filter;  /* in pipeline order */
	size_t                n_filter;
	struct config_helper *helper;
	size_t                n_helper;
	struct config_tls    *tls;     /* in the order of the file; the first is the preset */
	size_t                n_tls;
	struct config_route  *route;
	size_t                n_route;
	struct config_dns     dns;
};

/*
 * Fill c from a tree; c may then be used when no mistake was added, and must be
 * given to config_finish in any case. Everything is copied: tree and text may
 * go. Mistakes' texts live in c->arena.
 */
void config_from_tree(
    struct config *c, const struct config_tree *tree, struct mistakes *mistakes);
void config_finish(struct config *c);

/*
 * The same for hi-q.conf: filters, and the few settings that hi-q(8) has. What ampel.conf
 * alone has stays zeroed.
 */
void config_from_hiq_tree(
    struct config *c, const struct config_tree *tree, struct mistakes *mistakes);

/*
 * The programs that get a part of the configuration, bits. A part is text of
 * the same grammar that holds only what that program needs.
 */
enum config_part {
	PART_SMTPD = 1,
	PART_LOOKUP = 2,
	PART_HIQ = 4,
	PART_QUEUE = 8,
	PART_DELIVER = 16,
	PART_AUTH = 32,
	PART_POP3D = 64,
	PART_MAILBOX = 128,
	PART_REMOTE = 256,
	PART_DNS = 512,
	PART_FETCH = 1024,
};

/*
 * The settings of one program as text; read back by the same parser, they give
 * the same values. hostname is in every part.
 */
void config_add_part(struct buf *b, const struct config *c, enum config_part part);

/* Whether any filter applies to that listener. */
bool config_is_filtered(const struct config *c, struct bytes listener);

#endif
