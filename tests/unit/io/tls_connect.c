/*
 * Our client against our server: what each demand accepts and refuses, by name, by TLSA record
 * (RFC 7672), or not at all.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <string.h>

#include "io/tls.h"
#include "make_certificate.h"

enum { KEYS_ROOM = 64 * 1024, HASH_MAX = 4096 };

static const char ticket_key[TLS_TICKET_KEY + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* --- certificates --- */

enum which { GOOD, EXPIRED, EARLY, OTHER, WILD, SELF, NUMBER, RUDE, CERTIFICATES };

/* From so many days from now on, for so many. */
static const struct {
	const char *names;
	int         from, days;
	bool        is_self_signed;
} kinds[CERTIFICATES] = {
	[GOOD] = { "DNS:mx.example.net", -2, 30, false },
	[EXPIRED] = { "DNS:mx.example.net", -2, 1, false },
	[EARLY] = { "DNS:mx.example.net", 2, 30, false },
	[OTHER] = { "DNS:other.example.org", -2, 30, false },
	[WILD] = { "DNS:*.example.net", -2, 30, false },
	[SELF] = { "DNS:mx.example.net", -2, 30, true },
	[NUMBER] = { "IP:192.0.2.1", -2, 30, false },
	[RUDE] = { "DNS:a\x1b[2J\x01 b", -2, 30, false },
};

static struct {
	EVP_PKEY           *authority_key, *key;
	X509               *authority, *certificates[CERTIFICATES];
	struct tls_context *servers[CERTIFICATES];
	struct tls_context *trusting, *trustless;
} pki;

static void
add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static X509 *
make_authority(void)
{
	X509 *x = make_certificate(pki.authority_key, "authority", NULL,
	    time(NULL) - DAY_S, 30, pki.authority_key, EVP_sha256());

	add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(x, pki.authority_key, EVP_sha256()) > 0);
	return x;
}

static X509 *
make_leaf(enum which which)
{
	EVP_PKEY *signer =
	    kinds[which].is_self_signed ? pki.key : pki.authority_key;
	X509     *x = make_certificate(pki.key, "leaf", kinds[which].names,
	        time(NULL) + kinds[which].from * DAY_S, kinds[which].days, signer,
	        EVP_sha256());

	if (!kinds[which].is_self_signed) {
		X509_set_issuer_name(x, X509_get_subject_name(pki.authority));
		assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
	}
	return x;
}

static struct tls_context *
make_server(enum which which)
{
	char                error[256] = "";
	struct buf          keys;
	struct tls_context *c;

	buf_init(&keys, KEYS_ROOM);
	add_key(&keys, pki.key, NULL);
	add_certificate(&keys, pki.certificates[which]);
	if (!kinds[which].is_self_signed)
		add_certificate(&keys, pki.authority);
	c = tls_context_new(buf_bytes(&keys), BYTES(""), BYTES("one"),
	    (struct bytes){ ticket_key, TLS_TICKET_KEY }, error, sizeof error);
	assert_string_equal(error, "");
	buf_finish(&keys);
	return c;
}

static int
make_pki(void **state)
{
	char       error[256] = "";
	struct buf trusted;

	(void)state;
	pki.authority_key = EVP_EC_gen("P-256");
	pki.key = EVP_EC_gen("P-256");
	pki.authority = make_authority();
	for (int i = 0; i < CERTIFICATES; i++) {
		pki.certificates[i] = make_leaf((enum which)i);
		pki.servers[i] = make_server((enum which)i);
	}
	buf_init(&trusted, KEYS_ROOM);
	add_certificate(&trusted, pki.authority);
	pki.trusting = tls_client_context_new(
	    buf_bytes(&trusted), error, sizeof error);
	pki.trustless = tls_client_context_new(BYTES(""), error, sizeof error);
	buf_finish(&trusted);
	assert_string_equal(error, "");
	return pki.trusting && pki.trustless ? 0 : -1;
}

static int
free_pki(void **state)
{
	(void)state;
	for (int i = 0; i < CERTIFICATES; i++) {
		X509_free(pki.certificates[i]);
		tls_context_drop(pki.servers[i]);
	}
	tls_context_drop(pki.trusting);
	tls_context_drop(pki.trustless);
	X509_free(pki.authority);
	EVP_PKEY_free(pki.authority_key);
	EVP_PKEY_free(pki.key);
	return 0;
}

