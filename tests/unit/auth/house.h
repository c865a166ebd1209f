/* A folder of the test's own with a shadow file and programs, and a configuration of it. */
#ifndef AMPEL_TESTS_HOUSE_H
#define AMPEL_TESTS_HOUSE_H

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "mail/config.h"

static struct bytes  domains[] = { BYTES_INIT("example.org"),
	 BYTES_INIT("example.net") };
static struct config config;
static char          root[32];
static char          shadow_path[96];

static inline int
open_house(void **state)
{
	char etc[64];

	(void)state;
	snprintf(root, sizeof root, "/tmp/ampel-auth-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(etc, sizeof etc, "%s/etc", root);
	snprintf(shadow_path, sizeof shadow_path, "%s/shadow", etc);
	config = (struct config){
		.hostname = BYTES("mx.example.org"),
		.domains = { domains, 2 },
		.root = bytes_of(root),
		.password_check = BYTES("file"),
	};
	return mkdir(etc, 0700);
}

static inline int
close_house(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", root);
	return system(command);
}

static inline void
put_file(const char *path, const char *content, mode_t mode)
{
	unlink(path);
	assert_int_equal(file_replace(path, bytes_of(content), mode), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* The cheapest hash that crypt(3) has. */
static inline const char *
hash_of(const char *password)
{
	static struct crypt_data data;

	return crypt_rn(
	    password, "$5$rounds=1000$saltsalt", &data, (int)sizeof data);
}

/* A line; prefix "!" locks, expire "" never. */
static inline void
add_user(struct buf *b, const char *name, const char *prefix,
    const char *password, const char *expire)
{
	buf_addf(b, "%s:%s%s:20000:0:99999:7::%s:\n", name, prefix,
	    hash_of(password), expire);
}

/* The users of every test. Their passwords are their names with "-secret". */
static inline void
put_users(void)
{
	struct buf b;

	buf_init(&b, 64 * 1024);
	add_user(&b, "alice", "", "alice-secret", "");
	add_user(&b, "bob", "", "bob-secret", "100000");
	add_user(&b, "locked", "!", "locked-secret", "");
	add_user(&b, "expired", "", "expired-secret", "20001");
	buf_add_string(&b, "empty::20000:0:99999:7:::\n");
	buf_add_string(&b, "star:*:20000:0:99999:7:::\n");
	put_file(shadow_path, buf_string(&b), 0640);
	buf_finish(&b);
}

/* A program in the house as password_check; its first argument is the house. */
static inline void
use_program(const char *script)
{
	static char what[128];
	char        path[64];

	snprintf(path, sizeof path, "%s/check", root);
	put_file(path, script, 0700);
	snprintf(what, sizeof what, "%s \t %s", path, root);
	config.password_check = bytes_of(what);
}

#endif
