#include "mail/exchange.h"

#include <stdbool.h>
#include <string.h>

#include "base/mix.h"
#include "base/network.h"

static bool
is_root(const struct exchange *e)
{
	return bytes_equal(e->name, BYTES("."));
}

/* --- who is left --- */

static void
drop_roots(struct exchange *v, size_t *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++)
		if (!is_root(&v[i]))
			v[kept++] = v[i];
	*n = kept;
}

/* RFC 5321 section 5.1: whoever is no better than we are would send it back to us. */
static void
drop_no_better(struct exchange *v, size_t *n, struct bytes hostname)
{
	uint32_t below = UINT16_MAX + 1;
	size_t   kept = 0;

	for (size_t i = 0; i < *n; i++)
		if (bytes_equal_nocase(v[i].name, hostname) &&
		    v[i].preference < below)
			below = v[i].preference;
	for (size_t i = 0; i < *n; i++)
		if (v[i].preference < below)
			v[kept++] = v[i];
	*n = kept;
}

/* --- in which order --- */

static void
swap(struct exchange *a, struct exchange *b)
{
	struct exchange t = *a;

	*a = *b;
	*b = t;
}

static void
shuffle(struct exchange *v, size_t n, uint64_t random)
{
	for (size_t i = n; i > 1; i--)
		swap(&v[i - 1], &v[mix(random + i) % i]);
}

static bool
is_among(const struct exchange *v, size_t n, struct bytes name)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_equal_nocase(v[i].name, name))
			return true;
	return false;
}

/* The first of the least preference in v[from] ... */
static size_t
best(const struct exchange *v, size_t from, size_t n)
{
	size_t found = from;

	for (size_t i = from + 1; i < n; i++)
		if (v[i].preference < v[found].preference)
			found = i;
	return found;
}

/* No more than will be tried are looked for among what may be many. */
static void
sort(struct exchange *v, size_t *n)
{
	size_t sorted = 0;

	for (size_t i = 0; i < *n && sorted < EXCHANGE_HOSTS_MAX; i++) {
		swap(&v[i], &v[best(v, i, *n)]);
		if (!is_among(v, sorted, v[i].name))
			swap(&v[sorted++], &v[i]);
	}
	*n = sorted;
}

enum exchange_result
exchange_order(struct exchange *v, size_t *n, struct bytes hostname,
    uint64_t random)
{
	drop_roots(v, n);
	if (*n == 0)
		return EXCHANGE_NONE;
	drop_no_better(v, n, hostname);
	if (*n == 0)
		return EXCHANGE_LOOP;
	shuffle(v, *n, random);
	sort(v, n);
	return EXCHANGE_OK;
}

/* --- addresses --- */

static void
swap_addresses(uint8_t a[16], uint8_t b[16])
{
	uint8_t t[16];

	memcpy(t, a, sizeof t);
	memmove(a, b, sizeof t);
	memcpy(b, t, sizeof t);
}

/* The next of that kind is moved to place at; false: there is none. */
static bool
bring(uint8_t (*v)[16], size_t at, size_t n, bool is_ipv4)
{
	for (size_t i = at; i < n; i++) {
		if (network_is_ipv4(v[i]) == is_ipv4) {
			swap_addresses(v[at], v[i]);
			return true;
		}
	}
	return false;
}

size_t
exchange_order_addresses(
    uint8_t (*v)[16], size_t n, size_t max, uint64_t random)
{
	size_t left = n < max ? n : max;

	for (size_t i = n; i > 1; i--)
		swap_addresses(v[i - 1], v[mix(random + i) % i]);
	for (size_t i = 0; i < left; i++)
		if (!bring(v, i, n, i % 2 == 1))
			break; /* the others are of one kind */
	return left;
}
