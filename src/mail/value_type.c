#include "mail/value_type.h"

#include "base/buf.h"
#include "base/network.h"
#include "base/number.h"
#include "mail/address.h"
#include "mail/config.h"
#include "mail/listener.h"
#include "mail/route.h"

enum {
	SHOWN_MAX = 60, /* bytes of the file that a mistake quotes */
	LINE_MAX_LENGTH = 200,
	USER_MAX = 31,
	PATH_MAX_LENGTH = 255,
	/* ROOT/run/control must fit into the 108 bytes of a Unix socket's address */
	ROOT_MAX = 80,
};

static bool
is_one_of(char c, struct bytes set)
{
	return bytes_find(set, c) < set.n;
}

/* --- numbers --- */

static bool
parse_number(struct bytes text, void *out)
{
	return number_parse(text, UINT64_MAX, out);
}

static bool
parse_size(struct bytes text, void *out)
{
	if (!bytes_equal(text, BYTES("none")))
		return number_parse_size(text, out);
	*(uint64_t *)out = UINT64_MAX;
	return true;
}

static bool
parse_duration(struct bytes text, void *out)
{
	return number_parse_duration(text, out);
}

static void
add_number(struct buf *b, const void *field)
{
	buf_add_number(b, *(const uint64_t *)field);
}

struct unit {
	const char *name;
	uint64_t    factor;
};

/* In the largest unit that leaves nothing over; the last one always does. */
static void
add_with_unit(struct buf *b, uint64_t value, const struct unit *unit)
{
	while (value % unit->factor != 0 && unit[1].name)
		unit++;
	buf_add_number(b, value / unit->factor);
	buf_add_string(b, unit->name);
}

static void
add_size(struct buf *b, const void *field)
{
	static const struct unit units[] = {
		{ "M", 1024 * 1024 }, { "k", 1024 }, { "", 1 }, { NULL, 0 },
	};
	uint64_t size = *(const uint64_t *)field;

	if (size == UINT64_MAX)
		buf_add_string(b, "none");
	else
		add_with_unit(b, size, units);
}

static void
add_duration(struct buf *b, const void *field)
{
	static const struct unit units[] = {
		{ "d", 24 * 60 * 60 * 1000 }, { "h", 60 * 60 * 1000 },
		{ "min", 60 * 1000 }, { "s", 1000 }, { NULL, 0 },
	};

	add_with_unit(b, *(const uint64_t *)field, units);
}

/* --- words --- */

static bool
parse_flag(struct bytes text, void *out)
{
	bool yes = bytes_equal(text, BYTES("yes")) ||
	    bytes_equal(text, BYTES("true"));

	if (!yes && !bytes_equal(text, BYTES("no")) &&
	    !bytes_equal(text, BYTES("false")))
		return false;
	*(bool *)out = yes;
	return true;
}

static void
add_flag(struct buf *b, const void *field)
{
	buf_add_string(b, *(const bool *)field ? "yes" : "no");
}

static bool
parse_policy(struct bytes text, void *out)
{
	bool pass = bytes_equal(text, BYTES("pass"));

	if (!pass && !bytes_equal(text, BYTES("defer")))
		return false;
	*(enum filter_policy *)out = pass ? FILTER_PASS : FILTER_DEFER;
	return true;
}

static void
add_policy(struct buf *b, const void *field)
{
	bool pass = *(const enum filter_policy *)field == FILTER_PASS;

	buf_add_string(b, pass ? "pass" : "defer");
}

static bool
parse_users(struct bytes text, void *out)
{
	bool system = bytes_equal(text, BYTES("system"));

	if (!system && !bytes_equal(text, BYTES("file")))
		return false;
	*(enum users_source *)out = system ? USERS_SYSTEM : USERS_FILE;
	return true;
}

static void
add_users(struct buf *b, const void *field)
{
	bool system = *(const enum users_source *)field == USERS_SYSTEM;

	buf_add_string(b, system ? "system" : "file");
}

