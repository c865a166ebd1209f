/* Delivery into a Maildir: exactly once, wherever it is cut; and what refuses it. */
#include "fixture.h"

#include "base/buf.h"
#include "io/file.h"

#define TOP "Return-Path: <a@client.example>\nDelivered-To: " ADDRESS "\n"

static void
assert_outcome(
    const struct job *job, enum outcome_kind kind, struct status status)
{
	if (job->outcome.kind != kind ||
	    job->outcome.status.class != status.class ||
	    job->outcome.status.subject != status.subject ||
	    job->outcome.status.detail != status.detail)
		fail_msg("%s %u.%u.%u %.*s", outcome_name(job->outcome.kind),
		    job->outcome.status.class, job->outcome.status.subject,
		    job->outcome.status.detail, BYTES_ARG(job->outcome.text));
	assert_true(job->outcome.text.n > 0);
}

#define assert_delivered(job) \
	assert_outcome(job, OUTCOME_DELIVERED, STATUS(2, 0, 0))
#define assert_deferred(job) \
	assert_outcome(job, OUTCOME_DEFERRED, STATUS(4, 3, 0))

static void
assert_file(const struct fixture *f, const char *folder, const char *name,
    struct bytes content)
{
	char        path[1024];
	struct buf  text;
	struct stat st;

	snprintf(path, sizeof path, "%s/%s/%s", f->home, folder, name);
	buf_init(&text, 64 * 1024 * 1024);
	assert_int_equal(file_read(path, &text, &st), 0);
	assert_int_equal(text.len, content.n);
	assert_memory_equal(text.p, content.p, content.n);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_finish(&text);
}

static void
message_lies_in_new_with_its_sizes(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES(BODY));
	const char     *content = TOP BODY;
	char            name[NAME_MAX + 1], expected[NAME_MAX + 1];

	deliver_one(f, job);
	assert_delivered(job);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
	assert_int_equal(count(f, "Maildir/cur", NULL), 0);
	assert_int_equal(count(f, "Maildir/new", name), 1);
	snprintf(expected, sizeof expected,
	    "1700000000.%s.3.mx.example.org,S=%zu,W=%zu",
	    id_text(&job->id).p, strlen(content), strlen(content) + 7);
	assert_string_equal(name, expected);
	assert_file(f, "Maildir/new", name, bytes_of(content));
}

static void
made_maildir_is_private(void **state)
{
	static const char *const parts[] = { "", "/tmp", "/new", "/cur" };
	struct fixture          *f = *state;
	char                     path[512];
	struct stat              st;

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/Maildir%s", f->home, parts[i]);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 0700);
	}
}

/* Around the size of the first part and of the pieces behind it. */
static void
large_messages_are_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 256 * 1024 - 200, 256 * 1024 - 74,
		256 * 1024, 320 * 1024 + 1, 1024 * 1024 + 17 };
	struct fixture     *f = *state;
	char               *all = malloc(2 * 1024 * 1024), *body;
	const size_t        n_top = strlen(TOP);

	assert_non_null(all);
	memcpy(all, TOP, n_top);
	body = all + n_top;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char            name[NAME_MAX + 1], sizes_text[64], path[1024];
		struct job     *job;

		for (size_t j = 0; j < sizes[i]; j++)
			body[j] = j % 61 == 60 ? '\n' : (char)('a' + j % 23);
		job = job_new(f, i, (struct bytes){ body, sizes[i] });
		deliver_one(f, job);
		assert_delivered(job);
		assert_int_equal(count(f, "Maildir/new", name), 1);
		assert_file(f, "Maildir/new", name,
		    (struct bytes){ all, n_top + sizes[i] });
		snprintf(sizes_text, sizeof sizes_text, ",S=%zu,W=%zu",
		    n_top + sizes[i], n_top + 2 + sizes[i] + sizes[i] / 61);
		assert_string_equal(strchr(name, ','), sizes_text);
		snprintf(path, sizeof path, "%s/Maildir/new/%s", f->home, name);
		assert_int_equal(unlink(path), 0);
	}
	free(all);
}

