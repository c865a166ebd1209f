#include "mail/date.h"

#include "base/buf.h"

struct date {
	int64_t  year;
	unsigned month, day, weekday; /* month and day from 1; Sunday is 0 */
	unsigned hour, minute, second;
};

/*
 * The Gregorian calendar by eras of 400 years, counted from 1 March so that the
 * leap day is the last of its year.
 */
static struct date
date_of(uint64_t now_ms)
{
	uint64_t    seconds = now_ms / 1000;
	uint64_t    days = seconds / 86400 + 719468; /* since 0000-03-01 */
	uint64_t    era = days / 146097;
	uint64_t    in_era = days % 146097;
	uint64_t    year = (in_era - in_era / 1460 + in_era / 36524 -
	                       in_era / 146096) / 365;
	uint64_t    in_year = in_era - (365 * year + year / 4 - year / 100);
	uint64_t    month = (5 * in_year + 2) / 153;
	struct date d;

	d.day = (unsigned)(in_year - (153 * month + 2) / 5 + 1);
	d.month = (unsigned)(month < 10 ? month + 3 : month - 9);
	d.year = (int64_t)(year + era * 400 + (d.month <= 2));
	d.weekday = (unsigned)((seconds / 86400 + 4) % 7);
	d.hour = (unsigned)(seconds / 3600 % 24);
	d.minute = (unsigned)(seconds / 60 % 60);
	d.second = (unsigned)(seconds % 60);
	return d;
}

void
date_add_rfc5322(struct buf *b, uint64_t now_ms)
{
	static const char weekdays[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct date       d = date_of(now_ms);

	buf_addf(b, "%.3s, %u %.3s %lld %02u:%02u:%02u +0000",
	    weekdays + 3 * d.weekday, d.day, months + 3 * (d.month - 1),
	    (long long)d.year, d.hour, d.minute, d.second);
}

void
date_add_rfc3339(struct buf *b, uint64_t now_ms)
{
	struct date d = date_of(now_ms);

	buf_addf(b, "%04lld-%02u-%02uT%02u:%02u:%02uZ", (long long)d.year,
	    d.month, d.day, d.hour, d.minute, d.second);
}
