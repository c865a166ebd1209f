/* The example of ampel.conf(5) is a configuration without a mistake. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "mail/config.h"
#include "proto/config_text.h"

enum { PAGE_MAX = 256 * 1024 };

static const char *tests_folder;

static void
read_page(struct buf *b)
{
	char   path[4096];
	FILE  *file;
	size_t n;

	snprintf(path, sizeof path, "%s/../man/ampel.conf.5", tests_folder);
	file = fopen(path, "re");
	assert_non_null(file);
	buf_init(b, PAGE_MAX);
	assert_non_null(buf_room(b, PAGE_MAX));
	n = fread(b->p, 1, PAGE_MAX, file);
	buf_grew(b, n);
	fclose(file);
}

/* What stands between two lines, behind the first one's first place. */
static struct bytes
between(const char *text, const char *first, const char *last)
{
	const char *start = strstr(text, first), *end;

	assert_non_null(start);
	start += strlen(first);
	end = strstr(start, last);
	assert_non_null(end);
	return (struct bytes){ start, (size_t)(end - start) };
}

static void
test_example(void **state)
{
	struct mistakes    mistakes = { 0 };
	struct config_tree tree;
	struct config      config;
	struct arena       arena;
	struct buf         page, printed;

	(void)state;
	read_page(&page);
	arena_init(&arena, 1024 * 1024);
	buf_init(&printed, 10000);
	config_text_parse(
	    between(buf_string(&page), "\n.Sh EXAMPLES\n.Bd -literal\n", "\n.Ed\n"),
	    &arena, &tree, &mistakes);
	config_from_tree(&config, &tree, &mistakes);
	mistakes_print(&mistakes, "example", &printed);
	assert_string_equal(buf_string(&printed), "");
	assert_int_equal(config.n_listen, 4);
	assert_int_equal(config.n_tls, 1);
	assert_int_equal(config.n_filter, 3);
	assert_int_equal(config.n_helper, 1);
	buf_finish(&printed);
	buf_finish(&page);
	config_finish(&config);
	arena_finish(&arena);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
	};

	tests_folder = argc > 1 ? argv[1] : "tests";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
