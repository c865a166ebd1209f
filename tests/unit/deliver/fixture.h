/* Deliveries into that home. */
#ifndef AMPEL_TESTS_DELIVER_FIXTURE_H
#define AMPEL_TESTS_DELIVER_FIXTURE_H

#include <fcntl.h>
#include <sys/mman.h>

#include "deliver/maildir.h"
#include "home.h"

static int
body_of(const char *text, size_t n)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, n), n);
	return fd;
}

static struct delivery
delivery_of(struct folder *folder, uint8_t number, const char *body)
{
	struct delivery d = {
		.id = id_make(1785369104123 + number,
		    (const uint8_t[ID_RANDOM]){ number }),
		.recipient = 1,
		.body = body_of(body, strlen(body)),
		.size_bytes = strlen(body),
		.address = BYTES("joe@example.org"),
		.reverse_path = BYTES("ann@far.example"),
		.folder = folder,
	};

	return d;
}

static uint64_t attempt;

static struct maildir_batch
batch_of(struct delivery *d)
{
	struct maildir_batch batch = {
		.v = { d },
		.n = 1,
		.hostname = BYTES("mx.example.org"),
		.attempt = &attempt,
	};

	return batch;
}

static void
open_inbox(struct folder *f)
{
	const char *what;

	assert_int_equal(folder_open(f, home, BYTES(""), &what), 0);
}

static void
expect_outcome(const struct delivery *d, enum outcome_kind kind,
    struct status status)
{
	if (d->outcome.kind != kind)
		print_error("%s\n", d->text);
	assert_int_equal(d->step, DELIVERY_ENDED);
	assert_int_equal(d->outcome.kind, kind);
	assert_int_equal(d->outcome.status.class, status.class);
	assert_int_equal(d->outcome.status.subject, status.subject);
	assert_int_equal(d->outcome.status.detail, status.detail);
}

#endif
