#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>

#include "hiq/stage.h"
#include "io/clock.h"

#include "scripts.h"

enum { FILTERS = 4, OUTPUT_MAX = 1024 * 1024 };

static const char message[] = "Subject: test\n\nbody\n";

static struct envelope_recipient recipients[] = {
	{ .address = BYTES_INIT("u@x.example") },
	{ .address = BYTES_INIT("v@x.example") },
};

static const struct envelope envelope = {
	.reverse_path = BYTES_INIT("s@y.example"),
	.listener = BYTES_INIT("smtp"),
	.peer_address = BYTES_INIT("192.0.2.7"),
	.helo = BYTES_INIT("mx.y.example"),
	.recipients = recipients,
	.n_recipients = 2,
};

/* One run of a stage, and what was reported. */
struct run {
	uv_loop_t            loop;
	struct config_filter filters[FILTERS];
	size_t               n;
	int                  fd;
	struct stage        *stage;
	uint64_t             ms;

	size_t               n_done;
	enum colour          colours[FILTERS];
	char                 reasons[FILTERS][128];
	bool                 has_score;
	int64_t              score_milli, required_milli;
	char                 marks[256], tests[256];
	int                  output;
	uint64_t             output_size;
};

static void
on_done(const struct stage_report *report, void *context)
{
	struct run                *x = context;
	const struct stage_result *last = &report->results[x->n - 1];

	x->n_done++;
	x->output = report->output;
	x->output_size = report->output_size;
	for (size_t i = 0; i < x->n; i++) {
		x->colours[i] = report->results[i].colour;
		assert_true(bytes_to_string(report->results[i].reason,
		    x->reasons[i], sizeof x->reasons[i]));
	}
	x->has_score = last->has_score;
	x->score_milli = last->score_milli;
	x->required_milli = last->required_milli;
	assert_true(bytes_to_string(last->marks, x->marks, sizeof x->marks));
	assert_true(bytes_to_string(last->tests, x->tests, sizeof x->tests));
}

static void
start(struct run *x, const char *text)
{
	struct stage_task task = { .loop = &x->loop, .filters = x->filters,
		.n = x->n, .envelope = &envelope, .output_max = OUTPUT_MAX };

	assert_int_equal(uv_loop_init(&x->loop), 0);
	x->output = -1;
	x->fd = message_of(text);
	task.fd = x->fd;
	task.size_bytes = strlen(text);
	x->ms = clock_monotonic_ms();
	x->stage = stage_start(&task, on_done, x);
	assert_non_null(x->stage);
	assert_int_equal(x->n_done, 0);
}