static void
batch_of_64_is_delivered(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (unsigned i = 0; i < BATCH_MAX; i++)
		assert_true(batch_add(&f->batch, job_new(f, i, BYTES(BODY))));
	assert_false(batch_add(&f->batch, job_new(f, 64, BYTES(BODY))));
	batch_deliver(&f->batch);
	assert_int_equal(count(f, "Maildir/new", NULL), 64);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
	for (unsigned i = 0; i < BATCH_MAX; i++)
		assert_delivered(f->batch.entries[i].job);
}

/* --- exactly once --- */

/* We die: descriptors close, and nothing else happens. */
static void
die(struct fixture *f)
{
	for (size_t i = 0; i < f->batch.n; i++)
		if (f->batch.entries[i].file != -1)
			close(f->batch.entries[i].file);
	jobs_finish(&f->jobs);
	homes_free(f->homes);
	f->homes = homes_new();
	assert_non_null(f->homes);
	assert_true(homes_tell(f->homes, BYTES("joe"), bytes_of(f->home)));
}

static void
deliver_repeated(struct fixture *f, unsigned n_jobs)
{
	begin(f);
	for (unsigned i = 0; i < n_jobs; i++) {
		struct job *job = job_new(f, i, BYTES(BODY));

		job->repeated = true;
		assert_true(batch_add(&f->batch, job));
	}
	batch_deliver(&f->batch);
	for (unsigned i = 0; i < n_jobs; i++)
		assert_delivered(f->batch.entries[i].job);
}

static void
killed_behind_any_step_it_comes_once(void **state)
{
	enum { JOBS = 3 };
	static const int in_new[BATCH_STEPS] = {
		[BATCH_FOLDERS] = 0, [BATCH_LOOK] = 0, [BATCH_WRITE] = 0,
		[BATCH_FLUSH] = 0, [BATCH_RENAME] = JOBS, [BATCH_SETTLE] = JOBS,
	};

	for (int last = 0; last < BATCH_STEPS; last++) {
		struct fixture *f;

		fixture_setup(state);
		f = *state;
		begin(f);
		for (unsigned i = 0; i < JOBS; i++)
			batch_add(&f->batch, job_new(f, i, BYTES(BODY)));
		batch_run(&f->batch, BATCH_FOLDERS, (enum batch_step)last);
		assert_int_equal(count(f, "Maildir/new", NULL), in_new[last]);
		if (last < BATCH_SETTLE)
			for (unsigned i = 0; i < JOBS; i++)
				assert_false(f->batch.entries[i].job->is_done);
		die(f);
		deliver_repeated(f, JOBS);
		assert_int_equal(count(f, "Maildir/new", NULL), JOBS);
		fixture_teardown(state);
	}
	*state = NULL;
}

/* Found in new/: nothing is written at all, not even into tmp/. */
static void
some_of_a_batch_are_there_already(void **state)
{
	struct fixture *f = *state;
	struct job     *job;

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	die(f);
	begin(f);
	for (unsigned i = 0; i < 3; i++) {
		job = job_new(f, i, BYTES(BODY));
		job->repeated = true;
		batch_add(&f->batch, job);
	}
	batch_run(&f->batch, BATCH_FOLDERS, BATCH_WRITE);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 2);
	batch_run(&f->batch, BATCH_FLUSH, BATCH_SETTLE);
	assert_int_equal(count(f, "Maildir/new", NULL), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_delivered(f->batch.entries[i].job);
}

static void
move(const struct fixture *f, const char *from, const char *name,
    const char *to, const char *flags)
{
	char old[1024], new[1024];

	snprintf(old, sizeof old, "%s/%s/%s", f->home, from, name);
	snprintf(new, sizeof new, "%s/%s/%s%s", f->home, to, name, flags);
	assert_int_equal(rename(old, new), 0);
}

static void
message_that_was_read_is_found_in_cur(void **state)
{
	struct fixture *f = *state;
	char            name[NAME_MAX + 1];

	deliver_one(f, job_new(f, 0, BYTES(BODY)));
	count(f, "Maildir/new", name);
	move(f, "Maildir/new", name, "Maildir/cur", ":2,S");
	die(f);
	deliver_repeated(f, 1);
	assert_int_equal(count(f, "Maildir/new", NULL), 0);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
	assert_int_equal(count(f, "Maildir/cur", NULL), 1);
}

