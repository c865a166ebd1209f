#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"
#include "io/peer.h"
#include "proto/envelope_wire.h"
#include "proto/message.h"
#include "service/submit.h"

enum { MANY = 16, CREDITS = 2, MESSAGE_MAX = 4 * 1024 * 1024 };

/* What the client was told of one submission. */
struct told {
	unsigned      times;
	unsigned      turn; /* of all answers, when this one came; from 1 */
	uint16_t      code;
	struct status status;
	char          text[2048];
	size_t        text_n;
};

/* Client and server in one loop. */
static struct world {
	uv_loop_t             loop;
	struct submit_client *client;
	struct submit_server *server;
	unsigned              before; /* open descriptors */

	struct submit_job    *jobs[MANY]; /* in the order of arrival */
	size_t                n_jobs;
	size_t                most_open;
	unsigned              n_cancelled;
	bool                  answers_when_cancelled;

	struct told           told[MANY];
	unsigned              n_told;
	int                   reconnect_to; /* by the first done, unless -1 */
} w;

static unsigned
open_fds(void)
{
	DIR     *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static void
answer(struct submit_job *job, uint16_t code)
{
	const struct submit_result result = {
		.code = code,
		.status = { (uint8_t)(code / 100), 0, 0 },
		.text = BYTES("so be it"),
	};

	submit_answer(job, &result);
}

static void
on_received(struct submit_job *job, void *context)
{
	assert_ptr_equal(context, &w);
	assert_true(w.n_jobs < MANY);
	assert_false(submit_job_is_cancelled(job));
	w.jobs[w.n_jobs++] = job;
	if (submit_server_jobs(w.server) > w.most_open)
		w.most_open = submit_server_jobs(w.server);
}

static void
on_cancelled(struct submit_job *job, void *context)
{
	assert_ptr_equal(context, &w);
	assert_true(submit_job_is_cancelled(job));
	w.n_cancelled++;
	if (w.answers_when_cancelled)
		answer(job, 451);
}

static void
on_done(const struct submit_result *result, void *context)
{
	struct told *told = context;

	assert_true(result->text.n <= sizeof told->text);
	told->times++;
	told->turn = ++w.n_told;
	told->code = result->code;
	told->status = result->status;
	told->text_n = result->text.n;
	if (result->text.n > 0)
		memcpy(told->text, result->text.p, result->text.n);
	if (w.reconnect_to != -1) {
		int socket = w.reconnect_to;

		w.reconnect_to = -1;
		submit_client_connect(w.client, socket);
	}
}

/* The client takes one end of a new pair; the other. */
static int
connect_client(void)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	submit_client_connect(w.client, pair[0]);
	return pair[1];
}

static void
open_server(const char *scratch)
{
	w.server = submit_server_new(&w.loop, CREDITS, MESSAGE_MAX, scratch,
	    on_received, on_cancelled, &w);
	assert_non_null(w.server);
}

static void
open_world(const char *scratch)
{
	memset(&w, 0, sizeof w);
	w.reconnect_to = -1;
	w.before = open_fds();
	uv_loop_init(&w.loop);
	w.client = submit_client_new(&w.loop);
	assert_non_null(w.client);
	open_server(scratch);
}

static void
open_connected(const char *scratch)
{
	open_world(scratch);
	assert_true(submit_server_add(w.server, connect_client()));
	turn();
}

/* Nothing is left open, and nobody was told twice. */
static void
close_world(void)
{
	submit_client_free(w.client);
	submit_server_free(w.server);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(open_fds(), w.before);
	for (size_t i = 0; i < MANY; i++)
		assert_true(w.told[i].times <= 1);
}

/* The envelope of a message of six bytes for one; n stands in envid. */
static struct envelope
envelope_for(size_t n, struct envelope_recipient *recipient)
{
	static char digits[MANY][4];

	snprintf(digits[n], sizeof digits[n], "%zu", n);
	*recipient = (struct envelope_recipient){
		.address = BYTES("joe@example.org"),
		.original = BYTES("Joe@example.org"),
	};
	return (struct envelope){
		.arrival_ms = 1750000000000,
		.reverse_path = BYTES("a@example.net"),
		.envid = bytes_of(digits[n]),
		.listener = BYTES("local"),
		.size_bytes = 6,
		.recipients = recipient,
		.n_recipients = 1,
	};
}

