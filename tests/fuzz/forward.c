/*
 * What a process that runs as a user says that it forwards: a byte (how many, 128: the list comes
 * as a file), the reverse-path, a line end, the list. What is read can be said to any server: each
 * address is one, in the form in which equal ones are equal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/memfile.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "queue/forward.h"

static const char message[] = "Subject: x\n\n";

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_recipients(const struct envelope *e, uint32_t n)
{
	check(e->n_recipients == n && n > 0);
	for (size_t i = 0; i < n; i++) {
		const struct envelope_recipient *r = &e->recipients[i];
		struct address                   address;
		struct buf                       canonical;

		check(address_parse_utf8(r->address, &address));
		check(!address.is_utf8 || e->smtputf8);
		buf_init(&canonical, 1024);
		address_add_canonical(&canonical, &address);
		check(bytes_equal(buf_bytes(&canonical), r->address));
		buf_finish(&canonical);
	}
}

static void
check_path(struct bytes path)
{
	struct address address;

	check(path.n == 0 || address_parse_utf8(verp_base(path), &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char  id[ID_BITS] = { 1 };
	struct bytes       input = { (const char *)data, size };
	size_t             end = bytes_find(input, '\n');
	struct bytes       list = bytes_from(input, end + 1);
	struct msg_outcome m = {
		.kind = OUTCOME_DELIVERED,
		.forward_id = { id, sizeof id },
		.forward_size = sizeof message - 1,
	};
	struct forward *f;
	int             fds[2] = { -1, -1 };

	if (size == 0)
		return 0;
	m.forward_path = bytes_from(bytes_first(input, end), 1);
	m.n = data[0] & 127;
	m.is_large = data[0] >> 7;
	fds[0] = memfile_of("message", bytes_of(message));
	if (m.is_large)
		fds[1] = memfile_of("targets", list);
	else
		m.targets = list;
	if (forward_read(&m, fds, m.is_large ? 2 : 1, 1024, &f) == FORWARD_READ) {
		check_recipients(&f->envelope, m.n);
		check_path(f->envelope.reverse_path);
		check(fds[0] == -1); /* it was taken */
	}
	forward_free(f);
	for (size_t i = 0; i < 2; i++)
		if (fds[i] != -1)
			close(fds[i]);
	return 0;
}