/* Until nothing of it is left in the loop. */
static void
finish(struct run *x, size_t n_done)
{
	uv_run(&x->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	x->ms = clock_monotonic_ms() - x->ms;
	assert_int_equal(x->n_done, n_done);
	close(x->fd);
}

static void
run_commands(struct run *x, const char *const *texts, const char *text)
{
	*x = (struct run){ 0 };
	for (; x->n < FILTERS && texts[x->n]; x->n++)
		x->filters[x->n] =
		    script_filter("f", FILTER_COMMAND, texts[x->n]);
	start(x, text);
	finish(x, 1);
}

static void
run_check(struct run *x, const char *text)
{
	*x = (struct run){ .n = 1 };
	x->filters[0] = script_filter("f", FILTER_CHECK, text);
	start(x, message);
	finish(x, 1);
}

struct row {
	const char *commands[FILTERS];
	enum colour colours[FILTERS];
	const char *output; /* NULL: the message is not rewritten */
	const char *reason; /* how that of the first error begins */
};

static void
commands(void **state)
{
	static const struct row rows[] = {
		{ { "cat" }, { COLOUR_GREEN }, message, "" },
		{ { "sed s/body/text/" }, { COLOUR_GREEN },
		    "Subject: test\n\ntext\n", "" },
		{ { "cat", "sed s/body/text/", "sed s/text/more/" },
		    { COLOUR_GREEN, COLOUR_GREEN, COLOUR_GREEN },
		    "Subject: test\n\nmore\n", "" },

		/* what it did not read, and what it did not write */
		{ { "echo other" }, { COLOUR_GREEN }, "other\n", "" },
		{ { "exit 0" }, { COLOUR_ERROR }, NULL, "it wrote no message" },
		{ { "cat >/dev/null" }, { COLOUR_ERROR }, NULL,
		    "it wrote no message" },
		{ { "exec >&-; exit 0" }, { COLOUR_ERROR }, NULL,
		    "it wrote no message" },
		{ { "exit 1" }, { COLOUR_RED }, NULL, "" },
		{ { "cat; exit 1" }, { COLOUR_RED }, NULL, "" },
		{ { "cat; exit 2" }, { COLOUR_ERROR }, NULL, "exit code 2" },
		{ { "cat; exit 111" }, { COLOUR_ERROR }, NULL, "exit code 111" },

		/* death in the middle */
		{ { "head -c 8; kill -KILL $$" }, { COLOUR_ERROR }, NULL,
		    "killed by signal 9" },
		{ { "cat; kill -TERM $$" }, { COLOUR_ERROR }, NULL,
		    "killed by signal 15" },
		{ { "kill -SEGV $$" }, { COLOUR_ERROR }, NULL,
		    "killed by signal 11" },
		{ { "cat", "cat; kill -KILL $$" }, { COLOUR_GREEN, COLOUR_ERROR },
		    NULL, "killed by signal 9" },

		/* the order decides, and those behind are stopped */
		{ { "exit 1", "sleep 60" }, { COLOUR_RED, COLOUR_NONE }, NULL, "" },
		{ { "exit 3", "sleep 60", "cat" },
		    { COLOUR_ERROR, COLOUR_NONE, COLOUR_NONE }, NULL,
		    "exit code 3" },
		{ { "sleep 0.3; cat", "exit 1" }, { COLOUR_GREEN, COLOUR_RED },
		    NULL, "" },
		{ { "sleep 0.3; cat >/dev/null; exit 1", "exit 3" },
		    { COLOUR_RED, COLOUR_ERROR }, NULL, "exit code 3" },
		{ { "exit 0", "cat" }, { COLOUR_ERROR, COLOUR_ERROR }, NULL,
		    "it wrote no message" },

		/* descriptor 3 closed; no descriptor but 0 to 3 (4 reads the folder) */
		{ { "exec 3>&-; cat" }, { COLOUR_GREEN }, message, "" },
		{ { "ls /proc/self/fd | tr '\\n' ' '" }, { COLOUR_GREEN },
		    "0 1 2 3 4 ", "" },
		{ { "cat >/dev/null; env | grep -E 'SEND|RECIP|TCP|PROTO|HELO|LIST|PATH'"
		    " | sort" }, { COLOUR_GREEN },
		    "AMPEL_HELO=mx.y.example\nAMPEL_LISTENER=smtp\n"
		    "PATH=/usr/local/bin:/usr/bin:/bin\nPROTO=TCP\n"
		    "RECIPIENTS=u@x.example v@x.example\nSENDER=s@y.example\n"
		    "TCPREMOTEIP=192.0.2.7\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		const char       *reason = "";
		struct run        x;

		run_commands(&x, row->commands, message);
		for (size_t k = x.n; k-- > 0;) {
			assert_string_equal(colour_name(x.colours[k]),
			    colour_name(row->colours[k]));
			if (x.colours[k] == COLOUR_ERROR)
				reason = x.reasons[k];
		}
		assert_string_equal(reason, row->reason);
		assert_true((x.output != -1) == (row->output != NULL));
		if (row->output) {
			assert_string_equal(content_of(x.output), row->output);
			assert_int_equal(x.output_size, strlen(row->output));
			/* it is sealed */
			assert_int_equal(pwrite(x.output, "x", 1, 0), -1);
			close(x.output);
		}
		assert_true(x.ms < 15 * 1000);
	}
}

/* A filter that stops reading a long message kills neither us nor its neighbour. */
static void
neighbours_are_drained(void **state)
{
	static const char *const texts[] = {
		"head -c 900000 /dev/zero && touch @/whole", "echo short", NULL };
	char       path[SCRIPT_PATH];
	struct run x;

	(void)state;
	snprintf(path, sizeof path, "%s/whole", scripts_folder);
	run_commands(&x, texts, message);
	assert_int_equal(x.colours[0], COLOUR_GREEN);
	assert_int_equal(x.colours[1], COLOUR_GREEN);
	assert_string_equal(content_of(x.output), "short\n");
	assert_int_equal(access(path, F_OK), 0);
	close(x.output);
}

static void
large_output(void **state)
{
	static const char *const fits[] = {
		"head -c 1048576 /dev/zero", "cat", "cat", NULL };
	static const char *const too_large[] = { "head -c 10000000 /dev/zero",
		NULL };
	static const char *const first_too_large[] = {
		"head -c 10000000 /dev/zero", "cat >/dev/null; echo x", NULL };
	struct run x;

	(void)state;
	run_commands(&x, fits, message);
	assert_int_equal(x.colours[2], COLOUR_GREEN);
	assert_int_equal(x.output_size, OUTPUT_MAX);
	close(x.output);

	run_commands(&x, too_large, message);
	assert_int_equal(x.colours[0], COLOUR_ERROR);
	assert_string_equal(
	    x.reasons[0], "its output is larger than a message may be");
	assert_int_equal(x.output, -1);

	run_commands(&x, first_too_large, message);
	assert_int_equal(x.colours[0], COLOUR_ERROR);
	assert_int_equal(x.output, -1);
}

static void
large_input(void **state)
{
	static const char *const texts[] = { "cat", "tail -c 5", NULL };
	static const char *const unread[] = { "echo ok", NULL };
	enum { SIZE = 900 * 1000 };
	char      *text = calloc(1, SIZE + 1);
	struct run x;

	(void)state;
	assert_non_null(text);
	memset(text, 'm', SIZE);
	memcpy(text + SIZE - 5, "tail\n", 5);
	run_commands(&x, texts, text);
	assert_int_equal(x.colours[1], COLOUR_GREEN);
	assert_string_equal(content_of(x.output), "tail\n");
	close(x.output);
	run_commands(&x, unread, text);
	assert_int_equal(x.colours[0], COLOUR_GREEN);
	close(x.output);
	free(text);
}

/* --- time, and what is left behind --- */

/* Gone, or a zombie that only waits for somebody to look at it. */
static bool
is_dead(const char *name)
{
	char  path[SCRIPT_PATH], line[256], state = 'Z';
	int   pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", scripts_folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_true(pid > 1);
	for (size_t i = 0; i < 100; i++) {
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (f == NULL)
			return true;
		if (fgets(line, sizeof line, f) == NULL ||
		    sscanf(line, "%*d (%*[^)]) %c", &state) != 1)
			state = 'Z';
		fclose(f);
		if (state == 'Z')
			return true;
		usleep(10 * 1000); /* a KILL takes a moment */
	}
	return false;
}

static void
timeouts(void **state)
{
	static const char *const texts[] = {
		"echo $$ >@/leader; sleep 60 & echo $! >@/child; wait",
		"trap '' TERM; echo $$ | tee @/leader >@/child; sleep 9; sleep 9",
		"cat; echo $$ >@/leader; echo $$ >@/child; sleep 60",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct run x = { .n = 1 };

		x.filters[0] = script_filter("f", FILTER_COMMAND, texts[i]);
		x.filters[0].timeout_ms = 1000;
		start(&x, message);
		finish(&x, 1);
		assert_int_equal(x.colours[0], COLOUR_ERROR);
		assert_string_equal(x.reasons[0], "no answer in 1 s");
		assert_int_equal(x.output, -1);
		assert_true(x.ms >= 1000 && x.ms < 10 * 1000);
		assert_true(is_dead("leader"));
		assert_true(is_dead("child"));
	}
}

/* A descendant that holds the pipes does not hold the message. */
static void
descendants(void **state)
{
	static const char *const texts[] = {
		"sleep 60 & echo $! >@/child; cat",
		"setsid sleep 8 & cat",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const char *const list[] = { texts[i], NULL };
		const char *const pair[] = { texts[i], "cat", NULL };
		struct run        x;

		run_commands(&x, list, message);
		assert_int_equal(x.colours[0], COLOUR_GREEN);
		assert_string_equal(content_of(x.output), message);
		assert_true(x.ms < 5000);
		close(x.output);
		if (i == 0)
			assert_true(is_dead("child"));

		run_commands(&x, pair, message);
		assert_int_equal(x.colours[1], COLOUR_GREEN);
		assert_string_equal(content_of(x.output), message);
		assert_true(x.ms < 5000);
		close(x.output);
	}
}

static void
wait_for(const char *name)
{
	char path[SCRIPT_PATH];

	snprintf(path, sizeof path, "%s/%s", scripts_folder, name);
	for (size_t i = 0; i < 500 && access(path, F_OK) != 0; i++)
		usleep(10 * 1000);
	assert_int_equal(access(path, F_OK), 0);
}

static void
cancelling(void **state)
{
	struct run x = { .n = 2 };

	(void)state;
	x.filters[0] = script_filter("f", FILTER_COMMAND,
	    "echo $$ >@/new; mv @/new @/cancelled-leader; sleep 60");
	x.filters[1] = script_filter("f", FILTER_COMMAND,
	    "sleep 60 & echo $! >@/new2; mv @/new2 @/cancelled-child; wait");
	start(&x, message);
	wait_for("cancelled-leader");
	wait_for("cancelled-child");
	stage_cancel(x.stage);
	finish(&x, 0);
	assert_true(x.ms < 15 * 1000);
	assert_true(is_dead("cancelled-leader"));
	assert_true(is_dead("cancelled-child"));
	stage_cancel(NULL);
}

/* --- what programs say --- */

static void
checks(void **state)
{
	static const struct {
		const char *text;
		enum colour colour;
		const char *reason;
	} rows[] = {
		{ "exit 0", COLOUR_GREEN, "" },
		{ "cat; exit 0", COLOUR_GREEN, "" },
		{ "exit 1", COLOUR_RED, "" },
		{ "exit 2", COLOUR_YELLOW, "" },
		{ "exit 31", COLOUR_RED, "" },
		{ "exit 3", COLOUR_ERROR, "exit code 3" },
		{ "exit 255", COLOUR_ERROR, "exit code 255" },
		{ "kill -HUP $$", COLOUR_ERROR, "killed by signal 1" },
		{ "echo reason a virus >&3; exit 1", COLOUR_RED, "a virus" },
		{ "echo Oops >&3; exit 0", COLOUR_ERROR,
		    "a garbled line on descriptor 3" },
		{ "echo score nan >&3; exit 1", COLOUR_ERROR,
		    "a garbled line on descriptor 3" },
		{ "yes 'test A' | head -c 70000 >&3; exit 0", COLOUR_ERROR,
		    "too much on descriptor 3" },
		{ "yes noise | head -c 3000000 >&2; exit 0", COLOUR_GREEN, "" },
		{ "grep -q body", COLOUR_GREEN, "" },
		{ "grep -q nothing", COLOUR_RED, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct run x = { .n = 1 };

		x.filters[0] = script_filter("f", FILTER_CHECK, rows[i].text);
		x.filters[0].code_colour[2] = COLOUR_YELLOW;
		x.filters[0].code_colour[31] = COLOUR_RED;
		start(&x, message);
		finish(&x, 1);
		assert_string_equal(
		    colour_name(x.colours[0]), colour_name(rows[i].colour));
		assert_string_equal(x.reasons[0], rows[i].reason);
		assert_int_equal(x.output, -1);
	}
}

static void
lines(void **state)
{
	struct run x;

	(void)state;
	run_check(&x, "printf 'score 6.1\\nthreshold 4\\ntest A 2\\n"
	              "header X-House: yes\\n' >&3");
	assert_int_equal(x.colours[0], COLOUR_GREEN);
	assert_true(x.has_score);
	assert_int_equal(x.score_milli, 6100);
	assert_int_equal(x.required_milli, 4000);
	assert_string_equal(x.marks, "X-House: yes\n");
	assert_string_equal(x.tests, "A=2.0");
}

/* Thresholds make a colour of the score; it can only be worse than the code's. */
static void
thresholds(void **state)
{
	static const struct {
		const char *text;
		enum colour colour;
	} rows[] = {
		{ "echo score 4.9 >&3", COLOUR_GREEN },
		{ "echo score 5 >&3", COLOUR_YELLOW },
		{ "echo score 7 >&3", COLOUR_RED },
		{ "echo score 1 >&3; exit 1", COLOUR_RED },
		{ "exit 1", COLOUR_RED },
		{ "exit 0", COLOUR_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct run x = { .n = 1 };

		x.filters[0] = script_filter("f", FILTER_CHECK, rows[i].text);
		x.filters[0].has_scores = true;
		x.filters[0].yellow_milli = 5000;
		x.filters[0].red_milli = 7000;
		start(&x, message);
		finish(&x, 1);
		assert_string_equal(
		    colour_name(x.colours[0]), colour_name(rows[i].colour));
	}
}

static void
shadows(void **state)
{
	struct run x = { .n = 1 };

	(void)state;
	x.filters[0] = script_filter("f", FILTER_COMMAND, "echo other");
	x.filters[0].shadow = true;
	start(&x, message);
	finish(&x, 1);
	assert_int_equal(x.colours[0], COLOUR_GREEN);
	assert_int_equal(x.output, -1);
}

static void
missing_programs(void **state)
{
	static const char *const programs[] = { "/nonexistent/filter",
		"/etc/passwd", "/" };

	(void)state;
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		for (size_t bad = 0; bad < 2; bad++) {
			struct run x = { .n = 2 };

			x.filters[0] = script_filter("f", FILTER_COMMAND, "cat");
			x.filters[1] = script_filter("f", FILTER_COMMAND, "cat");
			x.filters[bad].program = bytes_of(programs[i]);
			start(&x, message);
			finish(&x, 1);
			assert_int_equal(x.colours[bad], COLOUR_ERROR);
			assert_memory_equal(
			    x.reasons[bad], "cannot be started: ", 19);
			assert_int_equal(x.colours[1 - bad],
			    bad == 0 ? COLOUR_NONE : COLOUR_GREEN);
			assert_int_equal(x.output, -1);
		}
	}
}

/* No run leaves a descriptor open here. */
static void
descriptors(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int after;

	close(before);
	commands(state);
	missing_programs(state);
	cancelling(state);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(neighbours_are_drained),
		cmocka_unit_test(large_output),
		cmocka_unit_test(large_input),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(descendants),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(checks),
		cmocka_unit_test(lines),
		cmocka_unit_test(thresholds),
		cmocka_unit_test(shadows),
		cmocka_unit_test(missing_programs),
		cmocka_unit_test(descriptors),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, scripts_begin, scripts_end);
}
