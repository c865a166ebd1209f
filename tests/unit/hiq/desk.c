/* The desk and the judges, between a submission server and a queue that are played. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "hiq/desk.h"
#include "io/clock.h"

#include "scripts.h"

enum { JOBS = 4, TEXT = 600 };

static const char message[] = "Subject: test\n\nbody\n";

/* --- the two neighbours --- */

struct submit_job {
	struct envelope  envelope;
	int              fd;
	void            *context;
	unsigned         n_answers;
	uint16_t         code;
	struct status    status;
	char             text[TEXT];
};

const struct envelope *
submit_job_envelope(const struct submit_job *job)
{
	return &job->envelope;
}

int
submit_job_fd(const struct submit_job *job)
{
	return job->fd;
}

void *
submit_job_context(const struct submit_job *job)
{
	return job->context;
}

void
submit_job_set_context(struct submit_job *job, void *context)
{
	job->context = context;
}

void
submit_answer(struct submit_job *job, const struct submit_result *result)
{
	job->n_answers++;
	job->code = result->code;
	job->status = result->status;
	assert_true(bytes_to_string(result->text, job->text, sizeof job->text));
	close(job->fd);
	job->fd = -1;
}

/* The queue: answers from the loop, is not there, or holds its answer back. */
enum queue_mood { ANSWERS, IS_AWAY, IS_SLOW, TAKES_NOTHING };

enum { SUBMISSIONS = 8 }; /* open at once, at most */

struct submission {
	uv_timer_t   timer;
	submit_done *done;
	void        *context;
};

static struct {
	enum queue_mood mood;
	uv_loop_t      *loop;
	unsigned        n_sent, n_cancelled;
	char            content[4096];
	enum colour     colour;
	uint64_t        size_bytes;
	struct submission submissions[SUBMISSIONS]; /* used in turn */
} queue;

static void
queue_answer(uv_timer_t *timer)
{
	const struct submit_result stored = { 250, STATUS(2, 0, 0),
		BYTES_INIT("accepted, id x") };
	struct submission         *s = timer->data;

	s->done(&stored, s->context);
}

struct submission *
submit_send(struct submit_client *c, const struct envelope *envelope, int fd,
    submit_done *done, void *context)
{
	struct submission *s = &queue.submissions[queue.n_sent % SUBMISSIONS];

	(void)c;
	if (queue.mood == TAKES_NOTHING)
		return NULL;
	queue.n_sent++;
	queue.colour = envelope->verdict.colour;
	queue.size_bytes = envelope->size_bytes;
	assert_true(bytes_to_string(bytes_of(content_of(fd)), queue.content,
	    sizeof queue.content));
	s->done = done;
	s->context = context;
	s->timer.data = s;
	if (queue.mood != IS_AWAY)
		uv_timer_start(&s->timer, queue_answer,
		    queue.mood == IS_SLOW ? 400 : 0, 0);
	return s;
}

bool
submit_cancel(struct submission *s)
{
	(void)s;
	queue.n_cancelled++;
	return queue.mood == IS_AWAY;
}

/* --- a desk with filters --- */

static struct envelope_recipient recipient = { .address = BYTES_INIT("u@x.example") };

struct office {
	uv_loop_t            loop;
	uv_timer_t           until;
	struct desk         *desk;
	struct config        config;
	struct config_filter filters[2];
	struct submit_job    jobs[JOBS];
};

static void
open_office(struct office *o)
{
	struct filters *filters = filters_of(&o->config, NULL);

	assert_non_null(filters);
	assert_int_equal(uv_loop_init(&o->loop), 0);
	memset(&queue, 0, sizeof queue);
	queue.loop = &o->loop;
	for (size_t i = 0; i < SUBMISSIONS; i++)
		uv_timer_init(&o->loop, &queue.submissions[i].timer);
	uv_timer_init(&o->loop, &o->until);
	o->desk = desk_new(&o->loop, NULL);
	assert_non_null(o->desk);
	desk_use(o->desk, filters);
	filters_release(filters);
}

