#include "tools/spamc_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/number.h"
#include "io/file.h"
#include "tools/spamc_complain.h"

#define DEFAULT_FILE "/etc/mail/spamassassin/spamc.conf"

enum {
	FILE_MAX = 64 * 1024,
	SECONDS_MAX = 24 * 60 * 60,
	ROUNDS_MAX = 1000,
	DEFAULT_MAX_BYTES = 500 * 1024,
	DEFAULT_TIMEOUT_S = 600,
	NOT_SET = SECONDS_MAX + 1,
};

/* Options that have no letter. */
enum {
	LONG_HEADERS = 256,
	LONG_CONNECT_RETRIES,
	LONG_RETRY_SLEEP,
	LONG_OVERSIZE,
	LONG_NOT_HERE,
};

static const char letters[] = ":d:HzKp:U:F:t:n:s:u:L:cyrRExXlhVf46Z:BC:Se";

static const struct option long_options[] = {
	{ "dest", required_argument, NULL, 'd' },
	{ "randomize", no_argument, NULL, 'H' },
	{ "port", required_argument, NULL, 'p' },
	{ "socket", required_argument, NULL, 'U' },
	{ "config", required_argument, NULL, 'F' },
	{ "timeout", required_argument, NULL, 't' },
	{ "connect-timeout", required_argument, NULL, 'n' },
	{ "connect-retries", required_argument, NULL, LONG_CONNECT_RETRIES },
	{ "retry-sleep", required_argument, NULL, LONG_RETRY_SLEEP },
	{ "max-size", required_argument, NULL, 's' },
	{ "username", required_argument, NULL, 'u' },
	{ "learntype", required_argument, NULL, 'L' },
	{ "check", no_argument, NULL, 'c' },
	{ "tests", no_argument, NULL, 'y' },
	{ "full-spam", no_argument, NULL, 'r' },
	{ "full", no_argument, NULL, 'R' },
	{ "headers", no_argument, NULL, LONG_HEADERS },
	{ "exitcode", no_argument, NULL, 'E' },
	{ "no-safe-fallback", no_argument, NULL, 'x' },
	{ "unavailable-tempfail", no_argument, NULL, 'X' },
	{ "log-to-stderr", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "red", required_argument, NULL, 'Z' },
	{ "oversize", required_argument, NULL, LONG_OVERSIZE },
	/* spamc has these; here they are refused, not overlooked */
	{ "bsmtp", no_argument, NULL, LONG_NOT_HERE },
	{ "reporttype", required_argument, NULL, LONG_NOT_HERE },
	{ "pipe-to", no_argument, NULL, LONG_NOT_HERE },
	{ "ssl", optional_argument, NULL, LONG_NOT_HERE },
	{ "ssl-cert", required_argument, NULL, LONG_NOT_HERE },
	{ "ssl-key", required_argument, NULL, LONG_NOT_HERE },
	{ "ssl-ca-file", required_argument, NULL, LONG_NOT_HERE },
	{ "ssl-ca-path", required_argument, NULL, LONG_NOT_HERE },
	{ "filter-retries", required_argument, NULL, LONG_NOT_HERE },
	{ "filter-retry-sleep", required_argument, NULL, LONG_NOT_HERE },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
    "usage: ampel-spamc [-46EHXflxz] [-c | -y | -R | -r | -K | -L class | --headers]\n"
    "           [-Z red] [--oversize=pass|defer] [-d host[,host...]] [-p port]\n"
    "           [-U socket] [-u user] [-s bytes] [-t seconds] [-n seconds]\n"
    "           [--connect-retries n] [--retry-sleep seconds] [-F file] < message\n"
    "see ampel-spamc(8)\n";

static int
misuse(const char *what, const char *why)
{
	spamc_complain(EX_USAGE, "%s: %s", what, why);
	fputs(usage, stderr);
	return EX_USAGE;
}

/* --- values --- */

static bool
set_number(const char *value, uint64_t least, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (!number_parse(bytes_of(value), max, &n) || n < least)
		return false;
	*out = n;
	return true;
}

/* In thousandths, and not finer: a score is compared exactly. */
static bool
set_red(struct spamc_options *o, const char *value)
{
	struct bytes text = bytes_of(value);

	if (text.n - bytes_find(text, '.') > 4)
		return false;
	o->has_red = number_parse_milli(text, &o->red_milli);
	return o->has_red;
}

static bool
set_port(struct spamc_options *o, const char *value)
{
	uint64_t port;

	o->port = value;
	return set_number(value, 1, 65535, &port);
}

/* It becomes a line of the request. */
static bool
set_user(struct spamc_options *o, const char *value)
{
	o->user = value;
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return false;
	return *value != '\0';
}

static bool
set_oversize(struct spamc_options *o, const char *value)
{
	o->defers_oversize = strcmp(value, "defer") == 0;
	return o->defers_oversize || strcmp(value, "pass") == 0;
}

static bool
set_command(struct spamc_options *o, enum spamc_command command,
    const char *letter)
{
	o->command = command;
	o->command_letter = letter;
	return true;
}

static bool
set_learning(struct spamc_options *o, const char *value)
{
	static const struct {
		const char        *name;
		enum spamc_command command;
	} classes[] = {
		{ "spam", SPAMC_TELL_SPAM },
		{ "ham", SPAMC_TELL_HAM },
		{ "forget", SPAMC_TELL_FORGET },
	};

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strcmp(value, classes[i].name) == 0)
			return set_command(o, classes[i].command, "-L");
	return false;
}

