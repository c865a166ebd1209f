#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/sources.h"
#include "io/file.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
records_on_one_line(void **state)
{
	static const struct {
		const char *text;
		const char *records[4];
	} rows[] = {
		{ "", { NULL } },
		{ "\n \n; a comment\n\t; another\n", { NULL } },
		{ ". IN DS 1 8 2 AA\n", { ". IN DS 1 8 2 AA" } },
		{ ". IN DS 1 8 2 AA", { ". IN DS 1 8 2 AA" } },
		{ "  a A 1.2.3.4 ; mine\r\n\r\nb A 1.2.3.5\r\n",
		    { "a A 1.2.3.4", "b A 1.2.3.5" } },
		{ ". DNSKEY 257 3 8 (\n\tAwEA ; one\n  ; nothing\n\tAaz ) ; end\n. DS 1",
		    { ". DNSKEY 257 3 8   AwEA Aaz  ", ". DS 1" } },
		{ "a ( b\nc", { "a   b c" } }, /* never closed */
		{ "a ) b\nc", { "a   b", "c" } },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bytes rest = bytes_of(rows[i].text);
		struct buf   line;
		size_t       n = 0;

		buf_init(&line, 1024);
		for (; source_record(&rest, &line); n++) {
			assert_true(n < 4);
			assert_non_null(rows[i].records[n]);
			assert_string_equal(
			    buf_string(&line), rows[i].records[n]);
		}
		assert_null(rows[i].records[n]);
		buf_finish(&line);
	}
}

static void
addresses(void **state)
{
	static const struct {
		const char *record;
		const char *address; /* NULL: none */
	} rows[] = {
		{ "A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4",
		    "198.41.0.4" },
		{ "a.root-servers.net. 3600000 IN AAAA 2001:503:ba3e::2:30",
		    "2001:503:ba3e::2:30" },
		{ "a\ta\t127.0.0.1", "127.0.0.1" },
		{ ". 3600000 NS A.ROOT-SERVERS.NET.", NULL },
		{ "A 198.41.0.4", NULL },
		{ "a. A", NULL },
		{ "a. A 198.41.0.4 5", NULL },
		{ "a. A localhost", NULL },
		{ "a. A 198.41.0.4@53", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bytes address = { "", 0 };
		bool         found =
		    source_address(bytes_of(rows[i].record), &address);

		assert_int_equal(found, rows[i].address != NULL);
		if (found)
			assert_true(
			    bytes_equal(address, bytes_of(rows[i].address)));
	}
}

static size_t
count_records(const struct buf *text)
{
	struct bytes rest = buf_bytes(text);
	struct buf   line;
	size_t       n = 0;

	buf_init(&line, 64 * 1024);
	while (source_record(&rest, &line)) {
		assert_int_equal(line.p[0], '.');
		n++;
	}
	buf_finish(&line);
	return n;
}

/* Debian's file or our own copy: two keys, the old and the new. */
static void
the_root_by_itself(void **state)
{
	struct config_dns config = { .line = 0 };
	struct sources    s = { 0 };
	char              error[256] = "";

	(void)state;
	assert_true(sources_read(&s, &config, error, sizeof error));
	assert_int_equal(count_records(&s.anchors), 2);
	assert_int_equal(s.hints.len, 0);
	assert_true(sources_are_of(&s, &config));
	sources_finish(&s);
}

static void
files(void **state)
{
	char              path[] = "/tmp/ampel-sources-XXXXXX";
	int               fd = mkstemp(path);
	struct config_dns config = { .anchor = bytes_of(path),
		    .root_hints = bytes_of(path) };
	struct sources    s = { 0 };
	char              error[256] = "";

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, BYTES(". IN DS 1 8 2 AA\n")), 0);
	close(fd);
	assert_true(sources_read(&s, &config, error, sizeof error));
	assert_string_equal(buf_string(&s.anchors), ". IN DS 1 8 2 AA\n");
	assert_string_equal(buf_string(&s.hints), ". IN DS 1 8 2 AA\n");
	assert_true(sources_are_of(&s, &config));
	assert_false(sources_are_of(&s, &(struct config_dns){ .line = 1 }));
	sources_finish(&s);

	unlink(path);
	assert_false(sources_read(&s, &config, error, sizeof error));
	assert_non_null(strstr(error, path));
	sources_finish(&s);
	config.anchor = BYTES("");
	assert_false(sources_read(&s, &config, error, sizeof error));
	assert_non_null(strstr(error, "root_hints"));
	sources_finish(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_on_one_line),
		cmocka_unit_test(addresses),
		cmocka_unit_test(the_root_by_itself),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