static void
init_office(struct office *o, const char *a, const char *b)
{
	*o = (struct office){ 0 };
	o->filters[0] = script_filter("a", FILTER_CHECK, a);
	if (b)
		o->filters[1] = script_filter("b", FILTER_COMMAND, b);
	for (size_t i = 0; i < 2; i++)
		o->filters[i].code_colour[2] = COLOUR_YELLOW;
	o->config.filter = o->filters;
	o->config.n_filter = b ? 2 : 1;
	o->config.hostname = BYTES("mx.example");
	o->config.contact = BYTES("call +49 30 1234");
	o->config.filter_concurrency = 2;
	o->config.filter_deadline_ms = 20 * 1000;
	o->config.message_size = 100 * 1000;
}

static void
receive(struct office *o, size_t i)
{
	struct submit_job *job = &o->jobs[i];

	job->envelope = (struct envelope){
		.reverse_path = BYTES_INIT("s@y.example"),
		.listener = BYTES_INIT("smtp"),
		.recipients = &recipient,
		.n_recipients = 1,
		.size_bytes = sizeof message - 1,
	};
	job->fd = message_of(message);
	desk_received(job, o->desk);
}

static void
on_until(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static size_t
n_answered(const struct office *o)
{
	size_t n = 0;

	for (size_t i = 0; i < JOBS; i++)
		n += o->jobs[i].n_answers;
	return n;
}

/* Let the loop turn until so many were answered and sent, but not for ever. */
static void
turn_until(struct office *o, size_t answered, size_t sent)
{
	bool is_late = false;

	o->until.data = &is_late;
	uv_timer_start(&o->until, on_until, 60 * 1000, 0);
	while (!is_late && (n_answered(o) < answered || queue.n_sent < sent))
		uv_run(&o->loop, UV_RUN_ONCE);
	uv_timer_stop(&o->until);
	assert_false(is_late);
}

/* Let the loop turn for a while. */
static void
turn(struct office *o, uint64_t ms)
{
	bool is_over = false;

	o->until.data = &is_over;
	uv_timer_start(&o->until, on_until, ms, 0);
	while (!is_over)
		uv_run(&o->loop, UV_RUN_ONCE);
}

static void
close_office(struct office *o)
{
	uv_run(&o->loop, UV_RUN_DEFAULT);
	desk_free(o->desk);
	for (size_t i = 0; i < SUBMISSIONS; i++)
		uv_close((uv_handle_t *)&queue.submissions[i].timer, NULL);
	uv_close((uv_handle_t *)&o->until, NULL);
	uv_run(&o->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&o->loop), 0);
	for (size_t i = 0; i < JOBS; i++)
		if (o->jobs[i].fd > 0)
			fail_msg("job %zu was never answered", i);
}

/* --- tests --- */