/* --- TLSA records --- */

/* Of which certificate, selector and matching type a record is; a byte of it wrong. */
struct record {
	uint8_t usage, selector, matching_type;
	bool    is_of_authority, is_wrong;
};

static size_t
digest(uint8_t matching_type, const unsigned char *p, size_t n,
    unsigned char out[HASH_MAX])
{
	unsigned got = 0;

	if (matching_type == 0 || matching_type > 2) {
		memcpy(out, p, n);
		return n;
	}
	EVP_Digest(p, n, out, &got,
	    matching_type == 1 ? EVP_sha256() : EVP_sha512(), NULL);
	return got;
}

static struct bytes
association_of(const struct record *r, enum which which, unsigned char room[HASH_MAX])
{
	X509          *x = r->is_of_authority ? pki.authority
	                                      : pki.certificates[which];
	unsigned char *der = NULL;
	int            n = r->selector == 0 ? i2d_X509(x, &der)
	                                    : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	size_t         length = digest(r->matching_type, der, (size_t)n, room);

	OPENSSL_free(der);
	if (r->is_wrong)
		room[length / 2] ^= 1;
	return (struct bytes){ (const char *)room, length };
}

/* --- conversations --- */

static bool
move(struct tls *from, struct tls *to, size_t piece)
{
	struct bytes out = tls_output(from);
	size_t       n = out.n < piece ? out.n : piece;
	size_t       got;

	if (n > tls_room(to))
		n = tls_room(to);
	tls_feed(to, bytes_first(out, n));
	tls_sent(from, n);
	tls_read(to, NULL, 0, &got);
	return n > 0;
}

/* Whether the client is content. */
static bool
shake_hands(struct tls *client, struct tls *server, size_t piece)
{
	size_t got;
	bool   moved;

	tls_read(client, NULL, 0, &got);
	do {
		moved = move(client, server, piece);
		moved |= move(server, client, piece);
	} while (moved);
	return tls_is_established(client) && tls_fault(client)[0] == '\0';
}

static void
assert_talk(struct tls *client, struct tls *server)
{
	char   heard[16];
	size_t got;

	assert_true(tls_write(client, BYTES("EHLO")));
	tls_feed(server, tls_output(client));
	tls_sent(client, tls_output(client).n);
	while (tls_read(server, heard, sizeof heard, &got) == TLS_OK && got == 0)
		;
	assert_int_equal(got, 4);
	assert_memory_equal(heard, "EHLO", 4);
}

enum { RECORDS_MAX = 3 };

struct row {
	enum tls_proof proof;
	enum which     which;
	bool           is_trusting;
	const char    *names[3];
	struct record  records[RECORDS_MAX];
	size_t         n_records;
	bool           is_good;
	const char    *text; /* in the proof, or in the fault */
};

#define MX    { "mx.example.net" }
#define NAMES { "mx.example.net", "example.net" }

