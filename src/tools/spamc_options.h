/*
 * The command line of ampel-spamc(8), which is spamc's plus -Z, and the file that
 * is read before it.
 */
#ifndef AMPEL_TOOLS_SPAMC_OPTIONS_H
#define AMPEL_TOOLS_SPAMC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/spamc.h"

enum {
	SPAMC_MESSAGE_MAX = 256 * 1024 * 1024,
	SPAMC_WORDS = 256, /* of the file */
};

struct spamc_options {
	enum spamc_command command;
	const char        *hosts;       /* -d: separated by commas */
	const char        *port;
	const char        *socket_path; /* -U; NULL: TCP */
	const char        *user;        /* NULL: who runs it */
	const char        *file;        /* -F; NULL: the default one, if it is there */
	uint64_t           max_bytes;
	uint64_t           timeout_s;   /* 0: none */
	uint64_t           connect_timeout_s;
	uint64_t           connect_rounds;
	uint64_t           retry_sleep_s;
	bool               ipv4_only, ipv6_only;
	bool               shuffles;
	bool               compresses;
	bool               exits_by_spam;      /* -E */
	bool               is_strict;          /* -x: no safe fallback */
	bool               defers_unavailable; /* -X */
	bool               has_red;            /* -Z */
	int64_t            red_milli;
	bool               defers_oversize;    /* --oversize=defer */
	bool               wants_version;

	/* private: the words of the file, which the strings above may be */
	struct buf         text;
	char              *words[SPAMC_WORDS + 2];
	const char        *command_letter; /* how the command was chosen */
};

/*
 * EX_OK, or the code to exit with after telling why on stderr. Nothing is ever
 * printed on stdout: that is where mail goes.
 */
int  spamc_options_read(struct spamc_options *o, int argc, char **argv);
void spamc_options_finish(struct spamc_options *o);

#endif
