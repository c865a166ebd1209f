#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "mail/config.h"
#include "mail/paths.h"

struct row {
	enum path   path;
	const char *name;
	const char *system;
	const char *under_root; /* root = "/t" */
};

static const struct row rows[] = {
	{ PATH_ETC, "", "/etc/ampel", "/t/etc" },
	{ PATH_STATE, "", "/var/lib/ampel", "/t/lib" },
	{ PATH_SPOOL, "", "/var/spool/ampel", "/t/spool" },
	{ PATH_RUN, "", "/run/ampel", "/t/run" },
	{ PATH_PASSWD, "", "/etc/ampel/passwd", "/t/etc/passwd" },
	{ PATH_SHADOW, "", "/etc/ampel/shadow", "/t/etc/shadow" },
	{ PATH_ALIASES, "", "/etc/ampel/aliases", "/t/etc/aliases" },
	{ PATH_MAIL, "", "/var/lib/ampel/mail", "/t/lib/mail" },
	{ PATH_HOME, "jo", "/var/lib/ampel/mail/jo", "/t/lib/mail/jo" },
	{ PATH_TLS, "", "/var/lib/ampel/tls", "/t/lib/tls" },
	{ PATH_SELF_SIGNED, "", "/var/lib/ampel/tls/self-signed.pem",
	    "/t/lib/tls/self-signed.pem" },
	{ PATH_SELF_SIGNED_KEY, "", "/var/lib/ampel/tls/self-signed.key",
	    "/t/lib/tls/self-signed.key" },
	{ PATH_CHROOTS, "", "/var/lib/ampel/chroot", "/t/lib/chroot" },
	{ PATH_CHROOT, "smtpd", "/var/lib/ampel/chroot/smtpd",
	    "/t/lib/chroot/smtpd" },
	{ PATH_CONTROL, "", "/run/ampel/control", "/t/run/control" },
	{ PATH_LOCAL, "", "/run/ampel/local", "/t/run/local" },
	{ PATH_PID, "", "/run/ampel/pid", "/t/run/pid" },
	{ PATH_LOG, "", "/var/lib/ampel/log", "/t/lib/log" },
};

static void
test_places(void **state)
{
	struct config system = { 0 }, trial = { .root = BYTES_INIT("/t") };
	char          path[PATHS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bytes name = bytes_of(rows[i].name);

		assert_true(paths_get(&system, rows[i].path, name, path));
		assert_string_equal(path, rows[i].system);
		assert_true(paths_get(&trial, rows[i].path, name, path));
		assert_string_equal(path, rows[i].under_root);
	}
}

/* No name leads out of its folder, and none is cut. */
static void
test_bad_names(void **state)
{
	static const struct bytes names[] = { BYTES_INIT(""), BYTES_INIT("."),
		BYTES_INIT(".."), BYTES_INIT(".a"), BYTES_INIT("a/b"),
		BYTES_INIT("/"), BYTES_INIT("a\0b") };
	struct config c = { 0 };
	char          path[PATHS_MAX], name[PATHS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_false(paths_get(&c, PATH_HOME, names[i], path));
	assert_false(paths_get(&c, PATH_PASSWD, BYTES("a"), path));
	memset(name, 'a', sizeof name);
	/* with the longest name that fits, path is full to its NUL */
	assert_true(paths_get(&c, PATH_HOME,
	    (struct bytes){ name, PATHS_MAX - sizeof "/var/lib/ampel/mail/" },
	    path));
	assert_int_equal(strlen(path), PATHS_MAX - 1);
	assert_false(paths_get(&c, PATH_HOME,
	    (struct bytes){ name, PATHS_MAX + 1 - sizeof "/var/lib/ampel/mail/" },
	    path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_bad_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
