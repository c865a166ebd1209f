/*
 * An exchange with any client. The first byte chooses the mechanism and whether there is
 * an initial response; the rest is lines, ended by LF. Invariants:
 *
 * - done means a user and a password, neither empty, within their limits, without NUL,
 * - behind any end but that one, and behind sasl_finish, nothing is left,
 * - an exchange goes on only while it has something to ask: two lines are enough for all,
 * - a line that is no base64 and not "*" is malformed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/base64.h"
#include "proto/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_text(struct bytes text, size_t max)
{
	check(text.n > 0 && text.n <= max);
	check(bytes_find(text, '\0') == text.n);
}

static void
check_empty(const struct sasl *s)
{
	check(s->mechanism == SASL_NONE);
	check(s->user.p == NULL && s->user.len == 0);
	check(s->password.p == NULL && s->password.len == 0);
}

static void
check_base64(struct bytes line, enum sasl_result result)
{
	struct buf out;

	buf_init(&out, SASL_LINE_MAX);
	if (!base64_parse(line, &out))
		check(result == SASL_MALFORMED || result == SASL_CANCELLED);
	buf_finish(&out);
}

static void
check_result(const struct sasl *s, enum sasl_result result)
{
	struct buf out;

	if (result == SASL_CONTINUE) {
		buf_init(&out, 16);
		check(s->mechanism != SASL_NONE);
		check(base64_parse(sasl_challenge(s), &out));
		buf_finish(&out);
	} else if (result == SASL_DONE) {
		check(s->mechanism == SASL_NONE);
		check_text(buf_bytes(&s->user), SASL_USER_MAX);
		check_text(buf_bytes(&s->password), SASL_PASSWORD_MAX);
	} else {
		check_empty(s);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes     rest = { (const char *)data, size }, line = { NULL, 0 };
	struct sasl      s = { .mechanism = SASL_NONE };
	enum sasl_result result;
	int              lines = 0;

	if (size == 0)
		return 0;
	rest = bytes_from(rest, 1);
	if (data[0] & 2)
		bytes_split(&rest, '\n', &line);
	result = sasl_begin(&s, data[0] & 1 ? SASL_PLAIN : SASL_LOGIN, line);
	check(line.p != NULL || result == SASL_CONTINUE);
	check_result(&s, result);
	while (result == SASL_CONTINUE && bytes_split(&rest, '\n', &line)) {
		check(++lines <= 2);
		result = sasl_line(&s, line);
		check_base64(line, result);
		check_result(&s, result);
	}
	sasl_finish(&s);
	check_empty(&s);
	return 0;
}
