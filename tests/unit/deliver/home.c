#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>

#include "deliver/home.h"
#include "home.h"
#include "proto/dot_qmail.h"

static void
put(const char *name, const char *content, mode_t mode)
{
	char path[PATH_TEXT];
	int  fd;

	path_at(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static enum home_file
look_for(const char *dash, const char *ext, struct home_qmail *file,
    struct buf *content, char why[HOME_TEXT])
{
	int            fd = home_open(home, why);
	enum home_file found;

	assert_true(fd != -1);
	found = home_read(
	    fd, bytes_of(dash), bytes_of(ext), file, content, why);
	close(fd);
	return found;
}

static void
expect_content(const char *dash, const char *ext, const char *name,
    const char *matched, const char *text)
{
	struct home_qmail file = { 0 };
	struct buf        content;
	char              why[HOME_TEXT];

	buf_init(&content, DOT_QMAIL_MAX);
	assert_int_equal(
	    look_for(dash, ext, &file, &content, why), HOME_FILE_FOUND);
	assert_string_equal(file.name, name);
	assert_string_equal(buf_string(&content), text);
	assert_int_equal(file.has_default, matched != NULL);
	assert_true(bytes_equal(file.matched, bytes_of(matched)));
	buf_finish(&content);
}

static void
expect_unusable(const char *ext, const char *problem)
{
	struct home_qmail file = { 0 };
	struct buf        content;
	char              why[HOME_TEXT] = "";

	buf_init(&content, DOT_QMAIL_MAX);
	assert_int_equal(
	    look_for("-", ext, &file, &content, why), HOME_FILE_UNUSABLE);
	assert_string_equal(why, problem);
	assert_int_equal(content.len, 0);
	buf_finish(&content);
	/* the address exists all the same: its mail waits until that is mended */
	assert_int_equal(home_has_extension(home, BYTES("-"), bytes_of(ext)),
	    EXTENSION_YES);
}

static void
test_found(void **state)
{
	struct home_qmail file = { 0 };
	struct buf        content;
	char              why[HOME_TEXT];

	(void)state;
	buf_init(&content, DOT_QMAIL_MAX);
	assert_int_equal(look_for("", "", &file, &content, why), HOME_FILE_NONE);
	assert_int_equal(
	    look_for("-", "list", &file, &content, why), HOME_FILE_NONE);
	buf_finish(&content);
	put(".qmail", "./joe/\n", 0600);
	put(".qmail-list", "./list/\n", 0644);
	put(".qmail-list-default", "./lists/\n", 0600);
	/* its name ends so, whatever it was found by */
	expect_content("-", "list-Default", ".qmail-list-default", "Default",
	    "./lists/\n");
	expect_content("", "", ".qmail", NULL, "./joe/\n");
	expect_content("-", "List", ".qmail-list", NULL, "./list/\n");
	expect_content("-", "list-Ann.B", ".qmail-list-default", "Ann.B",
	    "./lists/\n");
}

static void
test_owner_may_execute(void **state)
{
	struct home_qmail file = { 0 };
	struct buf        content;
	char              why[HOME_TEXT];

	(void)state;
	put(".qmail-x", "ann@x.example\n", 0700);
	buf_init(&content, DOT_QMAIL_MAX);
	assert_int_equal(
	    look_for("-", "x", &file, &content, why), HOME_FILE_FOUND);
	assert_true(file.forward_only);
	buf_finish(&content);
}

static void
test_unusable_files(void **state)
{
	char path[PATH_TEXT];
	int  fd;

	(void)state;
	put(".qmail-group", "a@b\n", 0620);
	expect_unusable("group",
	    ".qmail-group: may be written by its group or others");
	put(".qmail-others", "a@b\n", 0602);
	expect_unusable("others",
	    ".qmail-others: may be written by its group or others");
	path_at(path, ".qmail-link");
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_unusable("link", ".qmail-link: is a symbolic link");
	path_at(path, ".qmail-fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_unusable("fifo", ".qmail-fifo: is no regular file");
	path_at(path, ".qmail-folder");
	assert_int_equal(mkdir(path, 0700), 0);
	expect_unusable("folder", ".qmail-folder: is no regular file");
	/* a sparse one, of which not a byte is read */
	path_at(path, ".qmail-large");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	close(fd);
	expect_unusable("large", ".qmail-large: is too large");
	if (geteuid() == 0) {
		put(".qmail-theirs", "a@b\n", 0600);
		path_at(path, ".qmail-theirs");
		assert_int_equal(chown(path, 65534, 65534), 0);
		expect_unusable("theirs", ".qmail-theirs: belongs to somebody else");
	}
}

static void
test_untrusted_homes(void **state)
{
	static const struct {
		mode_t      mode;
		const char *why;
	} rows[] = {
		{ 0770, "the home folder may be written by its group or others" },
		{ 0702, "the home folder may be written by its group or others" },
		{ 01700, "the home folder is sticky: its .qmail files are being "
		    "edited" },
	};
	char why[HOME_TEXT];
	int  fd;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(chmod(home, rows[i].mode), 0);
		assert_int_equal(home_open(home, why), -1);
		assert_string_equal(why, rows[i].why);
	}
	assert_int_equal(chmod(home, 0755), 0);
	fd = home_open(home, why);
	assert_true(fd != -1);
	close(fd);
	if (geteuid() == 0) {
		assert_int_equal(chown(home, 65534, 65534), 0);
		assert_int_equal(home_open(home, why), -1);
		assert_string_equal(why, "the home folder belongs to somebody else");
	}
	assert_int_equal(home_open("/nowhere", why), -1);
	assert_string_equal(why, "the home folder: No such file or directory");
}

static void
test_extensions(void **state)
{
	static const struct {
		const char           *dash, *ext;
		enum extension_answer answer;
	} rows[] = {
		{ "-", "list", EXTENSION_YES },
		{ "-", "LIST", EXTENSION_YES },
		{ "-", "list-x", EXTENSION_NO },
		{ "-", "v1.0", EXTENSION_YES },
		{ "-", "bob-any-thing", EXTENSION_YES },
		{ "-", "bob", EXTENSION_NO },
		{ "-", "other", EXTENSION_NO },
		{ "-", "../.qmail-list", EXTENSION_NO },
		{ "", "", EXTENSION_NO },
	};

	(void)state;
	put(".qmail-list", "", 0600);
	put(".qmail-v1:0", "", 0600);
	put(".qmail-bob-default", "", 0600);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(home_has_extension(home, bytes_of(rows[i].dash),
		    bytes_of(rows[i].ext)), rows[i].answer);
	/* perhaps it will be mounted soon */
	assert_int_equal(home_has_extension("/nowhere", BYTES("-"), BYTES("x")),
	    EXTENSION_TRY_LATER);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(test_found),
		IN_HOME(test_owner_may_execute),
		IN_HOME(test_unusable_files),
		IN_HOME(test_untrusted_homes),
		IN_HOME(test_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
