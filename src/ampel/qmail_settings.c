/* control/: what is a number, and where double bounces go. */
#include <inttypes.h>

#include "ampel/qmail_import.h"
#include "mail/address.h"
#include "mail/setting.h"
#include "proto/qmail_control.h"

enum { ADDRESS_TEXT_MAX = 600 };

/* What 0 means. */
enum zero { ZERO_IS_LEAST, ZERO_IS_NO_LIMIT, ZERO_IS_HOLD };

struct unit {
	const char *name;
	uint64_t    factor;
};

static const struct unit sizes[] = {
	{ "M", 1024 * 1024 }, { "k", 1024 }, { "", 1 },
};
static const struct unit times[] = {
	{ "d", 24 * 60 * 60 * 1000 }, { "h", 60 * 60 * 1000 },
	{ "min", 60 * 1000 }, { "s", 1000 },
};
static const struct unit counts[] = { { "", 1 } };

struct number {
	const char        *file;
	const char        *setting;
	const struct unit *units;  /* of the setting; the last one leaves nothing over */
	uint64_t           factor; /* of the unit of the file to that of the setting */
	enum zero          zero;
};

static const struct number numbers[] = {
	{ "control/databytes", "message_size", sizes, 1, ZERO_IS_NO_LIMIT },
	{ "control/timeoutsmtpd", "command_timeout", times, 1000, ZERO_IS_LEAST },
	{ "control/queuelifetime", "queue_lifetime", times, 1000, ZERO_IS_LEAST },
	{ "control/concurrencyremote", "remote_connections", counts, 1,
	    ZERO_IS_HOLD },
	{ "control/timeoutremote", "remote_timeout", times, 1000, ZERO_IS_LEAST },
	{ "control/timeoutconnect", "connect_timeout", times, 1000,
	    ZERO_IS_LEAST },
};

/* As ampel.conf has it. */
static void
add_value(struct buf *b, const struct number *row, uint64_t value)
{
	const struct unit *unit = row->units;

	while (value % unit->factor != 0)
		unit++;
	buf_addf(b, "%" PRIu64 "%s", value / unit->factor, unit->name);
}

/* The value within what the setting takes; what is cut is said. */
static uint64_t
clamp(struct qmail_import *import, const struct number *row,
    const struct setting *setting, uint64_t number)
{
	uint64_t   value = setting->max, wanted;
	struct buf text;

	/* no file means more than 2^64 ms */
	if (number <= UINT64_MAX / row->factor) {
		wanted = number * row->factor;
		if (wanted >= setting->min && wanted <= setting->max)
			return wanted;
		value = wanted < setting->min ? setting->min : setting->max;
	}
	buf_init(&text, 64);
	add_value(&text, row, value);
	qmail_report_add(&import->left, row->file, 0,
	    "%" PRIu64 " is %s than %s takes: it is %s now", number,
	    value == setting->min ? "less" : "more", row->setting,
	    buf_string(&text));
	buf_finish(&text);
	return value;
}

static void
carry(struct qmail_import *import, const struct number *row, uint64_t number)
{
	const struct setting *setting =
	    setting_find(SCOPE_FILE, bytes_of(row->setting));
	uint64_t value = clamp(import, row, setting, number);

	qmail_heading(import, "%s", row->file);
	buf_addf(&import->conf, "%s = ", row->setting);
	add_value(&import->conf, row, value);
	buf_add_char(&import->conf, '\n');
	qmail_report_add(&import->carried, row->file, 0, "%s", row->setting);
}

static void
say_no_limit(struct qmail_import *import, const struct number *row,
    const char *why)
{
	qmail_report_add(&import->left, row->file, 0,
	    "%s: qmail had no limit; that of Ampel is %s, %s", why,
	    setting_find(SCOPE_FILE, bytes_of(row->setting))->preset,
	    row->setting);
}

static void
read_number(struct qmail_import *import, const struct number *row)
{
	struct bytes text;
	uint64_t     number;

	switch (qmail_read(import, row->file, QMAIL_CONTROL_MAX, &text, NULL)) {
	case QMAIL_FILE_BROKEN:
		return;
	case QMAIL_FILE_MISSING:
		if (row->zero == ZERO_IS_NO_LIMIT)
			say_no_limit(import, row, "missing");
		return;
	case QMAIL_FILE_READ:
		break;
	}
	if (!qmail_control_number(text, &number))
		qmail_report_add(&import->left, row->file, 0,
		    "holds no number: qmail passed it over, too");
	else if (number == 0 && row->zero == ZERO_IS_NO_LIMIT)
		say_no_limit(import, row, "0");
	else if (number == 0 && row->zero == ZERO_IS_HOLD)
		qmail_report_add(&import->left, row->file, 0,
		    "0 held all mail for other hosts back; Ampel sends it: "
		    "\"ampel stop send\" holds all deliveries");
	else
		carry(import, row, number);
}

/* --- double bounces --- */

/*
 * The address, of which each half has its default. An empty file is as none; one with an
 * empty line means nobody.
 */
static void
read_double_bounce(struct qmail_import *import)
{
	static const char to_file[] = "control/doublebounceto";
	static const char host_file[] = "control/doublebouncehost";
	struct bytes      to, host;
	struct buf        text;
	bool              has_to, has_host;

	has_to = qmail_read(import, to_file, QMAIL_CONTROL_MAX, &to, NULL) ==
	        QMAIL_FILE_READ && to.n > 0;
	has_host = qmail_read(import, host_file, QMAIL_CONTROL_MAX, &host,
	        NULL) == QMAIL_FILE_READ && host.n > 0;
	if (!has_to && !has_host)
		return;
	to = has_to ? qmail_control_line(to) : BYTES("postmaster");
	host = has_host ? qmail_control_line(host) : import->hostname;
	buf_init(&text, ADDRESS_TEXT_MAX);
	if (to.n > 0)
		buf_addf(&text, "%.*s@%.*s", BYTES_ARG(to), BYTES_ARG(host));
	if (to.n > 0 && !address_parse(buf_bytes(&text), &(struct address){ 0 })) {
		qmail_report_add(&import->left, has_to ? to_file : host_file, 0,
		    "%s is no address: double bounces go to postmaster here; "
		    "double_bounce_to changes that", buf_string(&text));
	} else {
		qmail_heading(import, "%s", has_to ? to_file : host_file);
		buf_addf(&import->conf, "double_bounce_to = \"%s\"%s\n",
		    buf_string(&text), to.n > 0 ? "" : " # nobody");
		qmail_report_add(&import->carried, has_to ? to_file : host_file,
		    0, to.n > 0 ? "double_bounce_to"
		                : "double_bounce_to: one empty line, double bounces "
		                  "are discarded");
	}
	buf_finish(&text);
}

void
qmail_settings(struct qmail_import *import)
{
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		read_number(import, &numbers[i]);
	read_double_bounce(import);
}
