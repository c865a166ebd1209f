/* The spamd stage against a server that is played by a child of the test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "hiq/dead.h"
#include "hiq/stage.h"
#include "io/clock.h"

#include "scripts.h"

enum { SERVERS = 3 };

/* Bare LF, CRLF and a last line without an end. */
static const char message[] = "Subject: test\n\nbody\r\nlast";

static const char request[] =
    "SYMBOLS SPAMC/1.5\r\nContent-length: 59\r\n\r\n"
    "X-Envelope-From: <s@y.example>\r\n"
    "Subject: test\r\n\r\nbody\r\nlast";

static const char green_reply[] =
    "SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\n"
    "Spam: False ; 2.1 / 5.0\r\n\r\nA,B\r\n";

/* What one server does. */
struct server {
	const char *reply;      /* NULL: nobody listens there */
	bool        is_unix;
	bool        is_silent;  /* takes the message and says nothing for long */
	bool        is_deaf;    /* replies before it has read */

	/* while it runs */
	int         listener;
	int         got;        /* a memory file: what it was sent */
	pid_t       pid;
	char        address[128];
};

static void
serve(const struct server *s)
{
	char    piece[4096];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
	for (;;) {
		int fd = accept(s->listener, NULL, NULL);

		if (fd == -1)
			_exit(1);
		while (!s->is_deaf && (n = read(fd, piece, sizeof piece)) > 0)
			if (write(s->got, piece, (size_t)n) != n)
				_exit(1);
		if (s->is_silent)
			sleep(60);
		if (write(fd, s->reply, strlen(s->reply)) == -1)
			_exit(1);
		close(fd);
	}
}