static void
other_recipient_of_the_message_is_not_it(void **state)
{
	struct fixture *f = *state;
	struct job     *job;

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	job = job_new(f, 1, BYTES(BODY));
	job->recipient = 31;
	job->repeated = true;
	deliver_one(f, job);
	assert_delivered(job);
	assert_int_equal(count(f, "Maildir/new", NULL), 2);
}

/* Even when nobody said that there was an attempt: the name is taken. */
static void
same_name_in_new_means_delivered(void **state)
{
	struct fixture *f = *state;
	struct job     *job;
	char            first[NAME_MAX + 1], second[NAME_MAX + 1];

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	assert_int_equal(count(f, "Maildir/new", first), 1);
	die(f);
	job = job_new(f, 1, BYTES(BODY));
	deliver_one(f, job);
	assert_delivered(job);
	assert_int_equal(count(f, "Maildir/new", second), 1);
	assert_string_equal(first, second);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
}

/* --- loops --- */

static void
delivered_to_this_recipient_is_a_loop(void **state)
{
	static const struct {
		const char *body;
		bool        is_loop;
	} rows[] = {
		{ "Delivered-To: " ADDRESS "\n\nx\n", true },
		{ "Subject: s\ndelivered-to:  Joe@EXAMPLE.org \nTo: x\n\nx\n", true },
		{ "Delivered-To: \"joe\"@example.org.\n\nx\n", false },
		{ "Delivered-To: \"joe\"@example.org\n\nx\n", true },
		{ "Delivered-To: joe@example.net\nDelivered-To: " ADDRESS
		  "\n\nx\n", true },
		{ "Delivered-To: joe@example.net\n\nx\n", false },
		{ "Subject: Delivered-To: " ADDRESS "\n\nx\n", false },
		{ "Subject: s\n\nDelivered-To: " ADDRESS "\n", false },
		{ "X-Delivered-To: " ADDRESS "\n\nx\n", false },
		{ "\nDelivered-To: " ADDRESS "\n", false },
		{ "", false },
	};
	struct fixture *f = *state;
	int             n = 0;

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct job *job = job_new(f, i, bytes_of(rows[i].body));

		deliver_one(f, job);
		if (rows[i].is_loop)
			assert_outcome(job, OUTCOME_FAILED, STATUS(5, 4, 6));
		else
			assert_delivered(job);
		n += !rows[i].is_loop;
		assert_int_equal(count(f, "Maildir/new", NULL), n);
		assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
	}
}

/* --- folders --- */

static void
yellow_goes_to_its_folder(void **state)
{
	struct fixture *f = *state;
	struct job     *job;

	homes_use(f->homes, BYTES("Junk"));
	job = job_new(f, 1, BYTES(BODY));
	job->is_yellow = true;
	deliver_one(f, job);
	assert_delivered(job);
	assert_int_equal(count(f, "Maildir/.Junk/new", NULL), 1);
	assert_int_equal(count(f, "Maildir/.Junk", NULL), 4);
	assert_file(f, "Maildir/.Junk", "maildirfolder", BYTES(""));
	deliver_one(f, job_new(f, 2, BYTES(BODY)));
	assert_int_equal(count(f, "Maildir/new", NULL), 1);

	homes_use(f->homes, BYTES(""));
	job = job_new(f, 3, BYTES(BODY));
	job->is_yellow = true;
	deliver_one(f, job);
	assert_int_equal(count(f, "Maildir/new", NULL), 2);
	assert_int_equal(count(f, "Maildir/.Junk/new", NULL), 1);
}

