#include "proto/mta_sts.h"

#include "base/number.h"
#include "proto/dns_record.h"

enum { FIELD_NAME_MAX = 32, MAX_AGE_DIGITS = 10 };

/* --- characters and names --- */

static bool
is_alnum(char c)
{
	return byte_is_alpha(c) || byte_is_digit(c);
}

/* sts-ext-name and sts-policy-ext-name are the same, and the known names are such. */
static bool
is_field_name(struct bytes name)
{
	if (name.n == 0 || name.n > FIELD_NAME_MAX || !is_alnum(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!is_alnum(name.p[i]) &&
		    bytes_find(BYTES("_-."), name.p[i]) == 3)
			return false;
	return true;
}

/* --- the record, section 3.1 --- */

/* Printable, but for the marks of the grammar itself. */
static bool
is_record_value(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!byte_is_print(value.p[i]) ||
		    bytes_find(BYTES(" ;="), value.p[i]) < 3)
			return false;
	return value.n > 0;
}

static bool
is_id(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!is_alnum(value.p[i]))
			return false;
	return value.n > 0 && value.n <= STS_ID_MAX;
}

/* Take the version off the front of *rest, and the semicolon behind it. */
static bool
take_version(struct bytes *rest)
{
	struct bytes version;

	if (bytes_find(*rest, ';') == rest->n)
		return false;
	bytes_split(rest, ';', &version);
	while (version.n > 0 && (version.p[version.n - 1] == ' ' ||
	                            version.p[version.n - 1] == '\t'))
		version.n--;
	return bytes_equal(version, BYTES("v=STSv1"));
}

bool
sts_is_record(struct bytes text)
{
	return take_version(&text);
}

bool
sts_record_parse(struct bytes text, struct bytes *id)
{
	struct bytes rest = text, field, name, value;
	size_t       equals;

	*id = (struct bytes){ 0 };
	if (!take_version(&rest))
		return false;
	/* what is behind the last ';' is no field if there is nothing */
	while (bytes_trim(rest).n > 0) {
		bytes_split(&rest, ';', &field);
		equals = bytes_find(field, '=');
		name = bytes_trim(bytes_first(field, equals));
		value = bytes_trim(bytes_from(field, equals + 1));
		if (!is_field_name(name) || !is_record_value(value))
			return false;
		if (!bytes_equal(name, BYTES("id")))
			continue;
		if (!is_id(value))
			return false;
		if (id->n == 0)
			*id = value;
	}
	return id->n > 0;
}

/* --- the policy, section 3.2 --- */

/* What has been read of a policy. */
struct reading {
	struct arena      *arena;
	struct sts_policy *policy;
	struct bytes      *patterns;
	bool               has_version, has_mode, has_max_age;
};

/* NULL, or what is wrong. */
typedef const char *read_value(struct reading *r, struct bytes value);

static const char *
read_version(struct reading *r, struct bytes value)
{
	if (r->has_version)
		return NULL;
	r->has_version = true;
	return bytes_equal(value, BYTES("STSv1")) ? NULL : "version is not STSv1";
}

static const char *
read_mode(struct reading *r, struct bytes value)
{
	static const struct bytes names[] = {
		[STS_NONE] = BYTES_INIT("none"),
		[STS_TESTING] = BYTES_INIT("testing"),
		[STS_ENFORCE] = BYTES_INIT("enforce"),
	};

	if (r->has_mode)
		return NULL;
	r->has_mode = true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (bytes_equal(value, names[i])) {
			r->policy->mode = (enum sts_mode)i;
			return NULL;
		}
	return "mode is unknown";
}

static const char *
read_max_age(struct reading *r, struct bytes value)
{
	uint64_t seconds;

	if (r->has_max_age)
		return NULL;
	r->has_max_age = true;
	if (value.n > MAX_AGE_DIGITS || !number_parse(value, UINT64_MAX, &seconds))
		return "max_age is no number";
	r->policy->max_age_s = seconds > STS_MAX_AGE_S ? STS_MAX_AGE_S : seconds;
	return NULL;
}

/* ["*."] and a domain. */
static bool
is_pattern(struct bytes text)
{
	if (bytes_start(text, BYTES("*.")))
		text = bytes_from(text, 2);
	return dns_name_is_host(text) && !bytes_equal(text, BYTES("."));
}

static const char *
read_mx(struct reading *r, struct bytes value)
{
	char *copy;

	if (!is_pattern(value))
		return "mx is no name of hosts";
	if (r->policy->n_patterns == STS_PATTERNS_MAX)
		return "too many mx";
	copy = arena_string(r->arena, value);
	if (copy == NULL)
		return "no memory";
	for (size_t i = 0; i < value.n; i++)
		copy[i] = byte_lower(copy[i]);
	r->patterns[r->policy->n_patterns++] = (struct bytes){ copy, value.n };
	return NULL;
}

static const struct {
	struct bytes name; /* with its case */
	read_value  *read;
} fields[] = {
	{ BYTES_INIT("version"), read_version },
	{ BYTES_INIT("mode"), read_mode },
	{ BYTES_INIT("max_age"), read_max_age },
	{ BYTES_INIT("mx"), read_mx },
};

/* Bytes above 127 are somebody's UTF-8, in a field that says nothing to us. */
static bool
is_policy_value(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return value.n > 0;
}

static const char *
read_field(struct reading *r, struct bytes line)
{
	size_t       colon = bytes_find(line, ':');
	struct bytes name = bytes_first(line, colon);
	struct bytes value = bytes_trim(bytes_from(line, colon + 1));

	if (colon == line.n || !is_field_name(name))
		return "a line is no field";
	if (!is_policy_value(value))
		return "a field has no value";
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (bytes_equal(name, fields[i].name))
			return fields[i].read(r, value);
	return NULL;
}

static const char *
what_is_missing(const struct reading *r)
{
	if (!r->has_version)
		return "version is missing";
	if (!r->has_mode)
		return "mode is missing";
	if (!r->has_max_age)
		return "max_age is missing";
	if (r->policy->mode != STS_NONE && r->policy->n_patterns == 0)
		return "mx is missing";
	return NULL;
}

bool
sts_policy_parse(struct bytes text, struct arena *arena,
    struct sts_policy *out, const char **mistake)
{
	struct reading r = { .arena = arena, .policy = out };
	struct bytes   line;

	*out = (struct sts_policy){ 0 };
	r.patterns = arena_alloc(arena, STS_PATTERNS_MAX * sizeof *r.patterns);
	out->patterns = r.patterns;
	*mistake = r.patterns == NULL ? "no memory" : NULL;
	if (text.n > STS_POLICY_MAX)
		*mistake = "it is too large";
	while (*mistake == NULL && bytes_split(&text, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		/* no field, but many a policy ends with one too many line ends */
		if (bytes_trim(line).n > 0)
			*mistake = read_field(&r, line);
	}
	if (*mistake == NULL)
		*mistake = what_is_missing(&r);
	return *mistake == NULL;
}

/* --- hosts, section 4.1 --- */

bool
sts_pattern_matches(struct bytes pattern, struct bytes host)
{
	size_t dot;

	if (!bytes_start(pattern, BYTES("*.")))
		return pattern.n > 0 && bytes_equal_nocase(pattern, host);
	dot = bytes_find(host, '.');
	return dot > 0 &&
	    bytes_equal_nocase(bytes_from(pattern, 1), bytes_from(host, dot));
}