static bool
parse_error_text(struct bytes text, void *out)
{
	bool fd6 = bytes_equal(text, BYTES("fd6"));

	if (!fd6 && !bytes_equal(text, BYTES("none")))
		return false;
	*(enum error_text *)out = fd6 ? ERROR_TEXT_FD6 : ERROR_TEXT_NONE;
	return true;
}

static void
add_error_text(struct buf *b, const void *field)
{
	bool fd6 = *(const enum error_text *)field == ERROR_TEXT_FD6;

	buf_add_string(b, fd6 ? "fd6" : "none");
}

static const char *const route_tls_words[] = {
	[ROUTE_TLS_MAY] = "may",
	[ROUTE_TLS_REQUIRE] = "require",
	[ROUTE_TLS_VERIFY] = "verify",
	[ROUTE_TLS_NONE] = "none",
};

static bool
parse_route_tls(struct bytes text, void *out)
{
	for (unsigned i = 0; i <= ROUTE_TLS_NONE; i++)
		if (bytes_equal(text, bytes_of(route_tls_words[i]))) {
			*(enum config_route_tls *)out = (enum config_route_tls)i;
			return true;
		}
	return false;
}

static void
add_route_tls(struct buf *b, const void *field)
{
	buf_add_string(
	    b, route_tls_words[*(const enum config_route_tls *)field]);
}

/* --- texts --- */

static bool
keep(bool is_good, struct bytes text, void *out)
{
	if (is_good)
		*(struct bytes *)out = text;
	return is_good;
}

static void
add_text(struct buf *b, const void *field)
{
	buf_add_char(b, '"');
	buf_add_bytes(b, *(const struct bytes *)field);
	buf_add_char(b, '"');
}

static bool
is_printable(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!byte_is_print(text.p[i]))
			return false;
	return true;
}

static bool
parse_domain(struct bytes text, void *out)
{
	return keep(address_domain_is_valid(text), text, out);
}

/* A domain, or with a dot in front all below it. */
static bool
parse_relay_domain(struct bytes text, void *out)
{
	size_t at = text.n > 0 && text.p[0] == '.';

	return keep(address_domain_is_valid(bytes_from(text, at)), text, out);
}

/* A name that others can look up: no address literal. */
static bool
parse_host(struct bytes text, void *out)
{
	return text.n > 0 && text.p[0] != '[' && parse_domain(text, out);
}

static bool
parse_line(struct bytes text, void *out)
{
	return keep(text.n <= LINE_MAX_LENGTH && is_printable(text), text, out);
}

/*
 * "/a/b": no empty, "." or ".." parts, and never "/" itself, under which our
 * etc/passwd would be the system's.
 */
static bool
is_plain_path(struct bytes path)
{
	struct bytes rest = bytes_from(path, 1), part;

	if (path.n < 2 || path.p[0] != '/' || path.p[path.n - 1] == '/')
		return false;
	while (bytes_split(&rest, '/', &part))
		if (part.n == 0 || bytes_equal(part, BYTES(".")) ||
		    bytes_equal(part, BYTES("..")))
			return false;
	return true;
}

static bool
parse_root(struct bytes text, void *out)
{
	return keep(text.n == 0 || (text.n <= ROOT_MAX && is_plain_path(text)),
	    text, out);
}

static bool
parse_log(struct bytes text, void *out)
{
	return keep(bytes_equal(text, BYTES("stderr")) ||
	        bytes_equal(text, BYTES("syslog")) || is_plain_path(text),
	    text, out);
}

/* Letters, digits and '@' would cut names and addresses themselves. */
static bool
parse_delimiter(struct bytes text, void *out)
{
	return keep(text.n == 0 ||
	        (text.n == 1 && is_one_of(text.p[0], BYTES("+-=_#~^"))),
	    text, out);
}