/* The folders are held open, and still it is what the path names that counts. */
static void
folder_that_was_replaced_is_opened_anew(void **state)
{
	static const char *const parts[] = { "Maildir", "Maildir/new",
		"Maildir/tmp", "." };
	struct fixture          *f = *state;
	struct job              *job;

	for (unsigned i = 0; i < 4; i++) {
		char old[600], aside[640];

		deliver_one(f, job_new(f, 10 + i, BYTES(BODY)));
		snprintf(old, sizeof old, "%s/%s", f->home, parts[i]);
		if (i == 3)
			snprintf(old, sizeof old, "%s", f->home);
		snprintf(aside, sizeof aside, "%s/aside-%u", f->folder, i);
		assert_int_equal(rename(old, aside), 0);
		if (i == 3)
			assert_int_equal(mkdir(f->home, 0700), 0);
		job = job_new(f, 20 + i, BYTES(BODY));
		deliver_one(f, job);
		assert_delivered(job);
		assert_int_equal(
		    count(f, "Maildir/new", NULL), i == 2 ? 3 : 1);
	}
}

static void
missing_home_defers(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES(BODY));

	assert_int_equal(rmdir(f->home), 0);
	deliver_one(f, job);
	assert_deferred(job);
	assert_int_equal(access(f->home, F_OK), -1);
	assert_int_equal(mkdir(f->home, 0700), 0);
	job = job_new(f, 1, BYTES(BODY));
	deliver_one(f, job);
	assert_delivered(job);
}

static void
unknown_user_defers(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES(BODY));

	job->user = BYTES("jane");
	deliver_one(f, job);
	assert_deferred(job);
}

static void
moved_home_is_used(void **state)
{
	struct fixture *f = *state;
	char            other[300];

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	snprintf(other, sizeof other, "%s/elsewhere", f->folder);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_true(homes_tell(f->homes, BYTES("joe"), bytes_of(other)));
	deliver_one(f, job_new(f, 2, BYTES(BODY)));
	assert_int_equal(count(f, "Maildir/new", NULL), 1);
	memcpy(f->home, other, sizeof other);
	assert_int_equal(count(f, "Maildir/new", NULL), 1);
}

/* Another user of our uid may not lead mail elsewhere. */
static void
symbolic_links_below_the_home_are_refused(void **state)
{
	static const char *const links[] = { "Maildir", "Maildir/new",
		"Maildir/tmp", "Maildir/cur", "Maildir/.Junk",
		"Maildir/.Junk/new" };

	for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
		struct fixture *f;
		struct job     *job;
		char            target[600], link[600];

		fixture_setup(state);
		f = *state;
		homes_use(f->homes, BYTES("Junk"));
		/* what the link leads to would do, were it followed */
		snprintf(link, sizeof link, "%s/%s", f->home, links[i]);
		snprintf(target, sizeof target, "%s/target", f->folder);
		deliver_one(f, job_new(f, 0, BYTES(BODY)));
		job = job_new(f, 1, BYTES(BODY));
		job->is_yellow = true;
		deliver_one(f, job);
		assert_delivered(job);
		die(f);
		homes_use(f->homes, BYTES("Junk"));
		assert_int_equal(rename(link, target), 0);
		assert_int_equal(symlink(target, link), 0);
		job = job_new(f, 2, BYTES(BODY));
		job->is_yellow = i >= 4;
		deliver_one(f, job);
		assert_deferred(job);
		assert_int_equal(count(f, "Maildir/new", NULL), 1);
		assert_int_equal(count(f, "Maildir/.Junk/new", NULL), 1);
		fixture_teardown(state);
	}
	*state = NULL;
}