static int
sealed_message(void)
{
	int fd = memfile_of("message", BYTES("hello\n"));

	assert_int_not_equal(fd, -1);
	return fd;
}

static struct submission *
send_number(size_t n)
{
	struct envelope_recipient recipient;
	struct envelope           envelope = envelope_for(n, &recipient);
	struct submission        *s;
	int                       fd = sealed_message();
	unsigned                  told = w.n_told;

	s = submit_send(w.client, &envelope, fd, on_done, &w.told[n]);
	assert_non_null(s);
	assert_int_equal(w.n_told, told); /* never from inside the call */
	close(fd);
	return s;
}

static void
assert_number(const struct submit_job *job, size_t n)
{
	char         number[4];
	struct bytes envid = submit_job_envelope(job)->envid;

	snprintf(number, sizeof number, "%zu", n);
	assert_true(bytes_equal(envid, bytes_of(number)));
}

static void
assert_unknown(const struct told *told)
{
	assert_int_equal(told->times, 1);
	assert_int_equal(told->code, 451);
	assert_int_equal(told->status.class, 4);
	assert_int_equal(told->status.subject, 3);
	assert_int_equal(told->status.detail, 0);
}

static void
assert_content(int fd, const char *expected)
{
	struct buf b;

	buf_init(&b, MESSAGE_MAX);
	assert_int_equal(memfile_read(fd, 0, &b), 0);
	assert_string_equal(buf_string(&b), expected);
	buf_finish(&b);
}

/* --- a server or a client made by hand --- */

static bool
receive_raw(int socket, uint16_t type, struct bytes *frame, int *fds)
{
	static char buffer[PEER_FRAME_MAX];

	return peer_receive_blocking(socket, buffer, frame, fds, 1000) &&
	    frame_type(*frame) == type;
}

static void
assert_end(int socket)
{
	struct bytes frame;
	int          fds[PEER_DESCRIPTORS];

	assert_false(receive_raw(socket, MSG_RESULT, &frame, fds));
	assert_false(peer_send_blocking(socket, BYTES("\1\0"), NULL, 0));
}

static void
submit_raw(int socket, uint64_t q)
{
	struct envelope_recipient recipient;
	struct envelope           envelope = envelope_for(0, &recipient);
	struct msg_submit         m = { .q = q };
	struct buf                wire, frame;
	int                       fd = sealed_message();

	buf_init(&wire, FRAME_MAX);
	buf_init(&frame, FRAME_MAX);
	envelope_add(&wire, &envelope);
	m.envelope = buf_bytes(&wire);
	msg_submit_add(&frame, &m);
	assert_true(peer_send_blocking(socket, buf_bytes(&frame), &fd, 1));
	buf_finish(&wire);
	buf_finish(&frame);
	close(fd);
}