static const struct row rows[] = {
	/* whoever it is */
	{ TLS_PROOF_NONE, GOOD, false, MX, { { 0 } }, 0, true, "unverified" },
	{ TLS_PROOF_NONE, EXPIRED, false, MX, { { 0 } }, 0, true, "unverified" },
	{ TLS_PROOF_NONE, OTHER, true, MX, { { 0 } }, 0, true, "unverified" },
	{ TLS_PROOF_NONE, SELF, false, MX, { { 0 } }, 0, true, "unverified" },

	/* an authority vouches for the name */
	{ TLS_PROOF_NAME, GOOD, true, MX, { { 0 } }, 0, true, "verified mx.example.net" },
	{ TLS_PROOF_NAME, WILD, true, MX, { { 0 } }, 0, true, "verified *.example.net" },
	{ TLS_PROOF_NAME, OTHER, true, { "mx.example.net", "other.example.org" },
	    { { 0 } }, 0, true, "verified other.example.org" },
	{ TLS_PROOF_NAME, GOOD, false, MX, { { 0 } }, 0, false, "refused" },
	{ TLS_PROOF_NAME, EXPIRED, true, MX, { { 0 } }, 0, false, "expired" },
	{ TLS_PROOF_NAME, OTHER, true, MX, { { 0 } }, 0, false, "another host: other.example.org" },
	{ TLS_PROOF_NAME, WILD, true, { "a.b.example.net" }, { { 0 } }, 0, false, "another host" },
	{ TLS_PROOF_NAME, WILD, true, { "example.net" }, { { 0 } }, 0, false, "another host" },
	{ TLS_PROOF_NAME, SELF, true, MX, { { 0 } }, 0, false, "self-signed" },
	{ TLS_PROOF_NAME, EARLY, true, MX, { { 0 } }, 0, false, "not yet valid" },
	{ TLS_PROOF_NAME, GOOD, true, { "MX.Example.NET" }, { { 0 } }, 0, true, "verified mx.example.net" },
	{ TLS_PROOF_NAME, GOOD, true, { "mx.example.net.evil" }, { { 0 } }, 0, false, "another host: mx.example.net" },
	/* what a certificate calls itself is a stranger's word */
	{ TLS_PROOF_NAME, RUDE, true, MX, { { 0 } }, 0, false, "another host: a?[2J? b" },

	/* an address, for a route that has no name for the host */
	{ TLS_PROOF_NAME, NUMBER, true, { "192.0.2.1" }, { { 0 } }, 0, true, "verified 192.0.2.1" },
	{ TLS_PROOF_NAME, NUMBER, true, { "192.0.2.2" }, { { 0 } }, 0, false, "another host" },
	{ TLS_PROOF_NAME, NUMBER, true, MX, { { 0 } }, 0, false, "another host" },
	{ TLS_PROOF_NAME, GOOD, true, { "192.0.2.1" }, { { 0 } }, 0, false, "another host: mx.example.net" },

	/* usage 3: neither names nor dates nor authorities count, RFC 7672 section 3.1.1 */
	{ TLS_PROOF_DANE, GOOD, false, MX, { { 3, 1, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, false, MX, { { 3, 0, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, false, MX, { { 3, 1, 2, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, false, MX, { { 3, 1, 0, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, false, MX, { { 3, 0, 0, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, EXPIRED, false, MX, { { 3, 1, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, EARLY, false, MX, { { 3, 1, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, OTHER, false, MX, { { 3, 1, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, SELF, false, MX, { { 3, 1, 1, false, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, true, MX, { { 3, 1, 1, false, true } }, 1, false, "no TLSA record matches" },
	{ TLS_PROOF_DANE, GOOD, true, MX, { { 3, 1, 1, true, false } }, 1, false, "no TLSA record matches" },

	/* usage 2: the anchor comes with the chain; names and dates count, section 3.1.2 */
	{ TLS_PROOF_DANE, GOOD, false, NAMES, { { 2, 0, 1, true, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, false, NAMES, { { 2, 1, 1, true, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, OTHER, false, { "mx.example.net", "other.example.org" },
	    { { 2, 0, 1, true, false } }, 1, true, "DANE" },
	{ TLS_PROOF_DANE, OTHER, true, NAMES, { { 2, 0, 1, true, false } }, 1, false, "another host" },
	{ TLS_PROOF_DANE, EXPIRED, true, NAMES, { { 2, 0, 1, true, false } }, 1, false, "expired" },
	{ TLS_PROOF_DANE, GOOD, true, NAMES, { { 2, 0, 1, true, true } }, 1, false, "no TLSA record matches" },

	/* one that matches is enough; one that cannot be used is as if it were not there */
	{ TLS_PROOF_DANE, GOOD, false, MX,
	    { { 3, 1, 1, false, true }, { 3, 1, 1, false, false } }, 2, true, "DANE" },
	{ TLS_PROOF_DANE, GOOD, true, MX,
	    { { 1, 1, 1, false, false }, { 3, 1, 1, false, true } }, 2, false, "no TLSA record matches" },
	{ TLS_PROOF_DANE, GOOD, false, MX,
	    { { 0, 0, 1, false, false }, { 1, 1, 1, false, false } }, 2, true,
	    "DANE, no usable record" },
	{ TLS_PROOF_DANE, SELF, false, MX, { { 3, 1, 77, false, false } }, 1, true,
	    "DANE, no usable record" },
	{ TLS_PROOF_DANE, SELF, false, MX, { { 3, 9, 1, false, false } }, 1, true,
	    "DANE, no usable record" },
	{ TLS_PROOF_DANE, SELF, false, MX, { { 0 } }, 0, true, "DANE, no usable record" },
};

static void
run(const struct row *row, size_t piece)
{
	static unsigned char room[RECORDS_MAX][HASH_MAX];
	struct tls_tlsa      tlsa[RECORDS_MAX];
	struct bytes         names[3];
	struct tls_demand    demand = {
		   .proof = row->proof,
		   .sni = BYTES_INIT("mx.example.net"),
		   .names = names,
		   .tlsa = tlsa,
		   .n_tlsa = row->n_records,
	};
	struct tls *server = tls_accept(pki.servers[row->which]), *client;
	bool        is_good;

	for (; demand.n_names < 3 && row->names[demand.n_names]; demand.n_names++)
		names[demand.n_names] = bytes_of(row->names[demand.n_names]);
	for (size_t i = 0; i < row->n_records; i++)
		tlsa[i] = (struct tls_tlsa){ row->records[i].usage,
			row->records[i].selector, row->records[i].matching_type,
			association_of(&row->records[i], row->which, room[i]) };
	client = tls_connect(
	    row->is_trusting ? pki.trusting : pki.trustless, &demand);
	assert_non_null(client);
	assert_string_equal(tls_proof_description(client), "");
	is_good = shake_hands(client, server, piece);
	assert_int_equal(is_good, row->is_good);
	if (is_good) {
		assert_string_equal(tls_proof_description(client), row->text);
		assert_memory_equal(tls_description(client), "TLSv1.3 ", 8);
		assert_talk(client, server);
	} else {
		if (strstr(tls_fault(client), row->text) == NULL)
			fail_msg("row %d: \"%s\", not \"%s\"", (int)(row - rows),
			    tls_fault(client), row->text);
		assert_string_equal(tls_proof_description(client), "");
		assert_false(tls_write(client, BYTES("EHLO")));
	}
	tls_free(client);
	tls_free(server);
}

static void
demands_are_met_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		run(&rows[i], SIZE_MAX);
}

static void
input_may_come_in_any_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i += 5)
		run(&rows[i], 1);
}

static void
impossible_demands_make_no_connection(void **state)
{
	static const struct bytes nul = { "mx\0.example", 11 };
	const struct tls_demand   demands[] = {
                { .proof = TLS_PROOF_NAME },
                { .proof = TLS_PROOF_DANE },
                { .proof = TLS_PROOF_NAME, .names = &nul, .n_names = 1 },
                { .proof = TLS_PROOF_NONE, .sni = nul },
	};

	(void)state;
	for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++)
		assert_null(tls_connect(pki.trusting, &demands[i]));
}

static void
authorities_must_be_certificates(void **state)
{
	char error[256] = "";

	(void)state;
	assert_null(
	    tls_client_context_new(BYTES("nothing"), error, sizeof error));
	assert_non_null(strstr(error, "no certificate"));
}

/* A server that answers with something else breaks the handshake, and nothing else. */
static void
what_is_no_tls_is_refused(void **state)
{
	const struct tls_demand demand = { .proof = TLS_PROOF_NONE };
	struct tls             *t = tls_connect(pki.trusting, &demand);
	size_t                  got;

	(void)state;
	tls_read(t, NULL, 0, &got);
	tls_feed(t, BYTES("220 mx.example.net ESMTP\r\n"));
	assert_int_equal(tls_read(t, NULL, 0, &got), TLS_BROKEN);
	assert_true(tls_fault(t)[0] != '\0');
	tls_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demands_are_met_or_refused),
		cmocka_unit_test(input_may_come_in_any_pieces),
		cmocka_unit_test(impossible_demands_make_no_connection),
		cmocka_unit_test(authorities_must_be_certificates),
		cmocka_unit_test(what_is_no_tls_is_refused),
	};

	return cmocka_run_group_tests(tests, make_pki, free_pki);
}
