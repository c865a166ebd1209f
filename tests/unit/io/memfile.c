#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/memfile.h"

static void
assert_content(int fd, uint64_t offset, const char *expected)
{
	struct buf b;

	buf_init(&b, 1024);
	assert_int_equal(memfile_read(fd, offset, &b), 0);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
}

static void
sealed_is_for_ever(void **state)
{
	int      fd = memfile_of("test", BYTES("content"));
	uint64_t size = 0;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(memfile_check(fd, 7, &size), MEMFILE_SEALED);
	assert_int_equal(size, 7);
	assert_int_equal(memfile_write(fd, BYTES("x")), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 3), -1);
	assert_int_equal(ftruncate(fd, 30), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1);
	assert_ptr_equal(
	    mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_content(fd, 0, "content");
	close(fd);
}

static void
kinds_are_told_apart(void **state)
{
	static const struct {
		int               seals; /* -1: not even a memory file */
		uint64_t          max_bytes;
		enum memfile_kind kind;
	} rows[] = {
		{ F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 5, MEMFILE_SEALED },
		{ F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 4, MEMFILE_BAD },
		{ F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, 5, MEMFILE_OPEN },
		{ F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_WRITE, 5, MEMFILE_OPEN },
		{ F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_WRITE, 5, MEMFILE_OPEN },
		{ F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW, 5, MEMFILE_OPEN },
		{ 0, 5, MEMFILE_OPEN },
		{ 0, 4, MEMFILE_BAD },
		{ -1, 5, MEMFILE_OPEN },
		{ -1, 4, MEMFILE_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t size = 0;
		int      fd = rows[i].seals == -1 ? memfile_new_on_disk("/tmp") :
		                                    memfile_new("test");

		assert_int_not_equal(fd, -1);
		assert_int_equal(memfile_write(fd, BYTES("12345")), 0);
		if (rows[i].seals > 0)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, rows[i].seals), 0);
		assert_int_equal(memfile_check(fd, rows[i].max_bytes, &size), rows[i].kind);
		if (rows[i].kind != MEMFILE_BAD)
			assert_int_equal(size, 5);
		close(fd);
	}
}

static void
what_is_no_file_is_bad(void **state)
{
	uint64_t size;
	int      pipes[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int      folder = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(memfile_check(pipes[0], 100, &size), MEMFILE_BAD);
	assert_int_equal(memfile_check(null, 100, &size), MEMFILE_BAD);
	assert_int_equal(memfile_check(folder, 1 << 20, &size), MEMFILE_BAD);
	close(pipes[0]);
	assert_int_equal(memfile_check(pipes[0], 100, &size), MEMFILE_BAD);
	close(pipes[1]);
	close(null);
	close(folder);
}

static void
writes_go_to_the_end(void **state)
{
	int fd = memfile_new("test");

	(void)state;
	assert_int_equal(memfile_write(fd, BYTES("one ")), 0);
	assert_content(fd, 0, "one "); /* reading moves nothing */
	assert_int_equal(memfile_write(fd, BYTES("two")), 0);
	assert_int_equal(memfile_write(fd, BYTES("")), 0);
	assert_content(fd, 0, "one two");
	assert_content(fd, 4, "two");
	assert_content(fd, 7, "");
	assert_content(fd, 1000, "");
	close(fd);
}

static void
reading_is_bounded(void **state)
{
	int        fd = memfile_of("test", BYTES("12345"));
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_int_equal(memfile_read(fd, 0, &b), -1);
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	buf_clear(&b);
	assert_int_equal(memfile_read(fd, 1, &b), 0);
	assert_int_equal(b.len, 4);
	buf_finish(&b);
	close(fd);
}

static void
copies_are_whole_or_fail(void **state)
{
	static char big[300 * 1000];
	int         from = memfile_new("from"), to = memfile_new_on_disk("/tmp");
	struct buf  b;

	(void)state;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7 + i / 251);
	assert_int_equal(memfile_write(from, (struct bytes){ big, sizeof big }), 0);
	assert_int_equal(memfile_write(to, BYTES("head")), 0);
	assert_int_equal(memfile_copy(from, sizeof big, to), 0);
	assert_int_equal(memfile_write(to, BYTES("tail")), 0);
	buf_init(&b, sizeof big + 8);
	assert_int_equal(memfile_read(to, 0, &b), 0);
	assert_int_equal(b.len, sizeof big + 8);
	assert_memory_equal(b.p, "head", 4);
	assert_memory_equal(b.p + 4, big, sizeof big);
	assert_memory_equal(b.p + 4 + sizeof big, "tail", 4);
	assert_int_equal(memfile_copy(from, sizeof big + 1, to), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(memfile_copy(from, 0, to), 0);
	buf_finish(&b);
	close(from);
	close(to);
}

/* Each reads from the beginning, and none can write. */
static void
reopened_has_an_offset_of_its_own(void **state)
{
	int  fd = memfile_of("test", BYTES("content"));
	int  one = memfile_reopen(fd), two = memfile_reopen(fd);
	char piece[8] = "";

	(void)state;
	assert_int_equal(read(one, piece, 4), 4);
	assert_int_equal(read(two, piece, sizeof piece), 7);
	assert_memory_equal(piece, "content", 7);
	assert_int_equal(read(one, piece, sizeof piece), 3);
	assert_int_equal(write(one, "x", 1), -1);
	assert_int_equal(fcntl(one, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(memfile_reopen(-1), -1);
	close(one);
	close(two);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_is_for_ever),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(what_is_no_file_is_bad),
		cmocka_unit_test(writes_go_to_the_end),
		cmocka_unit_test(reading_is_bounded),
		cmocka_unit_test(copies_are_whole_or_fail),
		cmocka_unit_test(reopened_has_an_offset_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