/* The same while the folder is held open: it is replaced between two batches. */
static void
link_put_in_later_is_refused(void **state)
{
	struct fixture *f = *state;
	struct job     *job;
	char            target[600], link[600];

	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	snprintf(link, sizeof link, "%s/Maildir/new", f->home);
	snprintf(target, sizeof target, "%s/target", f->folder);
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(nftw(link, fixture_remove, 4, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(symlink(target, link), 0);
	job = job_new(f, 2, BYTES(BODY));
	deliver_one(f, job);
	assert_deferred(job);
	assert_int_equal(count(f, "Maildir/new", NULL), 0);
}

static void
folder_without_permission_defers_only_its_own(void **state)
{
	struct fixture *f = *state;
	struct job     *job, *other;
	char            path[600], home[300];

	if (geteuid() == 0)
		skip();
	deliver_one(f, job_new(f, 1, BYTES(BODY)));
	snprintf(path, sizeof path, "%s/Maildir/new", f->home);
	assert_int_equal(chmod(path, 0500), 0);
	snprintf(home, sizeof home, "%s/jane", f->folder);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_true(homes_tell(f->homes, BYTES("jane"), bytes_of(home)));
	job = job_new(f, 2, BYTES(BODY));
	other = job_new(f, 3, BYTES(BODY));
	other->user = BYTES("jane");
	begin(f);
	batch_add(&f->batch, job);
	batch_add(&f->batch, other);
	batch_deliver(&f->batch);
	assert_deferred(job);
	assert_delivered(other);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
	assert_int_equal(chmod(path, 0700), 0);
}

/* Also for root, who may write everywhere: there is no new/ to rename into. */
static void
message_that_cannot_be_renamed_is_deferred(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES(BODY));
	char            path[600];

	begin(f);
	batch_add(&f->batch, job);
	batch_run(&f->batch, BATCH_FOLDERS, BATCH_FLUSH);
	snprintf(path, sizeof path, "%s/Maildir/new", f->home);
	assert_int_equal(rmdir(path), 0);
	batch_run(&f->batch, BATCH_RENAME, BATCH_SETTLE);
	assert_deferred(job);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
}

static void
short_body_is_deferred(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES(BODY));

	job->size_bytes += 1;
	deliver_one(f, job);
	assert_deferred(job);
	assert_int_equal(count(f, "Maildir/new", NULL), 0);
	assert_int_equal(count(f, "Maildir/tmp", NULL), 0);
}

/* More homes than are held open: each gets its own. */
static void
many_homes_have_their_turn(void **state)
{
	enum { HOMES = HOMES_OPEN + 40 };
	struct fixture *f = *state;

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < HOMES; i++) {
			char        name[16], home[320];
			struct job *job = job_new(f, i + 200 * round, BYTES(BODY));

			snprintf(name, sizeof name, "user%u", i);
			snprintf(home, sizeof home, "%s/%s", f->folder, name);
			mkdir(home, 0700);
			assert_true(homes_tell(
			    f->homes, bytes_of(name), bytes_of(home)));
			job->user = bytes_of(name);
			deliver_one(f, job);
			assert_delivered(job);
		}
	for (unsigned i = 0; i < HOMES; i++) {
		snprintf(f->home, sizeof f->home, "%s/user%u", f->folder, i);
		assert_int_equal(count(f, "Maildir/new", NULL), 2);
	}
}

static void
line_end_in_a_path_adds_no_field(void **state)
{
	struct fixture *f = *state;
	struct job     *job = job_new(f, 1, BYTES("Subject: s\n\nx\n"));
	char            name[NAME_MAX + 1];

	job->reverse_path = BYTES("a@b\nX-Evil: 1");
	deliver_one(f, job);
	count(f, "Maildir/new", name);
	assert_file(f, "Maildir/new", name,
	    BYTES("Return-Path: <a@b X-Evil: 1>\nDelivered-To: " ADDRESS
	          "\nSubject: s\n\nx\n"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_lies_in_new_with_its_sizes),
		T(made_maildir_is_private),
		T(large_messages_are_whole),
		T(batch_of_64_is_delivered),
		cmocka_unit_test(killed_behind_any_step_it_comes_once),
		T(some_of_a_batch_are_there_already),
		T(message_that_was_read_is_found_in_cur),
		T(other_recipient_of_the_message_is_not_it),
		T(same_name_in_new_means_delivered),
		T(delivered_to_this_recipient_is_a_loop),
		T(yellow_goes_to_its_folder),
		T(folder_that_was_replaced_is_opened_anew),
		T(missing_home_defers),
		T(unknown_user_defers),
		T(moved_home_is_used),
		cmocka_unit_test(symbolic_links_below_the_home_are_refused),
		T(link_put_in_later_is_refused),
		T(folder_without_permission_defers_only_its_own),
		T(message_that_cannot_be_renamed_is_deferred),
		T(short_body_is_deferred),
		T(many_homes_have_their_turn),
		T(line_end_in_a_path_adds_no_field),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
