/*
 * The 164 addresses of Dominic Sayers' is_email suite, which judges by RFC 5321
 * and RFC 5322. We take mailboxes of SMTP only, so the diagnosis of each test says
 * what we must do. The suite is not ours to distribute: it is read where it lies,
 * in the folder named by AMPEL_SUITES or in shared/suites beside the project.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/number.h"
#include "mail/address.h"

enum { SKIPPED = 77, TESTS = 164 };

/*
 * The diagnoses that meta.xml puts into the categories "valid" and "valid for
 * SMTP". IPV6DEPRECATED is in the second there (in tests.xml it stands as DEPREC,
 * but it is no deprecated syntax: "::" stands for one group).
 */
static const char *const smtp_diagnoses[] = {
	"ISEMAIL_VALID",
	"ISEMAIL_DNSWARN_NO_MX_RECORD",
	"ISEMAIL_DNSWARN_NO_RECORD",
	"ISEMAIL_RFC5321_TLD",
	"ISEMAIL_RFC5321_TLDNUMERIC",
	"ISEMAIL_RFC5321_QUOTEDSTRING",
	"ISEMAIL_RFC5321_ADDRESSLITERAL",
	"ISEMAIL_RFC5321_IPV6DEPRECATED",
};

static struct bytes suite; /* tests.xml */

static bool
is_smtp(struct bytes diagnosis)
{
	enum { N = sizeof smtp_diagnoses / sizeof smtp_diagnoses[0] };

	for (size_t i = 0; i < N; i++)
		if (bytes_equal(diagnosis, bytes_of(smtp_diagnoses[i])))
			return true;
	return false;
}

/* What stands before mark; *rest moves behind it. False: there is no mark. */
static bool
take_until(struct bytes *rest, const char *mark, struct bytes *before)
{
	const char *at = memmem(rest->p, rest->n, mark, strlen(mark));

	if (at == NULL)
		return false;
	*before = bytes_first(*rest, (size_t)(at - rest->p));
	*rest = bytes_from(*rest, before->n + strlen(mark));
	return true;
}

/* U+2400 on are pictures of the control characters, and stand for them. */
static void
add_character(struct buf *b, unsigned long code)
{
	if (code >= 0x2400 && code < 0x2420)
		code -= 0x2400;
	if (code < 0x80) {
		buf_add_char(b, (char)code);
		return;
	}
	assert_true(code < 0x800);
	buf_add_char(b, (char)(0xc0 | code >> 6));
	buf_add_char(b, (char)(0x80 | (code & 0x3f)));
}

static void
add_entity(struct buf *b, struct bytes entity)
{
	static const struct {
		struct bytes name;
		char         c;
	} names[] = {
		{ BYTES_INIT("amp"), '&' },
		{ BYTES_INIT("lt"), '<' },
		{ BYTES_INIT("gt"), '>' },
		{ BYTES_INIT("quot"), '"' },
		{ BYTES_INIT("apos"), '\'' },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (bytes_equal(entity, names[i].name)) {
			buf_add_char(b, names[i].c);
			return;
		}
	assert_true(bytes_start(entity, BYTES("#x")));
	add_character(b, strtoul(entity.p + 2, NULL, 16));
}

static void
decode(struct bytes text, struct buf *out)
{
	struct bytes part;

	while (take_until(&text, "&", &part)) {
		buf_add_bytes(out, part);
		assert_true(take_until(&text, ";", &part));
		add_entity(out, part);
	}
	buf_add_bytes(out, text);
}

/* The text of <NAME>...</NAME> in test; an empty one is <NAME/>. */
static struct bytes
element(struct bytes test, const char *name)
{
	char         mark[40];
	struct bytes text;

	snprintf(mark, sizeof mark, "<%s/>", name);
	if (memmem(test.p, test.n, mark, strlen(mark)) != NULL)
		return BYTES("");
	snprintf(mark, sizeof mark, "<%s>", name);
	assert_true(take_until(&test, mark, &text));
	snprintf(mark, sizeof mark, "</%s>", name);
	assert_true(take_until(&test, mark, &text));
	return text;
}

static bool
judge(struct bytes id, struct bytes test)
{
	struct bytes   diagnosis = element(test, "diagnosis");
	struct buf     text;
	struct address a;
	bool           is_good, is_taken;

	is_good = is_smtp(diagnosis);
	buf_init(&text, 1000);
	decode(element(test, "address"), &text);
	assert_false(text.failed);
	is_taken = address_parse(buf_bytes(&text), &a);
	if (is_taken != is_good)
		print_error("test %.*s, %.*s: %s \"%s\"\n", BYTES_ARG(id),
		    BYTES_ARG(diagnosis), is_taken ? "accepted" : "refused",
		    buf_string(&text));
	buf_finish(&text);
	return is_taken == is_good;
}

static void
every_address_is_judged_as_its_diagnosis_says(void **state)
{
	struct bytes rest = suite, id, test;
	int          seen = 0, wrong = 0;

	(void)state;
	while (take_until(&rest, "<test id=\"", &test)) {
		assert_true(take_until(&rest, "\">", &id));
		assert_true(take_until(&rest, "</test>", &test));
		wrong += !judge(id, test);
		seen++;
	}
	assert_int_equal(seen, TESTS);
	assert_int_equal(wrong, 0);
}

static bool
read_suite(const char *tests_folder, struct buf *out)
{
	const char *suites = getenv("AMPEL_SUITES");
	char        path[4096];
	FILE       *file;
	size_t      n;

	snprintf(path, sizeof path, "%s%s/isemail/tests.xml",
	    suites ? suites : tests_folder,
	    suites ? "" : "/../../shared/suites");
	file = fopen(path, "re");
	if (file == NULL) {
		print_message("skipped, cannot read %s\n", path);
		return false;
	}
	while (buf_room(out, 4096) &&
	    (n = fread(buf_room(out, 4096), 1, 4096, file)) > 0)
		buf_grew(out, n);
	fclose(file);
	return true;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_is_judged_as_its_diagnosis_says),
	};
	struct buf text;
	int        failures;

	buf_init(&text, 1 << 20);
	if (argc != 2 || !read_suite(argv[1], &text))
		return SKIPPED;
	suite = buf_bytes(&text);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	buf_finish(&text);
	return failures;
}
