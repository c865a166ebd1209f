#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/message.h"

enum { ROUNDS = 30 };

/* The same numbers in every run (xorshift64). */
static uint64_t random_state = 88172645463325252;

static uint64_t
random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint8_t
random_u8(void)
{
	return (uint8_t)random_u64();
}

static uint16_t
random_u16(void)
{
	return (uint16_t)random_u64();
}

static uint32_t
random_u32(void)
{
	return (uint32_t)random_u64();
}

/* Up to 40 bytes of every value, NUL included. */
static struct bytes
random_bytes(void)
{
	static char pool[4096];
	size_t      n = random_u64() % 41, at = random_u64() % (sizeof pool - n);

	if (pool[0] == '\0')
		for (size_t i = 0; i < sizeof pool; i++)
			pool[i] = (char)(random_u8() | (i == 0));
	return (struct bytes){ pool + at, n };
}

static bool
u8_equal(uint8_t a, uint8_t b)
{
	return a == b;
}

static bool
u16_equal(uint16_t a, uint16_t b)
{
	return a == b;
}

static bool
u32_equal(uint32_t a, uint32_t b)
{
	return a == b;
}

static bool
u64_equal(uint64_t a, uint64_t b)
{
	return a == b;
}

/* Made from the one list, so that no message can be forgotten here. */
#define F(type, name) m.name = random_##type();
#define M(lower, upper, fields) \
	static struct msg_##lower random_##lower(void) \
	{ \
		struct msg_##lower m; \
\
		fields return m; \
	}
MESSAGES(M)
#undef M
#undef F

#define F(type, name) && type##_equal(a->name, b->name)
#define M(lower, upper, fields) \
	static bool lower##_equal( \
	    const struct msg_##lower *a, const struct msg_##lower *b) \
	{ \
		return true fields; \
	}
MESSAGES(M)
#undef M
#undef F

/*
 * What was written is read; every shorter frame, a longer one, and every other type
 * are refused.
 */
#define M(lower, upper, fields) \
	static void lower##_round_trip(void **state) \
	{ \
		(void)state; \
		for (int i = 0; i < ROUNDS; i++) { \
			struct msg_##lower in = random_##lower(), out; \
			struct buf         b; \
			struct bytes       frame; \
\
			buf_init(&b, FRAME_MAX); \
			msg_##lower##_add(&b, &in); \
			frame = buf_bytes(&b); \
			assert_false(b.failed); \
			assert_int_equal(frame_type(frame), MSG_##upper); \
			assert_true(msg_##lower##_read(frame, &out)); \
			assert_true(lower##_equal(&in, &out)); \
			for (size_t n = 0; n < frame.n; n++) \
				assert_false(msg_##lower##_read( \
				    bytes_first(frame, n), &out)); \
			buf_add_char(&b, '\0'); \
			assert_false(msg_##lower##_read(buf_bytes(&b), &out)); \
			b.len--; \
			for (unsigned type = 0; type <= MSG_TYPES; type++) { \
				b.p[0] = (char)type; \
				assert_int_equal( \
				    msg_##lower##_read(buf_bytes(&b), &out), \
				    type == MSG_##upper); \
			} \
			buf_finish(&b); \
		} \
	}
MESSAGES(M)
#undef M

static void
names(void **state)
{
	(void)state;
	assert_string_equal(message_name(MSG_NONE), "NONE");
	assert_string_equal(message_name(MSG_SUBMIT), "SUBMIT");
	assert_string_equal(message_name(MSG_ASK_BODY), "ASK_BODY");
	assert_string_equal(message_name(MSG_TYPES), "UNKNOWN");
	assert_string_equal(message_name(UINT16_MAX), "UNKNOWN");
	for (uint16_t i = 0; i < MSG_TYPES; i++)
		assert_true(strlen(message_name(i)) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define M(lower, upper, fields) cmocka_unit_test(lower##_round_trip),
		MESSAGES(M)
#undef M
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