/* A folder of Maildir++, which stands as ".NAME" beside new and cur. */
static bool
parse_folder(struct bytes text, void *out)
{
	bool is_dotted = text.n > 0 &&
	    (text.p[0] == '.' || text.p[text.n - 1] == '.');

	return keep(text.n <= 100 && !is_dotted && is_printable(text) &&
	        bytes_find(text, '/') == text.n,
	    text, out);
}

/* Without a shell no quoting is read: a blank always separates arguments. */
static bool
parse_program(struct bytes text, void *out)
{
	return keep(text.n > 1 && text.p[0] == '/' && text.p[1] != ' ' &&
	        is_printable(text),
	    text, out);
}

static bool
parse_path(struct bytes text, void *out)
{
	return keep(
	    text.n <= PATH_MAX_LENGTH && is_printable(text) && is_plain_path(text),
	    text, out);
}

static bool
parse_passwords(struct bytes text, void *out)
{
	return keep(bytes_equal(text, BYTES("file")) ||
	        bytes_equal(text, BYTES("pam")),
	           text, out) ||
	    parse_program(text, out);
}

static bool
parse_user(struct bytes text, void *out)
{
	bool is_good = text.n > 0 && text.n <= USER_MAX &&
	    (byte_is_alpha(text.p[0]) || text.p[0] == '_');

	for (size_t i = 0; i < text.n; i++)
		if (!byte_is_alpha(text.p[i]) && !byte_is_digit(text.p[i]) &&
		    !is_one_of(text.p[i], BYTES("-_.")))
			is_good = false;
	return keep(is_good, text, out);
}

/* "postmaster" here, or anybody's address; "" is nobody. */
static bool
parse_recipient(struct bytes text, void *out)
{
	struct address address;

	return keep(text.n == 0 || address_parse(text, &address) ||
	        (bytes_find(text, '@') == text.n &&
	            address_local_is_valid(text)),
	    text, out);
}

static bool
parse_hop(struct bytes text, void *out)
{
	struct hop hop;

	return keep(hop_parse(text, &hop), text, out);
}

static bool
parse_listener(struct bytes text, void *out)
{
	return keep(listener_find(text) == LISTENER_OFFERED, text, out);
}

static bool
explain_listener(struct bytes text, unsigned line, struct arena *arena,
    struct mistakes *mistakes)
{
	listener_add_mistake(text, line, arena, mistakes);
	return true;
}

/* --- places of the network --- */

static bool
parse_inside(struct bytes text, void *out)
{
	struct network net;

	if (!network_parse(text, &net) || network_is_wide(&net))
		return false;
	*(struct network *)out = net;
	return true;
}

static bool
explain_inside(struct bytes text, unsigned line, struct arena *arena,
    struct mistakes *mistakes)
{
	struct network net;

	if (!network_parse(text, &net))
		return false;
	mistakes_add(mistakes, arena, line,
	    "\"%.*s\" would make this an open relay: strangers could send "
	    "through it", BYTES_ARG(bytes_first(text, SHOWN_MAX)));
	return true;
}

static void
add_network(struct buf *b, const void *field)
{
	const struct network *net = field;
	const uint8_t        *a = net->address;

	if (network_is_ipv4(a) && net->bits >= 96) {
		buf_addf(b, "\"%u.%u.%u.%u/%u\"", a[12], a[13], a[14], a[15],
		    net->bits - 96);
		return;
	}
	buf_add_char(b, '"');
	for (size_t i = 0; i < sizeof net->address; i += 2)
		buf_addf(b, i ? ":%x" : "%x", a[i] << 8 | a[i + 1]);
	buf_addf(b, "/%u\"", net->bits);
}

static bool
parse_endpoint(struct bytes text, void *out)
{
	return endpoint_parse(text, out);
}

static void
add_endpoint(struct buf *b, const void *field)
{
	add_text(b, &((const struct endpoint *)field)->text);
}

