#include "tools/sendmail_options.h"

#include <string.h>

#include "proto/dsn_parameter.h"

/* What an option letter does with what stands behind it. */
enum taking {
	TAKES_UNKNOWN = 0,
	TAKES_NOTHING,  /* other letters may follow: "-tv" */
	TAKES_VALUE,    /* "-fjo" or "-f jo" */
	TAKES_ATTACHED, /* "-q15m" or "-q" */
};

static const enum taking letters[128] = {
	['A'] = TAKES_VALUE, ['B'] = TAKES_VALUE, ['b'] = TAKES_VALUE,
	['C'] = TAKES_VALUE, ['D'] = TAKES_VALUE, ['d'] = TAKES_ATTACHED,
	['e'] = TAKES_VALUE, ['F'] = TAKES_VALUE, ['f'] = TAKES_VALUE,
	['G'] = TAKES_NOTHING, ['h'] = TAKES_VALUE, ['I'] = TAKES_NOTHING,
	['i'] = TAKES_NOTHING, ['L'] = TAKES_VALUE, ['m'] = TAKES_NOTHING,
	['N'] = TAKES_VALUE, ['n'] = TAKES_NOTHING, ['O'] = TAKES_VALUE,
	['o'] = TAKES_VALUE, ['p'] = TAKES_VALUE, ['q'] = TAKES_ATTACHED,
	['R'] = TAKES_VALUE, ['r'] = TAKES_VALUE, ['t'] = TAKES_NOTHING,
	['U'] = TAKES_NOTHING, ['V'] = TAKES_VALUE, ['v'] = TAKES_NOTHING,
	['X'] = TAKES_VALUE,
};

static const struct {
	char               letter;
	enum sendmail_mode mode;
} modes[] = {
	{ 'm', SENDMAIL_DELIVER }, { 's', SENDMAIL_SMTP },
	{ 'p', SENDMAIL_LIST }, { 'P', SENDMAIL_LIST },
	{ 'i', SENDMAIL_ALIASES }, { 'I', SENDMAIL_ALIASES },
	{ 'v', SENDMAIL_VERIFY }, { 'd', SENDMAIL_DAEMON },
	{ 'D', SENDMAIL_DAEMON },
};

static bool
set_mode(struct sendmail_options *o, const char *value)
{
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (value[0] == modes[i].letter && value[1] == '\0') {
			o->mode = modes[i].mode;
			return true;
		}
	return false;
}

static bool
set_notify(struct sendmail_options *o, const char *value)
{
	uint8_t bits;

	if (!dsn_notify_parse(bytes_of(value), &bits))
		return false;
	o->notify = bits;
	return true;
}

/* An option without a value, or with one. False: the value is wrong. */
static bool
apply(struct sendmail_options *o, char letter, const char *value)
{
	switch (letter) {
	case 'b':
		return set_mode(o, value);
	case 'C':
		o->config_file = value;
		break;
	case 'F':
		o->full_name = value;
		break;
	case 'f':
	case 'r':
		o->reverse_path = value;
		break;
	case 'I':
		o->mode = SENDMAIL_ALIASES;
		break;
	case 'i':
		o->ignores_dots = true;
		break;
	case 'N':
		return set_notify(o, value);
	case 'o':
		/* "-oi"; all other old options are about things that Ampel decides */
		if (strcmp(value, "i") == 0)
			o->ignores_dots = true;
		break;
	case 'q':
		o->mode = SENDMAIL_FLUSH;
		break;
	case 'R':
		return dsn_ret_parse(bytes_of(value), &o->ret);
	case 't':
		o->from_header = true;
		break;
	case 'V':
		o->envid = value;
		break;
	default:
		break;
	}
	return true;
}

static void
set_mode_of_name(struct sendmail_options *o, const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash ? slash + 1 : program;

	if (strcmp(name, "mailq") == 0)
		o->mode = SENDMAIL_LIST;
	else if (strcmp(name, "newaliases") == 0)
		o->mode = SENDMAIL_ALIASES;
}

/* The letters of one argument. *at moves on when a value is the next argument. */
static bool
read_letters(struct sendmail_options *o, int argc, char **argv, int *at)
{
	for (const char *p = argv[*at] + 1; *p != '\0'; p++) {
		unsigned char letter = (unsigned char)*p;
		const char   *value = p + 1;

		switch (letter < 128 ? letters[letter] : TAKES_UNKNOWN) {
		case TAKES_UNKNOWN:
			return false;
		case TAKES_NOTHING:
			apply(o, *p, NULL);
			continue;
		case TAKES_ATTACHED:
			return apply(o, *p, value);
		case TAKES_VALUE:
			break;
		}
		if (*value == '\0') {
			if (*at + 1 == argc)
				return false;
			value = argv[++*at];
		}
		return apply(o, *p, value);
	}
	return true;
}

bool
sendmail_options_read(struct sendmail_options *o, int argc, char **argv,
    const char **mistake)
{
	int at = 1;

	*o = (struct sendmail_options){ .mode = SENDMAIL_DELIVER };
	if (argc > 0)
		set_mode_of_name(o, argv[0]);
	for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
		int first = at;

		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		if (!read_letters(o, argc, argv, &at)) {
			*mistake = argv[first];
			return false;
		}
	}
	o->recipients = argv + at;
	o->n_recipients = at < argc ? argc - at : 0;
	return true;
}
