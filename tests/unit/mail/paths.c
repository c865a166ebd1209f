#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/config.h"
#include "mail/paths.h"

struct row {
	enum path   path;
	const char *system;
	const char *under_root; /* root = "/t" */
};

static const struct row rows[] = {
	{ PATH_ETC, "/etc/ampel", "/t/etc" },
	{ PATH_STATE, "/var/lib/ampel", "/t/lib" },
	{ PATH_SPOOL, "/var/spool/ampel", "/t/spool" },
	{ PATH_RUN, "/run/ampel", "/t/run" },
	{ PATH_PASSWD, "/etc/ampel/passwd", "/t/etc/passwd" },
	{ PATH_SHADOW, "/etc/ampel/shadow", "/t/etc/shadow" },
	{ PATH_ALIASES, "/etc/ampel/aliases", "/t/etc/aliases" },
	{ PATH_MAIL, "/var/lib/ampel/mail", "/t/lib/mail" },
	{ PATH_CHROOT, "/var/lib/ampel/chroot", "/t/lib/chroot" },
	{ PATH_CONTROL, "/run/ampel/control", "/t/run/control" },
	{ PATH_PID, "/run/ampel/pid", "/t/run/pid" },
	{ PATH_LOG, "/var/lib/ampel/log", "/t/lib/log" },
};

static const struct config system_wide = { 0 };
static const struct config trial = { .root = BYTES_INIT("/t") };

static void
test_places(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		buf_clear(&b);
		paths_add(&b, &system_wide, rows[i].path);
		assert_string_equal(buf_string(&b), rows[i].system);
		buf_clear(&b);
		paths_add(&b, &trial, rows[i].path);
		assert_string_equal(buf_string(&b), rows[i].under_root);
	}
	buf_finish(&b);
}

/* No name leads out of its folder. */
static void
test_names(void **state)
{
	static const struct bytes bad[] = { BYTES_INIT(""), BYTES_INIT("."),
		BYTES_INIT(".."), BYTES_INIT(".a"), BYTES_INIT("a/b"),
		BYTES_INIT("/"), BYTES_INIT("a\0b") };
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(paths_add_in(&b, &trial, PATH_MAIL, bad[i]));
		assert_int_equal(b.len, 0);
	}
	assert_true(paths_add_in(&b, &trial, PATH_MAIL, BYTES("jo.x")));
	assert_string_equal(buf_string(&b), "/t/lib/mail/jo.x");
	buf_finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
