#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"
#include "smtpd/message.h"

enum { SIZE_MAX_BYTES = 4 * 1024 * 1024, K = 1024 };

static char content[SIZE_MAX_BYTES];
static char folder[] = "/tmp/ampel-message-XXXXXX";

static int
make_folder(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (char)('a' + i * 7919 % 26);
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails when a file was left in it */
}

/* Add size bytes in parts. */
static bool
add(struct message *m, size_t size, size_t part)
{
	for (size_t at = 0; at < size; at += part) {
		size_t n = size - at < part ? size - at : part;

		if (!message_add(m, (struct bytes){ content + at, n }))
			return false;
	}
	return true;
}

static void
expect_content(const struct message *m, size_t size)
{
	struct buf b;

	buf_init(&b, SIZE_MAX_BYTES);
	assert_int_equal(memfile_read(m->fd, 0, &b), 0);
	assert_int_equal(b.len, size);
	assert_true(size == 0 || memcmp(b.p, content, size) == 0);
	buf_finish(&b);
}

static void
test_where_it_lies(void **state)
{
	static const struct {
		size_t            size, part;
		uint64_t          memory;
		enum memfile_kind kind;
	} rows[] = {
		{ 0, 1, 10 * K, MEMFILE_SEALED },
		{ 1, 1, 10 * K, MEMFILE_SEALED },
		{ 4 * K, 100, 10 * K, MEMFILE_SEALED },
		{ 10 * K, 1000, 10 * K, MEMFILE_SEALED },
		{ 10 * K + 1, 1000, 10 * K, MEMFILE_OPEN },
		{ 1, 1, 0, MEMFILE_OPEN },
		{ 1024 * K, 16 * K, 4096 * K, MEMFILE_SEALED },
		{ 1024 * K + 1, 16 * K, 4096 * K, MEMFILE_OPEN },
		{ 4096 * K, 16 * K, 4096 * K, MEMFILE_OPEN },
		{ 1000 * K, 33 * K, 4096 * K, MEMFILE_SEALED },
		{ 3000 * K, 33 * K, 4096 * K, MEMFILE_OPEN },
		{ 100 * K, 32 * K, 50 * K, MEMFILE_OPEN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct message_memory memory = { 0, rows[i].memory, folder };
		struct message        m;
		uint64_t              size;

		message_init(&m);
		assert_true(message_open(&m, &memory));
		assert_true(add(&m, rows[i].size, rows[i].part));
		assert_true(message_seal(&m));
		assert_int_equal(
		    memfile_check(m.fd, SIZE_MAX_BYTES, &size), rows[i].kind);
		assert_int_equal(size, rows[i].size);
		assert_int_equal(m.size_bytes, rows[i].size);
		assert_int_equal(memory.used,
		    rows[i].kind == MEMFILE_SEALED ? rows[i].size : 0);
		expect_content(&m, rows[i].size);
		message_drop(&m);
		assert_int_equal(memory.used, 0);
	}
}

/* What was handed on is still somewhere in memory, until its answer came. */
static void
test_memory_is_shared(void **state)
{
	struct message_memory memory = { 0, 10 * K, folder };
	struct message        first, second;

	(void)state;
	message_init(&first);
	message_init(&second);
	assert_true(message_open(&first, &memory));
	assert_true(message_open(&second, &memory));
	assert_true(add(&first, 8 * K, K));
	assert_true(message_seal(&first));
	message_handed_on(&first);
	assert_int_equal(first.fd, -1);
	assert_true(add(&second, 4 * K, K));
	assert_true(second.is_on_disk);
	message_drop(&first);
	assert_int_equal(memory.used, 0);
	assert_true(add(&second, 4 * K, K)); /* it stays where it is */
	assert_int_equal(memory.used, 0);
	message_drop(&second);
}

static void
test_no_place(void **state)
{
	static const char *const folders[] = { NULL, "/nonexistent" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct message_memory memory = { 0, 10 * K, folders[i] };
		struct message        m;

		message_init(&m);
		assert_true(message_open(&m, &memory));
		assert_true(add(&m, 8 * K, K));
		assert_false(add(&m, 8 * K, K));
		assert_int_equal(memory.used, 0);
		assert_int_equal(m.fd, -1);
		assert_false(message_add(&m, BYTES("more")));
		assert_false(message_seal(&m));
		memory.max = 0;
		assert_false(message_open(&m, &memory));
		message_drop(&m);
	}
}

/* Nothing is written before it is worth a call. */
static void
test_few_writes(void **state)
{
	struct message_memory memory = { 0, 100 * K, folder };
	struct message        m;
	struct stat           st;

	(void)state;
	message_init(&m);
	assert_true(message_open(&m, &memory));
	assert_true(add(&m, MESSAGE_PENDING_MAX, 100));
	assert_int_equal(fstat(m.fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_true(message_add(&m, BYTES("x")));
	assert_int_equal(fstat(m.fd, &st), 0);
	assert_int_equal(st.st_size, MESSAGE_PENDING_MAX);
	assert_true(message_seal(&m));
	assert_int_equal(m.pending.cap, 0);
	message_drop(&m);
}

/* Open again without a drop: the old one is gone, not mixed in. */
static void
test_open_again(void **state)
{
	struct message_memory memory = { 0, 100 * K, folder };
	struct message        m;

	(void)state;
	message_init(&m);
	message_drop(&m);
	assert_true(message_open(&m, &memory));
	assert_true(add(&m, 5 * K, K));
	assert_true(message_open(&m, &memory));
	assert_int_equal(memory.used, 0);
	assert_true(add(&m, K, K));
	assert_true(message_seal(&m));
	expect_content(&m, K);
	message_drop(&m);
	message_drop(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_it_lies),
		cmocka_unit_test(test_memory_is_shared),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_few_writes),
		cmocka_unit_test(test_open_again),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