/* --- one option --- */

/* False: the value is wrong. */
static bool
apply(struct spamc_options *o, int option, const char *value)
{
	switch (option) {
	case '4':
		o->ipv4_only = true;
		o->ipv6_only = false;
		return true;
	case '6':
		o->ipv6_only = true;
		o->ipv4_only = false;
		return true;
	case 'c':
		o->exits_by_spam = true;
		return set_command(o, SPAMC_CHECK, "-c");
	case 'd':
		o->hosts = value;
		o->socket_path = NULL;
		return *value != '\0';
	case 'E':
		o->exits_by_spam = true;
		return true;
	case 'F':
		o->file = value;
		return true;
	case 'f': /* always so, in spamc too */
	case 'l':
		return true;
	case 'H':
		o->shuffles = true;
		return true;
	case 'K':
		return set_command(o, SPAMC_PING, "-K");
	case 'L':
		return set_learning(o, value);
	case 'n':
		return set_number(value, 0, SECONDS_MAX, &o->connect_timeout_s);
	case 'p':
		return set_port(o, value);
	case 'R':
		return set_command(o, SPAMC_REPORT, "-R");
	case 'r':
		return set_command(o, SPAMC_REPORT_IF_SPAM, "-r");
	case 's':
		return set_number(value, 1, SPAMC_MESSAGE_MAX, &o->max_bytes);
	case 't':
		return set_number(value, 0, SECONDS_MAX, &o->timeout_s);
	case 'U':
		o->socket_path = value;
		return *value != '\0';
	case 'u':
		return set_user(o, value);
	case 'V':
		o->wants_version = true;
		return true;
	case 'X':
		o->defers_unavailable = true;
		return true;
	case 'x':
		o->is_strict = true;
		return true;
	case 'y':
		return set_command(o, SPAMC_SYMBOLS, "-y");
	case 'Z':
		return set_red(o, value);
	case 'z':
		o->compresses = true;
		return true;
	case LONG_HEADERS:
		return set_command(o, SPAMC_HEADERS, "--headers");
	case LONG_CONNECT_RETRIES:
		return set_number(value, 1, ROUNDS_MAX, &o->connect_rounds);
	case LONG_RETRY_SLEEP:
		return set_number(value, 0, SECONDS_MAX, &o->retry_sleep_s);
	case LONG_OVERSIZE:
		return set_oversize(o, value);
	default:
		return false;
	}
}

/* --- all of them --- */

