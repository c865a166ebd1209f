#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/network.h"
#include "mail/exchange.h"

enum { MANY = 1000, SEEDS = 200 };

/* "10 a 20 b": records. Returns how many. */
static size_t
read_records(const char *text, struct exchange *v)
{
	size_t   n = 0;
	unsigned preference;
	int      from, to;

	while (sscanf(text, " %u %n%*s%n", &preference, &from, &to) == 1) {
		v[n++] = (struct exchange){ (uint16_t)preference,
			{ text + from, (size_t)(to - from) } };
		text += to;
	}
	return n;
}

/* Whatever the random number, the order is one of those listed, and each of them comes. */
static void
orders(void **state)
{
	static const struct {
		const char          *records;
		enum exchange_result result;
		const char          *orders; /* "a b|b a" */
	} rows[] = {
		{ "10 a", EXCHANGE_OK, "a" },
		{ "20 b 10 a", EXCHANGE_OK, "a b" },
		{ "10 a 10 b", EXCHANGE_OK, "a b|b a" },
		{ "0 c 10 a 10 b", EXCHANGE_OK, "c a b|c b a" },
		{ "65535 z 0 a 65534 y", EXCHANGE_OK, "a y z" },
		/* a name that comes twice, in any case, counts once, by its best */
		{ "10 a 20 A 30 b", EXCHANGE_OK, "a b" },
		{ "30 a 20 b 10 a", EXCHANGE_OK, "a b" },
		{ "10 a 10 a 10 a", EXCHANGE_OK, "a" },
		/* ourselves, and who is no better */
		{ "10 a 20 us 20 b 30 c", EXCHANGE_OK, "a" },
		{ "10 a 20 US", EXCHANGE_OK, "a" },
		{ "10 us", EXCHANGE_LOOP, "" },
		{ "10 us 20 a", EXCHANGE_LOOP, "" },
		{ "10 us 10 a", EXCHANGE_LOOP, "" },
		{ "5 a 30 us 20 us 20 b 25 c", EXCHANGE_OK, "a" },
		{ "65535 us 65535 a 3 b", EXCHANGE_OK, "b" },
		/* RFC 7505 */
		{ "0 .", EXCHANGE_NONE, "" },
		{ "0 . 10 .", EXCHANGE_NONE, "" },
		{ "0 . 10 a", EXCHANGE_OK, "a" },
		{ "0 . 10 us", EXCHANGE_LOOP, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char seen[256] = "";

		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			struct exchange v[8];
			size_t          n = read_records(rows[i].records, v);
			char            order[64] = "";

			assert_int_equal(exchange_order(v, &n, BYTES("us"), seed),
			    rows[i].result);
			if (rows[i].result != EXCHANGE_OK)
				n = 0;
			for (size_t k = 0; k < n; k++)
				snprintf(order + strlen(order), sizeof order - strlen(order),
				    "%s%.*s", k ? " " : "", BYTES_ARG(v[k].name));
			for (char *p = order; *p; p++)
				*p = byte_lower(*p);
			if (strstr(seen, order) == NULL || *order == '\0') {
				assert_non_null(strstr(rows[i].orders, order));
				snprintf(seen + strlen(seen), sizeof seen - strlen(seen),
				    "|%s", order);
			}
		}
		if (rows[i].result == EXCHANGE_OK)
			assert_int_equal(strlen(seen), strlen(rows[i].orders) + 1);
	}
}

static void
there_is_a_bound(void **state)
{
	static struct exchange v[MANY];
	static char            names[MANY][8];
	size_t                 n = MANY;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "h%zu", i);
		v[i] = (struct exchange){ (uint16_t)(MANY - i), bytes_of(names[i]) };
	}
	assert_int_equal(
	    exchange_order(v, &n, BYTES("us"), 1), EXCHANGE_OK);
	assert_int_equal(n, EXCHANGE_HOSTS_MAX);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v[i].preference, i + 1);
}

static void
kinds_of_addresses_take_turns(void **state)
{
	static const struct {
		size_t      n_ipv6, n_ipv4, max;
		const char *kinds;
	} rows[] = {
		{ 0, 0, 20, "" },
		{ 1, 0, 20, "6" },
		{ 0, 1, 20, "4" },
		{ 1, 1, 20, "64" },
		{ 3, 1, 20, "6466" },
		{ 1, 3, 20, "6444" },
		{ 3, 3, 20, "646464" },
		{ 5, 5, 4, "6464" },
		{ 5, 5, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			uint8_t v[16][16] = { { 0 } };
			bool    seen[16] = { false };
			size_t  n = rows[i].n_ipv4 + rows[i].n_ipv6;

			for (size_t k = 0; k < n; k++) {
				if (k < rows[i].n_ipv4)
					v[k][10] = v[k][11] = 0xff;
				else
					v[k][0] = 0x20;
				v[k][15] = (uint8_t)k;
			}
			n = exchange_order_addresses(v, n, rows[i].max, seed);
			assert_int_equal(n, strlen(rows[i].kinds));
			for (size_t k = 0; k < n; k++) {
				assert_int_equal(network_is_ipv4(v[k]),
				    rows[i].kinds[k] == '4');
				assert_false(seen[v[k][15]]);
				seen[v[k][15]] = true;
			}
		}
	}
}

static void
the_first_address_is_any(void **state)
{
	unsigned first[4] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		uint8_t v[4][16] = { { 0 } };

		for (uint8_t k = 0; k < 4; k++) {
			v[k][10] = v[k][11] = 0xff;
			v[k][15] = k;
		}
		assert_int_equal(exchange_order_addresses(v, 4, 20, seed), 4);
		first[v[0][15]]++;
	}
	for (size_t k = 0; k < 4; k++)
		assert_true(first[k] > SEEDS / 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(there_is_a_bound),
		cmocka_unit_test(kinds_of_addresses_take_turns),
		cmocka_unit_test(the_first_address_is_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
