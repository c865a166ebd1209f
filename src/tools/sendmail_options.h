/*
 * The command line of sendmail(8), as cron, PHP, mutt, git and the rest call it. What means
 * nothing here (queue modes, error modes, debugging) is read over.
 */
#ifndef AMPEL_TOOLS_SENDMAIL_OPTIONS_H
#define AMPEL_TOOLS_SENDMAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/envelope.h"

enum sendmail_mode {
	SENDMAIL_DELIVER,  /* -bm, and without any: a message on stdin */
	SENDMAIL_SMTP,     /* -bs: SMTP on stdin and stdout */
	SENDMAIL_LIST,     /* -bp, mailq */
	SENDMAIL_ALIASES,  /* -bi, newaliases */
	SENDMAIL_VERIFY,   /* -bv: where would mail to these go? */
	SENDMAIL_FLUSH,    /* -q: try everything now */
	SENDMAIL_DAEMON,   /* -bd, -bD: refused, `ampel start` does that */
};

struct sendmail_options {
	enum sendmail_mode mode;
	bool               from_header;  /* -t: recipients stand in To, Cc and Bcc */
	bool               ignores_dots; /* -i, -oi: a line "." does not end the message */
	const char        *reverse_path; /* -f, -r; "" or "<>" is the null one; NULL: the caller's */
	const char        *full_name;    /* -F; NULL: as the system knows him */
	const char        *config_file;  /* -C, for what `ampel` does; NULL: the usual one */
	enum envelope_ret  ret;          /* -R */
	const char        *envid;        /* -V; NULL: none */
	unsigned           notify;       /* -N, NOTIFY_ bits */
	char             **recipients;   /* what stands behind the options */
	int                n_recipients;
};

/* False: misuse; *mistake is the argument that is wrong. program: the name it was called by. */
bool sendmail_options_read(struct sendmail_options *o, int argc, char **argv,
    const char **mistake);

#endif
