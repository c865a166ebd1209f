#include "base/number.h"

#include "base/buf.h"

bool
number_parse(struct bytes b, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (b.n == 0)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		uint64_t digit;

		if (!byte_is_digit(b.p[i]))
			return false;
		digit = (uint64_t)(b.p[i] - '0');
		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

struct unit {
	struct bytes name;
	uint64_t     factor;
};

/* Digits, then one of the units. */
static bool
parse_unit(struct bytes b, const struct unit *units, size_t n, uint64_t *out)
{
	size_t       digits = 0;
	uint64_t     value;
	struct bytes name;

	while (digits < b.n && byte_is_digit(b.p[digits]))
		digits++;
	name = bytes_from(b, digits);
	for (size_t i = 0; i < n; i++) {
		if (!bytes_equal(name, units[i].name))
			continue;
		if (!number_parse(bytes_first(b, digits),
		        INT64_MAX / units[i].factor, &value))
			return false;
		*out = value * units[i].factor;
		return true;
	}
	return false;
}

bool
number_parse_size(struct bytes b, uint64_t *out_bytes)
{
	static const struct unit units[] = {
		{ BYTES_INIT(""), 1 },
		{ BYTES_INIT("k"), 1024 },
		{ BYTES_INIT("M"), 1024 * 1024 },
	};

	return parse_unit(b, units, sizeof units / sizeof units[0], out_bytes);
}

bool
number_parse_duration(struct bytes b, uint64_t *out_ms)
{
	static const struct unit units[] = {
		{ BYTES_INIT("s"), 1000 },
		{ BYTES_INIT("min"), 60 * 1000 },
		{ BYTES_INIT("h"), 60 * 60 * 1000 },
		{ BYTES_INIT("d"), 24 * 60 * 60 * 1000 },
	};

	if (bytes_equal(b, BYTES("0"))) {
		*out_ms = 0;
		return true;
	}
	return parse_unit(b, units, sizeof units / sizeof units[0], out_ms);
}

bool
number_parse_milli(struct bytes b, int64_t *out_milli)
{
	static const int64_t weight[] = { 100, 10, 1 };
	bool                 minus = b.n > 0 && b.p[0] == '-';
	struct bytes         digits, decimals;
	uint64_t             whole;
	int64_t              milli;
	size_t               dot;

	if (b.n > 0 && (b.p[0] == '-' || b.p[0] == '+'))
		b = bytes_from(b, 1);
	dot = bytes_find(b, '.');
	digits = bytes_first(b, dot);
	decimals = bytes_from(b, dot + 1);
	if (dot < b.n && decimals.n == 0)
		return false;
	if (!number_parse(digits, 999999999, &whole))
		return false;
	milli = (int64_t)whole * 1000;
	for (size_t i = 0; i < decimals.n; i++) {
		if (!byte_is_digit(decimals.p[i]))
			return false;
		if (i < 3)
			milli += (decimals.p[i] - '0') * weight[i];
	}
	*out_milli = minus ? -milli : milli;
	return true;
}

void
number_add_milli(struct buf *b, int64_t milli)
{
	uint64_t size = milli < 0 ? 0 - (uint64_t)milli : (uint64_t)milli;
	uint64_t part = size % 1000;

	if (milli < 0)
		buf_add_char(b, '-');
	buf_add_number(b, size / 1000);
	buf_add_char(b, '.');
	buf_add_char(b, (char)('0' + part / 100));
	if (part % 100 != 0)
		buf_add_char(b, (char)('0' + part / 10 % 10));
	if (part % 10 != 0)
		buf_add_char(b, (char)('0' + part % 10));
}