/* All words: argv[0] is nobody's. */
static int
read_words(struct spamc_options *o, int argc, char **argv)
{
	opterr = 0;
	optind = 0; /* begin anew, forgetting where it was */
	for (;;) {
		int at = optind > 0 ? optind : 1;
		int option = getopt_long(argc, argv, letters, long_options, NULL);

		if (option == -1)
			break;
		switch (option) {
		case '?':
			return misuse(argv[at], "no such option");
		case ':':
			return misuse(argv[at], "its value is missing");
		case 'h':
			fputs(usage, stderr);
			return EX_USAGE;
		case 'B':
		case 'C':
		case 'e':
		case 'S':
		case LONG_NOT_HERE:
			return misuse(argv[at], "spamc has this, ampel-spamc has not");
		default:
			if (!apply(o, option, optarg))
				return misuse(argv[at], "its value is wrong");
		}
	}
	if (optind < argc)
		return misuse(argv[optind], "is no option");
	return EX_OK;
}

static void
set_defaults(struct spamc_options *o)
{
	*o = (struct spamc_options){
		.command = SPAMC_PROCESS,
		.hosts = "localhost",
		.port = "783",
		.max_bytes = DEFAULT_MAX_BYTES,
		.timeout_s = DEFAULT_TIMEOUT_S,
		.connect_timeout_s = NOT_SET,
		.connect_rounds = 3,
		.retry_sleep_s = 1,
	};
	buf_init(&o->text, FILE_MAX);
}

/* Cut the text into words, in place; a line that starts with '#' has none. */
static int
split_words(struct spamc_options *o, char *text, int *n)
{
	char *line = text, *end = text + strlen(text);

	o->words[(*n)++] = text;
	while (line < end) {
		char *next = line + strcspn(line, "\n");
		char *p = line;

		*next = '\0';
		while (*line != '#' && *(p += strspn(p, " \t\r\f\v")) != '\0') {
			if (*n > SPAMC_WORDS)
				return -1;
			o->words[(*n)++] = p;
			p += strcspn(p, " \t\r\f\v");
			if (*p != '\0')
				*p++ = '\0';
		}
		line = next + 1;
	}
	return 0;
}

static int
read_file(struct spamc_options *o, const char *named)
{
	const char *path = named ? named : DEFAULT_FILE;
	int         n = 0;

	if (file_read(path, &o->text, NULL) == -1) {
		if (named == NULL && (errno == ENOENT || errno == ENOTDIR))
			return EX_OK;
		return spamc_complain(EX_CONFIG, "%s: %s", path, strerror(errno));
	}
	buf_add_char(&o->text, '\0');
	if (o->text.failed || memchr(o->text.p, '\0', o->text.len - 1) ||
	    split_words(o, o->text.p, &n) == -1)
		return spamc_complain(EX_CONFIG, "%s: too long, or no text", path);
	if (read_words(o, n, o->words) != EX_OK)
		return spamc_complain(EX_CONFIG, "%s: not understood", path);
	return EX_OK;
}

/* -Z needs the message and its score; a text for people has no colour. */
static int
check_together(const struct spamc_options *o)
{
	if (o->has_red && o->command != SPAMC_PROCESS &&
	    o->command != SPAMC_CHECK) {
		spamc_complain(EX_USAGE, "-Z and %s do not go together",
		    o->command_letter);
		fputs(usage, stderr);
		return EX_USAGE;
	}
	return EX_OK;
}

/* The file comes first, so that the command line has the last word. */
int
spamc_options_read(struct spamc_options *o, int argc, char **argv)
{
	const char *file;
	int         code;

	set_defaults(o);
	code = read_words(o, argc, argv);
	if (code != EX_OK || o->wants_version)
		return code;
	file = o->file;
	set_defaults(o);
	code = read_file(o, file);
	if (code == EX_OK)
		code = read_words(o, argc, argv);
	if (code == EX_OK)
		code = check_together(o);
	if (o->connect_timeout_s == NOT_SET)
		o->connect_timeout_s = o->timeout_s;
	if (o->has_red)
		o->is_strict = true;
	return code;
}

void
spamc_options_finish(struct spamc_options *o)
{
	buf_finish(&o->text);
}
