/*
 * A home in a folder of its own, jobs with bodies, and short words for what lies in
 * the Maildir.
 */
#ifndef AMPEL_TESTS_DELIVER_FIXTURE_H
#define AMPEL_TESTS_DELIVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/batch.h"
#include "io/memfile.h"
#include "mail/verdict.h"
#include "proto/message.h"

#define BODY    "From: a@client.example\nSubject: hello\n\nfirst\nsecond\n"
#define ADDRESS "joe@example.org"

struct fixture {
	char          folder[256]; /* of all */
	char          home[300];
	struct homes *homes;
	struct jobs   jobs;
	struct batch  batch;
};

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char     *tmp = getenv("TMPDIR");

	assert_non_null(f);
	snprintf(f->folder, sizeof f->folder, "%s/ampel-deliver-XXXXXX",
	    tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->home, sizeof f->home, "%s/joe", f->folder);
	assert_int_equal(mkdir(f->home, 0700), 0);
	f->homes = homes_new();
	assert_non_null(f->homes);
	assert_true(homes_tell(f->homes, BYTES("joe"), bytes_of(f->home)));
	*state = f;
	return 0;
}

static inline int
fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	homes_free(f->homes);
	jobs_finish(&f->jobs);
	nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static inline struct id
id_number(unsigned n)
{
	uint8_t random[ID_RANDOM] = { (uint8_t)n, (uint8_t)(n >> 8) };

	return id_make(UINT64_C(1700000000123), random);
}

/* Message n for recipient 3 of it. */
static inline struct job *
job_new(struct fixture *f, unsigned n, struct bytes body)
{
	struct id          id = id_number(n);
	struct msg_deliver m = {
		.token = n,
		.recipient = 3,
		.user = BYTES("joe"),
		.address = BYTES(ADDRESS),
		.reverse_path = BYTES("a@client.example"),
		.colour = COLOUR_GREEN,
		.size = body.n,
	};
	struct job *job = jobs_add(&f->jobs, &m, &id, memfile_of("body", body));

	assert_non_null(job);
	assert_int_not_equal(job->body, -1);
	return job;
}

static inline void
begin(struct fixture *f)
{
	batch_begin(&f->batch, f->homes, BYTES("mx.example.org"));
}

static inline void
deliver_one(struct fixture *f, struct job *job)
{
	begin(f);
	assert_true(batch_add(&f->batch, job));
	batch_deliver(&f->batch);
	assert_true(job->is_done);
	assert_int_equal(job->body, -1);
}

/* The number of files in a folder below the home; the name of one of them. */
static inline int
count(const struct fixture *f, const char *folder, char name[NAME_MAX + 1])
{
	char           path[1024];
	DIR           *dir;
	struct dirent *entry;
	int            n = 0;

	snprintf(path, sizeof path, "%s/%s", f->home, folder);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		if (name)
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(dir);
	return n;
}

#endif