static void
credit_raw(int socket, uint32_t n)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_credit_add(&frame, &(struct msg_credit){ n });
	assert_true(peer_send_blocking(socket, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
}

static void
result_raw(int socket, uint64_t q)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_result_add(&frame, &(struct msg_result){ .q = q, .code = 250, .class = 2 });
	assert_true(peer_send_blocking(socket, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
}

/* --- credits, order, results --- */

static void
credits_are_respected(void **state)
{
	enum { SENT = 10 };

	(void)state;
	open_connected(NULL);
	for (size_t i = 0; i < SENT; i++)
		send_number(i);
	for (size_t i = 0; i < SENT; i++) {
		turn();
		assert_int_equal(submit_server_jobs(w.server),
		    SENT - i < CREDITS ? SENT - i : CREDITS);
		assert_number(w.jobs[i], i);
		answer(w.jobs[i], 250);
	}
	turn();
	assert_int_equal(w.n_jobs, SENT);
	assert_int_equal(w.most_open, CREDITS);
	assert_int_equal(submit_server_jobs(w.server), 0);
	for (size_t i = 0; i < SENT; i++) {
		assert_int_equal(w.told[i].code, 250);
		assert_int_equal(w.told[i].turn, i + 1);
	}
	close_world();
}

static void
without_a_server_all_wait(void **state)
{
	(void)state;
	open_world(NULL);
	for (size_t i = 0; i < 3; i++)
		send_number(i);
	turn();
	assert_int_equal(w.n_told, 0);
	assert_true(submit_server_add(w.server, connect_client()));
	turn();
	assert_int_equal(w.n_jobs, CREDITS);
	assert_content(submit_job_fd(w.jobs[0]), "hello\n");
	close_world();
	assert_int_equal(w.n_told, 0); /* the client's end tells nobody */
}

static void
answers_find_their_submission(void **state)
{
	(void)state;
	open_connected(NULL);
	send_number(0);
	send_number(1);
	turn();
	answer(w.jobs[1], 554);
	answer(w.jobs[0], 250);
	turn();
	assert_int_equal(w.told[1].code, 554);
	assert_int_equal(w.told[1].turn, 1);
	assert_int_equal(w.told[0].code, 250);
	assert_int_equal(w.told[0].turn, 2);
	close_world();
}

static void
results_pass_whole(void **state)
{
	static char long_text[1025];
	static const struct {
		uint16_t      code;
		struct status status;
		struct bytes  text;
		size_t        n;
	} rows[] = {
		{ 250, { 2, 0, 0 }, BYTES_INIT("ok 01ABC"), 8 },
		{ 554, { 5, 7, 1 }, BYTES_INIT("no \0\r\n\xff"), 7 },
		{ 452, { 4, 999, 999 }, BYTES_INIT(""), 0 },
		{ 550, { 0, 0, 0 }, { long_text, 1024 }, 1024 },
		{ 65535, { 5, 0, 65535 }, { long_text, 1025 }, 1024 },
	};

	(void)state;
	memset(long_text, 'x', sizeof long_text);
	open_connected(NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct told *told = &w.told[i];

		send_number(i);
		turn();
		submit_answer(w.jobs[i],
		    &(struct submit_result){ rows[i].code, rows[i].status, rows[i].text });
		turn();
		assert_int_equal(told->times, 1);
		assert_int_equal(told->code, rows[i].code);
		assert_int_equal(told->status.class, rows[i].status.class);
		assert_int_equal(told->status.subject, rows[i].status.subject);
		assert_int_equal(told->status.detail, rows[i].status.detail);
		assert_int_equal(told->text_n, rows[i].n);
		assert_memory_equal(told->text, rows[i].text.p, rows[i].n);
	}
	close_world();
}

/* --- cancelling --- */

static void
cancelled_before_it_is_sent(void **state)
{
	struct submission *s;
	unsigned           fds;

	(void)state;
	open_connected(NULL);
	send_number(0);
	send_number(1);
	fds = open_fds();
	s = send_number(2);
	send_number(3);
	assert_int_equal(open_fds(), fds + 2);
	assert_true(submit_cancel(s));
	assert_int_equal(open_fds(), fds + 1);
	turn();
	answer(w.jobs[0], 250);
	answer(w.jobs[1], 250);
	turn();
	assert_int_equal(w.n_jobs, 3);
	assert_number(w.jobs[2], 3);
	answer(w.jobs[2], 250);
	turn();
	assert_int_equal(w.told[3].code, 250);
	assert_int_equal(w.told[2].times, 0);
	assert_int_equal(w.n_cancelled, 0);
	close_world();
}

static void
cancelled_when_it_was_sent(void **state)
{
	struct submission *s;

	(void)state;
	open_connected(NULL);
	send_number(0);
	s = send_number(1);
	assert_false(submit_cancel(s));
	assert_false(submit_cancel(s));
	turn();
	assert_int_equal(w.n_cancelled, 1);
	assert_false(submit_job_is_cancelled(w.jobs[0]));
	assert_true(submit_job_is_cancelled(w.jobs[1]));
	assert_int_equal(w.told[1].times, 0);
	answer(w.jobs[1], 250); /* it was too late */
	turn();
	assert_int_equal(w.told[1].times, 1);
	assert_int_equal(w.told[1].code, 250);
	assert_int_equal(w.told[0].times, 0);
	close_world();
}

/* CANCEL and RESULT cross: that is no fault of the client. */
static void
cancel_crosses_the_result(void **state)
{
	struct submission *s;

	(void)state;
	open_connected(NULL);
	s = send_number(0);
	turn();
	answer(w.jobs[0], 250);
	assert_false(submit_cancel(s));
	turn();
	assert_int_equal(w.n_cancelled, 0);
	assert_int_equal(w.told[0].code, 250);
	send_number(1);
	turn();
	assert_int_equal(w.n_jobs, 2);
	close_world();
}

/* --- one end is gone --- */

static void
server_gone(void **state)
{
	(void)state;
	for (int replaced = 0; replaced < 2; replaced++) {
		struct submit_server *old;

		open_connected(NULL);
		for (size_t i = 0; i < 4; i++)
			send_number(i);
		turn();
		assert_int_equal(w.n_jobs, 2);
		old = w.server;
		if (!replaced) {
			submit_server_free(old);
			turn();
			assert_int_equal(w.n_told, 2);
		}
		open_server(NULL);
		assert_true(submit_server_add(w.server, connect_client()));
		turn();
		assert_int_equal(w.n_told, 2);
		assert_unknown(&w.told[0]);
		assert_unknown(&w.told[1]);
		assert_int_equal(w.n_jobs, 4);
		assert_number(w.jobs[2], 2);
		assert_number(w.jobs[3], 3);
		assert_content(submit_job_fd(w.jobs[3]), "hello\n");
		answer(w.jobs[2], 250);
		turn();
		assert_int_equal(w.told[2].code, 250);
		if (replaced)
			submit_server_free(old);
		close_world();
	}
}

/* Whoever hears of the end connects anew at once, from inside done. */
static void
done_may_connect(void **state)
{
	int pair[2], other;

	(void)state;
	open_world(NULL);
	other = connect_client();
	credit_raw(other, 2);
	turn();
	for (size_t i = 0; i < 3; i++)
		send_number(i);
	assert_int_equal(peer_pair(pair), 0);
	w.reconnect_to = pair[0];
	assert_true(submit_server_add(w.server, pair[1]));
	result_raw(other, 1);
	turn();
	assert_int_equal(w.told[0].times, 1);
	assert_int_equal(w.told[0].code, 250);
	assert_unknown(&w.told[1]);
	assert_int_equal(w.n_jobs, 1);
	assert_number(w.jobs[0], 2);
	close(other);
	close_world();
}

static void
client_gone(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		struct submission *s;

		open_connected(NULL);
		w.answers_when_cancelled = at_once;
		send_number(0);
		s = send_number(1);
		if (!at_once)
			submit_cancel(s);
		turn();
		assert_int_equal(w.n_cancelled, at_once ? 0 : 1);
		submit_client_free(w.client);
		w.client = NULL;
		turn();
		assert_int_equal(w.n_cancelled, 2); /* once for each */
		assert_int_equal(submit_server_jobs(w.server), at_once ? 0 : 2);
		if (!at_once) {
			assert_content(submit_job_fd(w.jobs[0]), "hello\n");
			answer(w.jobs[0], 250);
			answer(w.jobs[1], 250);
		}
		assert_int_equal(submit_server_jobs(w.server), 0);
		turn();
		assert_int_equal(w.n_told, 0);
		assert_int_equal(w.n_cancelled, 2);
		close_world();
	}
}

/* --- what travels --- */

enum { RECIPIENTS = 10000 };

static struct envelope
large_envelope(struct envelope_recipient *recipients)
{
	static char     names[RECIPIENTS][32];
	struct envelope envelope = envelope_for(0, recipients);

	for (size_t i = 0; i < RECIPIENTS; i++) {
		snprintf(names[i], sizeof names[i], "user%zu@example.org", i);
		recipients[i] = (struct envelope_recipient){
			.address = bytes_of(names[i]),
			.original = bytes_of(names[i]),
			.notify = i % 2 ? NOTIFY_NEVER : NOTIFY_UNSET,
		};
	}
	envelope.n_recipients = RECIPIENTS;
	return envelope;
}

static void
large_envelope_arrives(void **state)
{
	static struct envelope_recipient recipients[RECIPIENTS];
	struct envelope                  envelope = large_envelope(recipients);
	const struct envelope           *got;
	int                              fd;

	(void)state;
	open_connected(NULL);
	fd = sealed_message();
	assert_non_null(submit_send(w.client, &envelope, fd, on_done, &w.told[0]));
	close(fd);
	turn();
	assert_int_equal(w.n_jobs, 1);
	got = submit_job_envelope(w.jobs[0]);
	assert_int_equal(got->n_recipients, RECIPIENTS);
	for (size_t i = 0; i < RECIPIENTS; i++) {
		assert_true(bytes_equal(
		    got->recipients[i].address, recipients[i].address));
		assert_int_equal(got->recipients[i].notify, recipients[i].notify);
	}
	assert_content(submit_job_fd(w.jobs[0]), "hello\n");
	close_world();
}

static void
large_envelope_is_a_memory_file(void **state)
{
	static struct envelope_recipient recipients[RECIPIENTS];
	struct envelope                  envelope = large_envelope(recipients);
	struct msg_submit                m;
	struct bytes                     frame;
	uint64_t                         size;
	int                              other, fds[PEER_DESCRIPTORS];
	int                              fd;

	(void)state;
	open_world(NULL);
	fd = sealed_message();
	other = connect_client();
	credit_raw(other, 1);
	turn();
	assert_non_null(submit_send(w.client, &envelope, fd, on_done, &w.told[0]));
	assert_true(receive_raw(other, MSG_SUBMIT, &frame, fds));
	assert_true(msg_submit_read(frame, &m));
	assert_int_equal(m.is_large, 1);
	assert_int_equal(m.envelope.n, 0);
	assert_int_equal(
	    memfile_check(fds[1], ENVELOPE_WIRE_MAX, &size), MEMFILE_SEALED);
	assert_true(size > FRAME_MAX);
	assert_int_equal(fds[2], -1);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	close(other);
	close_world();
}

static void
sealed_message_is_taken_as_it_is(void **state)
{
	struct envelope_recipient recipient;
	struct envelope           envelope = envelope_for(0, &recipient);
	struct stat               sent, got;
	int                       fd;

	(void)state;
	open_connected("/var/tmp");
	fd = sealed_message();
	assert_non_null(submit_send(w.client, &envelope, fd, on_done, &w.told[0]));
	turn();
	assert_int_equal(fstat(fd, &sent), 0);
	assert_int_equal(fstat(submit_job_fd(w.jobs[0]), &got), 0);
	assert_int_equal(got.st_ino, sent.st_ino);
	assert_int_equal(got.st_dev, sent.st_dev);
	close(fd);
	close_world();
}

/* Changing the original afterwards changes nothing. */
static void
unsealed_message_is_copied(void **state)
{
	static const struct {
		const char       *scratch;
		size_t            size;
		enum memfile_kind kind; /* of the copy */
	} rows[] = {
		{ NULL, 6, MEMFILE_SEALED },
		{ NULL, 3 * 1024 * 1024, MEMFILE_SEALED },
		{ "/var/tmp", 6, MEMFILE_SEALED },
		{ "/var/tmp", 3 * 1024 * 1024, MEMFILE_OPEN },
	};
	static char text[3 * 1024 * 1024 + 1];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct envelope_recipient recipient;
		struct envelope           envelope = envelope_for(0, &recipient);
		struct stat               got;
		uint64_t                  size;
		int                       fd, copy;

		open_connected(rows[i].scratch);
		fd = memfile_new("unsealed");
		memset(text, 'a', rows[i].size);
		text[rows[i].size] = '\0';
		assert_int_equal(
		    memfile_write(fd, (struct bytes){ text, rows[i].size }), 0);
		envelope.size_bytes = rows[i].size;
		assert_non_null(
		    submit_send(w.client, &envelope, fd, on_done, &w.told[0]));
		turn();
		assert_int_equal(w.n_jobs, 1);
		assert_int_equal(pwrite(fd, "b", 1, 0), 1);
		assert_int_equal(ftruncate(fd, 1), 0);
		copy = submit_job_fd(w.jobs[0]);
		assert_content(copy, text);
		assert_int_equal(memfile_check(copy, MESSAGE_MAX, &size), rows[i].kind);
		assert_int_equal(fstat(copy, &got), 0);
		assert_int_equal(got.st_nlink, 0);
		close(fd);
		close_world();
	}
}

