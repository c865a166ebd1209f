/*
 * What a checkpassword program reads. Name and password stand in it with a NUL behind
 * each, and what is written from them is read as the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/checkpassword.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes         text = { (const char *)data, size };
	struct checkpassword c, again;
	struct buf           b;

	if (!checkpassword_parse(text, &c))
		return 0;
	if (size > CHECKPASSWORD_MAX || c.name.p != text.p || c.name.p[c.name.n] != '\0' ||
	    c.password.p != c.name.p + c.name.n + 1 ||
	    c.password.p[c.password.n] != '\0')
		abort();
	buf_init(&b, CHECKPASSWORD_MAX);
	if (!checkpassword_add(&b, c.name, c.password) || b.len > size ||
	    memcmp(b.p, text.p, b.len - 1) != 0 ||
	    !checkpassword_parse(buf_bytes(&b), &again) ||
	    !bytes_equal(c.name, again.name) ||
	    !bytes_equal(c.password, again.password))
		abort();
	buf_finish(&b);
	return 0;
}