static void
listen_inet(struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          n = sizeof a;

	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(s->listener, (const struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(
	    getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
	snprintf(s->address, sizeof s->address, "127.0.0.1:%u",
	    (unsigned)ntohs(a.sin_port));
}

static void
listen_unix(struct server *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(s->address, sizeof s->address, "%s/socket", scripts_folder);
	memcpy(a.sun_path, s->address, strlen(s->address) + 1);
	unlink(s->address);
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(s->listener, (const struct sockaddr *)&a, sizeof a), 0);
}

static void
begin_server(struct server *s)
{
	if (s->is_unix)
		listen_unix(s);
	else
		listen_inet(s);
	s->got = memfile_new("got");
	if (s->reply == NULL) {
		close(s->listener);
		return;
	}
	assert_int_equal(listen(s->listener, 5), 0);
	s->pid = fork();
	assert_int_not_equal(s->pid, -1);
	if (s->pid == 0)
		serve(s);
	close(s->listener);
}

static void
end_server(struct server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	close(s->got);
}

struct outcome {
	unsigned    n_done;
	enum colour colour;
	int64_t     score_milli, required_milli;
	char        reason[200], tests[200];
	uint64_t    ms;
};

static void
on_done(const struct stage_report *report, void *context)
{
	const struct stage_result *r = &report->results[0];
	struct outcome            *o = context;

	o->n_done++;
	o->colour = r->colour;
	o->score_milli = r->score_milli;
	o->required_milli = r->required_milli;
	assert_true(bytes_to_string(r->reason, o->reason, sizeof o->reason));
	assert_true(bytes_to_string(r->tests, o->tests, sizeof o->tests));
	assert_int_equal(report->output, -1);
}

static void
on_cancel_timer(uv_timer_t *timer)
{
	stage_cancel(timer->data);
	uv_close((uv_handle_t *)timer, NULL);
}

/* Ask those servers, in that order. cancel_ms: not 0, hang up after so long. */
static void
ask(struct server *servers, size_t n, const char *text, uint64_t timeout_ms,
    uint64_t cancel_ms, struct outcome *out)
{
	struct endpoint        list[SERVERS];
	const struct envelope  envelope = { .reverse_path = BYTES_INIT("s@y.example") };
	struct config_filter   filter = { .kind = FILTER_SPAMD, .has_scores = true,
		  .yellow_milli = 5000, .red_milli = 7000,
		  .timeout_ms = timeout_ms, .spamd = { list, n } };
	uv_loop_t              loop;
	uv_timer_t             timer;
	struct stage_task      task = { .loop = &loop, .filters = &filter, .n = 1,
		     .envelope = &envelope, .size_bytes = strlen(text) };
	struct stage          *stage;

	*out = (struct outcome){ .ms = clock_monotonic_ms() };
	for (size_t i = 0; i < n; i++)
		assert_true(endpoint_parse(bytes_of(servers[i].address), &list[i]));
	assert_int_equal(uv_loop_init(&loop), 0);
	task.fd = message_of(text);
	stage = stage_start(&task, on_done, out);
	assert_non_null(stage);
	assert_int_equal(out->n_done, 0);
	if (cancel_ms > 0) {
		uv_timer_init(&loop, &timer);
		timer.data = stage;
		uv_timer_start(&timer, on_cancel_timer, cancel_ms, 0);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(task.fd);
	out->ms = clock_monotonic_ms() - out->ms;
}

static void
replies(void **state)
{
	static const struct {
		struct server servers[SERVERS];
		size_t        n;
		enum colour   colour;
		const char   *reason;
		size_t        asked; /* how many were sent the message */
	} rows[] = {
		{ { { .reply = green_reply } }, 1, COLOUR_GREEN, "", 1 },
		{ { { .reply = green_reply, .is_unix = true } }, 1, COLOUR_GREEN,
		    "", 1 },
		{ { { .reply = "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 5.0 / 5.0\r\n\r\n" } },
		    1, COLOUR_YELLOW, "", 1 },
		/* our own thresholds decide, not spamd's */
		{ { { .reply = "SPAMD/1.1 0 EX_OK\r\nSpam: False ; 7.0 / 9.0\r\n\r\n" } },
		    1, COLOUR_RED, "", 1 },

		/* never a colour */
		{ { { .reply = "SPAMD/1.1 0 EX_OK\r\nSpam: False ; nan / 5\r\n\r\n" },
		      { .reply = green_reply } },
		    2, COLOUR_ERROR, "garbled Spam header", 1 },
		{ { { .reply = "SPAMD/1.1 0 EX_OK\r\nContent-le" },
		      { .reply = green_reply } },
		    2, COLOUR_ERROR, "reply cut short", 1 },
		{ { { .reply = "SPAMD/1.0 76 Bad header line\r\n" } }, 1,
		    COLOUR_ERROR, "76 Bad header line", 1 },

		/* the next address */
		{ { { .reply = NULL }, { .reply = green_reply } }, 2, COLOUR_GREEN,
		    "", 1 },
		{ { { .reply = NULL, .is_unix = true }, { .reply = NULL },
		      { .reply = green_reply } },
		    3, COLOUR_GREEN, "", 1 },
		{ { { .reply = NULL }, { .reply = NULL } }, 2, COLOUR_ERROR,
		    "no address can be reached", 0 },
		{ { { .reply = "" }, { .reply = green_reply } }, 2, COLOUR_GREEN,
		    "", 2 },
		{ { { .reply = "" }, { .reply = "" }, { .reply = green_reply } }, 3,
		    COLOUR_ERROR, "it closed the connection without an answer",
		    2 },
		{ { { .reply = "" } }, 1, COLOUR_ERROR,
		    "it closed the connection without an answer", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct server  servers[SERVERS];
		struct outcome out;
		size_t         asked = 0;

		memcpy(servers, rows[i].servers, sizeof servers);
		for (size_t k = 0; k < rows[i].n; k++)
			begin_server(&servers[k]);
		ask(servers, rows[i].n, message, 10 * 1000, 0, &out);
		assert_int_equal(out.n_done, 1);
		assert_string_equal(
		    colour_name(out.colour), colour_name(rows[i].colour));
		assert_string_equal(out.reason, rows[i].reason);
		assert_true(out.ms < 5000);
		for (size_t k = 0; k < rows[i].n; k++) {
			const char *got = content_of(servers[k].got);

			asked += *got != '\0';
			if (*got)
				assert_string_equal(got, request);
			end_server(&servers[k]);
		}
		assert_int_equal(asked, rows[i].asked);
	}
}

static void
says_what_it_found(void **state)
{
	struct server  s = { .reply = green_reply };
	struct outcome out;

	(void)state;
	begin_server(&s);
	ask(&s, 1, message, 10 * 1000, 0, &out);
	end_server(&s);
	assert_int_equal(out.score_milli, 2100);
	assert_int_equal(out.required_milli, 5000);
	assert_string_equal(out.tests, "A,B");
}

static void
silence(void **state)
{
	struct server  s = { .reply = green_reply, .is_silent = true };
	struct outcome out;

	(void)state;
	begin_server(&s);
	ask(&s, 1, message, 1000, 0, &out);
	assert_int_equal(out.colour, COLOUR_ERROR);
	assert_string_equal(out.reason, "no answer in 1 s");
	assert_true(out.ms >= 1000 && out.ms < 4000);
	end_server(&s);

	begin_server(&s);
	ask(&s, 1, message, 60 * 1000, 200, &out);
	assert_int_equal(out.n_done, 0); /* cancelled */
	assert_true(out.ms < 4000);
	end_server(&s);
}

/* Long, all line ends: twice the size on the wire; and a server that does not listen. */
static void
long_messages(void **state)
{
	enum { SIZE = 300 * 1000 };
	struct server  listens = { .reply = green_reply };
	struct server  deaf = { .reply = "SPAMD/1.0 76 no\r\n", .is_deaf = true };
	char          *text = calloc(1, SIZE + 1);
	struct outcome out;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', SIZE);
	begin_server(&listens);
	ask(&listens, 1, text, 10 * 1000, 0, &out);
	assert_int_equal(out.colour, COLOUR_GREEN);
	assert_non_null(
	    strstr(content_of(listens.got), "Content-length: 600032\r\n"));
	assert_int_equal(lseek(listens.got, 0, SEEK_END), 45 + 600032);
	end_server(&listens);

	/* it may have been reset before its reply was read */
	begin_server(&deaf);
	ask(&deaf, 1, text, 10 * 1000, 0, &out);
	assert_int_equal(out.colour, COLOUR_ERROR);
	end_server(&deaf);
	free(text);
}

static void
dead_addresses(void **state)
{
	(void)state;
	assert_false(dead_is(BYTES("a"), 1000));
	dead_note(BYTES("a"), 1000);
	dead_note(BYTES("b"), 3000);
	assert_true(dead_is(BYTES("a"), 1000 + DEAD_FOR_MS - 1));
	assert_false(dead_is(BYTES("a"), 1000 + DEAD_FOR_MS));
	assert_true(dead_is(BYTES("b"), 1000 + DEAD_FOR_MS));
	dead_forget(BYTES("b"));
	assert_false(dead_is(BYTES("b"), 3000));
	/* more than there is room for: the one that ends first is forgotten */
	for (char c = 'A'; c <= 'Z'; c++)
		for (char d = 'a'; d <= 'c'; d++)
			dead_note((struct bytes){ (char[]){ c, d }, 2 },
			    5000 + (uint64_t)c * 10 + (uint64_t)(d - 'a'));
	assert_true(dead_is(BYTES("Zc"), 5000));
	assert_false(dead_is(BYTES("Aa"), 5000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies),
		cmocka_unit_test(says_what_it_found),
		cmocka_unit_test(silence),
		cmocka_unit_test(long_messages),
		cmocka_unit_test(dead_addresses),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, scripts_begin, scripts_end);
}