enum message_file { SEALED, TOO_LARGE, PIPE, FOLDER };

static int
message_file(enum message_file kind)
{
	int fd, ends[2];

	switch (kind) {
	case SEALED:
		return sealed_message();
	case TOO_LARGE:
		fd = memfile_new("message");
		assert_int_equal(ftruncate(fd, MESSAGE_MAX + 1), 0);
		assert_int_equal(memfile_seal(fd), 0);
		return fd;
	case PIPE:
		assert_int_equal(pipe(ends), 0);
		close(ends[1]);
		return ends[0];
	case FOLDER:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

/* It is answered 451 and nobody hears of it; the next one passes. */
static void
unusable_messages(void **state)
{
	static const struct {
		enum message_file kind;
		uint64_t          size;
		size_t            n_recipients;
	} rows[] = {
		{ SEALED, 5, 1 },
		{ SEALED, 7, 1 },
		{ SEALED, 6 + (1ULL << 32), 1 },
		{ SEALED, 6, 0 },
		{ TOO_LARGE, MESSAGE_MAX + 1, 1 },
		{ PIPE, 0, 1 },
		{ FOLDER, 4096, 1 },
	};
	size_t n = sizeof rows / sizeof rows[0];

	(void)state;
	open_connected(NULL);
	for (size_t i = 0; i < n; i++) {
		struct envelope_recipient recipient;
		struct envelope           envelope = envelope_for(i, &recipient);
		int                       fd = message_file(rows[i].kind);

		envelope.size_bytes = rows[i].size;
		envelope.n_recipients = rows[i].n_recipients;
		assert_non_null(
		    submit_send(w.client, &envelope, fd, on_done, &w.told[i]));
		close(fd);
		turn();
		assert_unknown(&w.told[i]);
		assert_int_equal(submit_server_jobs(w.server), 0);
	}
	assert_int_equal(w.n_jobs, 0);
	send_number(n);
	turn();
	assert_int_equal(w.n_jobs, 1);
	close_world();
}

/* --- who breaks the rules --- */

static void
more_than_the_credits(void **state)
{
	struct msg_credit m;
	struct bytes      frame;
	int               pair[2], fds[PEER_DESCRIPTORS];

	(void)state;
	open_connected(NULL);
	send_number(0);
	assert_int_equal(peer_pair(pair), 0);
	assert_true(submit_server_add(w.server, pair[1]));
	turn();
	assert_true(receive_raw(pair[0], MSG_CREDIT, &frame, fds));
	assert_true(msg_credit_read(frame, &m));
	assert_int_equal(m.n, CREDITS);
	for (uint64_t q = 1; q <= CREDITS; q++)
		submit_raw(pair[0], q);
	turn();
	assert_int_equal(w.n_jobs, 1 + CREDITS);
	assert_int_equal(w.n_cancelled, 0);
	submit_raw(pair[0], CREDITS + 1);
	turn();
	assert_int_equal(w.n_jobs, 1 + CREDITS);
	assert_int_equal(w.n_cancelled, CREDITS);
	assert_end(pair[0]);
	close(pair[0]);
	/* Nobody else suffers. */
	assert_false(submit_job_is_cancelled(w.jobs[0]));
	answer(w.jobs[0], 250);
	turn();
	assert_int_equal(w.told[0].code, 250);
	close_world();
}

static void
garbled_frames_end_the_client(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t  is_large;
		size_t   n_fds;
		size_t   cut; /* bytes missing at the end */
	} rows[] = {
		{ MSG_SUBMIT, 0, 0, 0 },
		{ MSG_SUBMIT, 0, 2, 0 },
		{ MSG_SUBMIT, 0, 3, 0 },
		{ MSG_SUBMIT, 1, 1, 0 },
		{ MSG_SUBMIT, 0, 1, 1 },
		{ MSG_CANCEL, 0, 0, 1 },
		{ MSG_CANCEL, 0, 1, 0 },
		{ MSG_RESULT, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf   frame;
		struct bytes credit;
		int          pair[2], fds[PEER_DESCRIPTORS];
		int          fd, send[3];

		open_world(NULL);
		fd = send[0] = send[1] = send[2] = sealed_message();
		assert_int_equal(peer_pair(pair), 0);
		assert_true(submit_server_add(w.server, pair[1]));
		assert_true(receive_raw(pair[0], MSG_CREDIT, &credit, fds));
		buf_init(&frame, FRAME_MAX);
		if (rows[i].type == MSG_SUBMIT)
			msg_submit_add(&frame,
			    &(struct msg_submit){ 1, BYTES(""), rows[i].is_large });
		else if (rows[i].type == MSG_CANCEL)
			msg_cancel_add(&frame, &(struct msg_cancel){ 1 });
		else
			msg_result_add(&frame, &(struct msg_result){ .q = 1 });
		assert_true(peer_send_blocking(pair[0],
		    bytes_first(buf_bytes(&frame), frame.len - rows[i].cut), send,
		    rows[i].n_fds));
		turn();
		assert_int_equal(w.n_jobs, 0);
		assert_end(pair[0]);
		buf_finish(&frame);
		close(pair[0]);
		close(fd);
		close_world();
	}
}

/* An envelope that cannot be read spoils one message, not the connection. */
static void
garbled_envelope(void **state)
{
	struct msg_result m;
	struct buf        frame;
	struct bytes      got;
	int               pair[2], fds[PEER_DESCRIPTORS];
	int               fd;

	(void)state;
	open_world(NULL);
	fd = sealed_message();
	assert_int_equal(peer_pair(pair), 0);
	assert_true(submit_server_add(w.server, pair[1]));
	assert_true(receive_raw(pair[0], MSG_CREDIT, &got, fds));
	buf_init(&frame, FRAME_MAX);
	msg_submit_add(&frame, &(struct msg_submit){ 77, BYTES("\1rubbish"), 0 });
	assert_true(peer_send_blocking(pair[0], buf_bytes(&frame), &fd, 1));
	turn();
	assert_true(receive_raw(pair[0], MSG_RESULT, &got, fds));
	assert_true(msg_result_read(got, &m));
	assert_int_equal(m.q, 77);
	assert_int_equal(m.code, 451);
	submit_raw(pair[0], 78);
	turn();
	assert_int_equal(w.n_jobs, 1);
	buf_finish(&frame);
	close(pair[0]);
	close(fd);
	close_world();
}

/* A server that answers what was not asked, or grants beyond all bounds. */
static void
server_that_lies(void **state)
{
	static const struct {
		uint64_t q;
		uint32_t credit;
	} rows[] = {
		{ 0, 0 },
		{ 2, 0 }, /* it waits, and was not sent */
		{ 99, 0 },
		{ 0, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int other;

		open_world(NULL);
		other = connect_client();
		credit_raw(other, 1);
		turn();
		send_number(0);
		send_number(1);
		if (rows[i].credit > 0) {
			credit_raw(other, rows[i].credit);
			credit_raw(other, rows[i].credit);
		} else {
			result_raw(other, rows[i].q);
		}
		turn();
		assert_unknown(&w.told[0]);
		assert_int_equal(w.told[1].times, rows[i].credit > 0);
		close(other);
		close_world();
	}
}

/* The first loop of a process opens descriptors that stay. */
static int
first_loop(void **state)
{
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	return uv_loop_close(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credits_are_respected),
		cmocka_unit_test(without_a_server_all_wait),
		cmocka_unit_test(answers_find_their_submission),
		cmocka_unit_test(results_pass_whole),
		cmocka_unit_test(cancelled_before_it_is_sent),
		cmocka_unit_test(cancelled_when_it_was_sent),
		cmocka_unit_test(cancel_crosses_the_result),
		cmocka_unit_test(server_gone),
		cmocka_unit_test(done_may_connect),
		cmocka_unit_test(client_gone),
		cmocka_unit_test(large_envelope_arrives),
		cmocka_unit_test(large_envelope_is_a_memory_file),
		cmocka_unit_test(sealed_message_is_taken_as_it_is),
		cmocka_unit_test(unsealed_message_is_copied),
		cmocka_unit_test(unusable_messages),
		cmocka_unit_test(more_than_the_credits),
		cmocka_unit_test(garbled_frames_end_the_client),
		cmocka_unit_test(garbled_envelope),
		cmocka_unit_test(server_that_lies),
	};

	return cmocka_run_group_tests(tests, first_loop, NULL);
}