/* --- the types --- */

#define NUMBER(format) \
	.parse = parse_##format, .add = add_##format, .is_number = true
#define WORD(format) .parse = parse_##format, .add = add_##format
#define TEXT(form)   .parse = parse_##form, .add = add_text, .is_text = true
#define LIST(form, format, of) \
	.parse = parse_##form, .add = add_##format, .element = sizeof(of)

/* clang-format off */
static const struct value_type_row rows[] = {
	[VALUE_NUMBER] = { .wants = "a number such as 20", NUMBER(number) },
	[VALUE_SIZE] = { .wants = "a size such as 50M", NUMBER(size) },
	[VALUE_DURATION] = { .wants = "a time such as 10s, 5min, 1h or 7d",
		NUMBER(duration) },
	[VALUE_FLAG] = { .wants = "yes or no", WORD(flag) },
	[VALUE_POLICY] = { .wants = "defer or pass", WORD(policy) },
	[VALUE_USERS] = { .wants = "file or system", WORD(users) },
	[VALUE_ERROR_TEXT] = { .wants = "fd6 or none", WORD(error_text) },
	[VALUE_HOST] = { .wants = "a host name such as \"mail.example.org\"",
		TEXT(host) },
	[VALUE_LINE] = {
		.wants = "a line of at most 200 printable ASCII characters",
		TEXT(line) },
	[VALUE_ROOT] = {
		.wants = "an absolute folder, in at most 80 bytes, other than \"/\"",
		TEXT(root) },
	[VALUE_LOG] = { .wants = "stderr, syslog or an absolute path", TEXT(log) },
	[VALUE_DELIMITER] = { .wants = "one of + - = _ # ~ ^, or \"\"",
		TEXT(delimiter) },
	[VALUE_FOLDER] = {
		.wants = "the name of a Maildir folder such as \"Junk\"",
		TEXT(folder) },
	[VALUE_PROGRAM] = { .wants = "an absolute path and arguments",
		TEXT(program) },
	[VALUE_PATH] = { .wants = "the absolute path of a file", TEXT(path) },
	[VALUE_PASSWORDS] = {
		.wants = "file, pam, or the absolute path of a program and arguments",
		TEXT(passwords) },
	[VALUE_USER] = { .wants = "the name of a user of the system", TEXT(user) },
	[VALUE_RECIPIENT] = {
		.wants = "an address such as \"admin@example.org\", a local name, or \"\"",
		TEXT(recipient) },
	[VALUE_ROUTE_TLS] = { .wants = "may, require, verify or none",
		WORD(route_tls) },
	[VALUE_HOPS] = {
		.wants = "hosts such as \"smart.example.net\", \"[192.0.2.1]\" or"
		    " \"[smart.example.net]:587\"",
		LIST(hop, text, struct bytes) },
	[VALUE_DOMAINS] = { .wants = "domains such as \"example.org\"",
		LIST(domain, text, struct bytes), .lowers_case = true },
	[VALUE_RELAY_DOMAINS] = {
		.wants = "domains such as \"example.org\" or \".example.org\"",
		LIST(relay_domain, text, struct bytes), .lowers_case = true },
	[VALUE_LISTENERS] = { .wants = "names of listeners such as \"smtp\"",
		LIST(listener, text, struct bytes), .explain = explain_listener },
	[VALUE_NETWORKS] = {
		.wants = "networks such as \"192.168.0.0/16\" or \"fd00::/8\"",
		LIST(inside, network, struct network), .explain = explain_inside },
	[VALUE_ENDPOINTS] = {
		.wants = "addresses such as \"127.0.0.1:25\", \"[::1]:25\""
		    " or an absolute path (no host names)",
		LIST(endpoint, endpoint, struct endpoint) },
};
/* clang-format on */

const struct value_type_row *
value_type_row(enum value_type type)
{
	return &rows[type];
}