static void
answers(void **state)
{
	static const struct {
		const char *a, *b;
		uint16_t    code;
		const char *text;    /* of the answer */
		const char *content; /* what the queue got, NULL: nothing */
	} rows[] = {
		{ "exit 0", NULL, 250, "accepted, id x",
		    "X-Ampel-Verdict: green; a=green\n"
		    "Subject: test\n\nbody\n" },
		{ "exit 2", NULL, 250, "accepted, id x",
		    "X-Ampel-Verdict: yellow; a=yellow\n"
		    "X-Spam-Flag: YES\n"
		    "X-Spam-Status: Yes, tests=none\n"
		    "Subject: test\n\nbody\n" },
		{ "exit 0", "sed s/body/text/; echo header X-B: c >&3", 250,
		    "accepted, id x",
		    "X-Ampel-Verdict: green; a=green b=green\n"
		    "X-B: c\n"
		    "Subject: test\n\ntext\n" },
		{ "exit 1", NULL, 554,
		    "message rejected by spam filter: a "
		    "(ref 00000000000000000000000000) call +49 30 1234", NULL },
		{ "echo reason no thanks >&3; exit 1", "cat", 554,
		    "message rejected by spam filter: no thanks "
		    "(ref 00000000000000000000000000) call +49 30 1234", NULL },
		{ "exit 0", "cat; exit 1", 554,
		    "message rejected by spam filter: b "
		    "(ref 00000000000000000000000000) call +49 30 1234", NULL },
		{ "exit 3", "cat", 451,
		    "mail server temporarily rejected message "
		    "(ref 00000000000000000000000000)", NULL },
		{ "exit 0", "head -c 3; kill -KILL $$", 451,
		    "mail server temporarily rejected message "
		    "(ref 00000000000000000000000000)", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct office o;
		const struct submit_job *job = &o.jobs[0];

		init_office(&o, rows[i].a, rows[i].b);
		open_office(&o);
		receive(&o, 0);
		close_office(&o);
		assert_int_equal(job->n_answers, 1);
		assert_int_equal(job->code, rows[i].code);
		assert_int_equal(job->status.class, rows[i].code / 100);
		assert_string_equal(job->text, rows[i].text);
		assert_int_equal(queue.n_sent, rows[i].content != NULL);
		if (rows[i].content == NULL)
			continue;
		assert_string_equal(queue.content, rows[i].content);
		assert_int_equal(queue.size_bytes, strlen(rows[i].content));
		assert_int_equal(queue.colour,
		    strstr(rows[i].content, "yellow") ? COLOUR_YELLOW
		                                      : COLOUR_GREEN);
	}
}

/* A listener without filters: the queue gets the message as it is. */
static void
unfiltered(void **state)
{
	static const struct bytes others[] = { BYTES_INIT("smtps") };
	struct office             o;

	(void)state;
	init_office(&o, "exit 1", NULL);
	o.filters[0].listeners.v = others;
	open_office(&o);
	receive(&o, 0);
	turn_until(&o, 1, 1);
	close_office(&o);
	assert_int_equal(o.jobs[0].code, 250);
	assert_string_equal(queue.content, message);
	assert_int_equal(queue.colour, COLOUR_NONE);
}

static size_t
count_lines(const char *name)
{
	char   path[SCRIPT_PATH];
	size_t n = 0;
	FILE  *f;

	snprintf(path, sizeof path, "%s/%s", scripts_folder, name);
	f = fopen(path, "r");
	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void
some_at_once(void **state)
{
	struct office o;
	struct buf    stats;
	char          go[SCRIPT_PATH];

	(void)state;
	snprintf(go, sizeof go, "%s/go", scripts_folder);
	init_office(&o,
	    "echo >>@/begun; until [ -e @/go ]; do sleep 0.2; done", NULL);
	o.config.filter_deadline_ms = 120 * 1000; /* a busy machine is no fault */
	open_office(&o);
	for (size_t i = 0; i < JOBS; i++)
		receive(&o, i);
	for (int tries = 0; tries < 200 && count_lines("begun") < 2; tries++)
		turn(&o, 50);
	turn(&o, 300); /* time for a third that must not be */
	assert_int_equal(count_lines("begun"), 2);
	buf_init(&stats, 200);
	desk_stats(o.desk, &stats);
	assert_string_equal(buf_string(&stats), "judging 2, waiting 2, judged 0");
	buf_finish(&stats);
	fclose(fopen(go, "w"));
	turn_until(&o, JOBS, JOBS);
	assert_int_equal(count_lines("begun"), 4);
	for (size_t i = 0; i < JOBS; i++)
		assert_int_equal(o.jobs[i].code, 250);
	close_office(&o);
}

/* One is judged, two wait; all of them are late. */
static void
deadline(void **state)
{
	struct office o;
	uint64_t      began_ms;

	(void)state;
	init_office(&o, "sleep 60", NULL);
	o.filters[0].on_error = FILTER_PASS;
	o.config.filter_concurrency = 1;
	o.config.filter_deadline_ms = 500;
	open_office(&o);
	began_ms = clock_monotonic_ms();
	for (size_t i = 0; i < 3; i++)
		receive(&o, i);
	uv_run(&o.loop, UV_RUN_DEFAULT);
	assert_true(clock_monotonic_ms() - began_ms < 30 * 1000); /* not its 60 s */
	close_office(&o);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(o.jobs[i].code, 451);
	assert_int_equal(queue.n_sent, 0);
}

static void
cancelling(void **state)
{
	struct office o;

	(void)state;
	init_office(&o, "touch @/seen-$$; sleep 60", NULL);
	o.config.filter_concurrency = 1;
	open_office(&o);
	for (size_t i = 0; i < 3; i++)
		receive(&o, i);
	turn(&o, 200);
	desk_cancelled(&o.jobs[1], o.desk); /* waits */
	assert_int_equal(o.jobs[1].n_answers, 1);
	desk_cancelled(&o.jobs[0], o.desk); /* runs */
	assert_int_equal(o.jobs[0].n_answers, 1);
	turn(&o, 200);
	desk_cancelled(&o.jobs[2], o.desk); /* ran in its place */
	assert_int_equal(o.jobs[2].n_answers, 1);
	close_office(&o);
	assert_int_equal(queue.n_sent, 0);
}

/* Cancelled when the queue has it: the queue's word counts, unless it never took it. */
static void
cancelling_at_the_queue(void **state)
{
	static const struct {
		enum queue_mood mood;
		uint16_t        code;
	} rows[] = {
		{ IS_SLOW, 250 },
		{ IS_AWAY, 451 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct office o;

		init_office(&o, "exit 0", NULL);
		open_office(&o);
		queue.mood = rows[i].mood;
		receive(&o, 0);
		turn_until(&o, 0, 1);
		assert_int_equal(o.jobs[0].n_answers, 0);
		desk_cancelled(&o.jobs[0], o.desk);
		assert_int_equal(queue.n_cancelled, 1);
		turn_until(&o, 1, 1);
		close_office(&o);
		assert_int_equal(o.jobs[0].n_answers, 1);
		assert_int_equal(o.jobs[0].code, rows[i].code);
	}
}

static void
no_queue(void **state)
{
	static const enum queue_mood moods[] = { IS_AWAY, TAKES_NOTHING };

	(void)state;
	for (size_t i = 0; i < sizeof moods / sizeof moods[0]; i++) {
		struct office o;

		init_office(&o, "exit 0", NULL);
		o.config.filter_deadline_ms = 500;
		open_office(&o);
		queue.mood = moods[i];
		receive(&o, 0);
		turn_until(&o, 1, 0);
		close_office(&o);
		assert_int_equal(o.jobs[0].code, 451);
	}
}

static bool is_idle;

static void
on_idle(void)
{
	is_idle = true;
}

/* What runs is finished, what waits too; what comes is not taken. */
static void
stopping(void **state)
{
	struct office o;

	(void)state;
	init_office(&o, "sleep 0.3", NULL);
	o.config.filter_concurrency = 1;
	open_office(&o);
	receive(&o, 0);
	receive(&o, 1);
	is_idle = false;
	desk_stop(o.desk, on_idle);
	assert_false(is_idle);
	receive(&o, 2);
	assert_int_equal(o.jobs[2].code, 451);
	turn_until(&o, 3, 2);
	assert_true(is_idle);
	assert_int_equal(o.jobs[0].code, 250);
	assert_int_equal(o.jobs[1].code, 250);
	close_office(&o);

	open_office(&o);
	is_idle = false;
	desk_stop(o.desk, on_idle);
	assert_true(is_idle);
	close_office(&o);
}

/* The old filters go on with the messages that they have. */
static void
reloading(void **state)
{
	struct office   o;
	struct filters *filters;

	(void)state;
	init_office(&o, "sleep 0.3; exit 1", NULL);
	o.config.filter_concurrency = 1;
	open_office(&o);
	receive(&o, 0);
	o.filters[0] = script_filter("new", FILTER_CHECK, "exit 0");
	filters = filters_of(&o.config, NULL);
	assert_non_null(filters);
	desk_use(o.desk, filters);
	filters_release(filters);
	memset(o.filters, 0, sizeof o.filters);
	receive(&o, 1);
	turn_until(&o, 2, 1);
	close_office(&o);
	assert_int_equal(o.jobs[0].code, 554);
	assert_int_equal(o.jobs[1].code, 250);
	assert_non_null(strstr(queue.content, "new=green"));
}

/* A message that is too large for anybody, and one that comes before a configuration. */
static void
unfit_messages(void **state)
{
	struct office o;

	(void)state;
	init_office(&o, "exit 0", NULL);
	o.config.message_size = 0;
	open_office(&o);
	o.jobs[0].envelope.listener = BYTES("smtp");
	o.jobs[0].fd = memfile_new("large");
	assert_int_equal(ftruncate(o.jobs[0].fd, MESSAGE_ROOM + 1), 0);
	desk_received(&o.jobs[0], o.desk);
	assert_int_equal(o.jobs[0].code, 451);
	desk_free(o.desk);
	o.desk = desk_new(&o.loop, NULL);
	receive(&o, 1);
	assert_int_equal(o.jobs[1].code, 451);
	close_office(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(unfiltered),
		cmocka_unit_test(some_at_once),
		cmocka_unit_test(deadline),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(cancelling_at_the_queue),
		cmocka_unit_test(no_queue),
		cmocka_unit_test(stopping),
		cmocka_unit_test(reloading),
		cmocka_unit_test(unfit_messages),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, scripts_begin, scripts_end);
}
