/* Deliveries by .qmail files, as the queue asks for them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "deliver/agent.h"
#include "home.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/memfile.h"
#include "io/peer.h"
#include "io/peer_blocking.h"
#include "mail/id.h"
#include "mail/outcome.h"
#include "mail/verdict.h"
#include "proto/message.h"

enum { WAIT_MS = 20000 };

#define MESSAGE "Subject: a\n\nFrom b\n"

static uv_loop_t     loop;
static struct users  users;
static struct agent *agent;
static int           queue = -1; /* our end */
static char          room[PEER_FRAME_MAX];
static uint64_t      born_ms; /* of the messages */
static struct config config = {
	.hostname = BYTES_INIT("mx.example.org"),
	.yellow_folder = BYTES_INIT("Junk"),
	.program_timeout_ms = 20000,
};

/* What came back; text and the forward's texts lie in room. */
struct answer {
	struct msg_outcome m;
	int                forward; /* -1: none */
};

static void
changed(void)
{
}

static struct bytes
receive(int *fds)
{
	struct bytes frame = { NULL, 0 };

	for (;;) {
		struct pollfd p = { queue, POLLIN, 0 };

		uv_run(&loop, UV_RUN_NOWAIT);
		if (poll(&p, 1, 5) == 1)
			break;
	}
	assert_true(peer_receive_blocking(queue, room, &frame, fds, WAIT_MS));
	return frame;
}

static int
set_up(void **state)
{
	struct msg_hello m;
	int              pair[2], fds[PEER_DESCRIPTORS];

	if (make_home(state) == -1 || uv_loop_init(&loop) != 0)
		return -1;
	born_ms = clock_now_ms();
	agent = agent_new(&loop, &users, changed);
	agent_use(agent, &config);
	assert_int_equal(peer_pair(pair), 0);
	queue = pair[0];
	agent_connect(agent, pair[1]);
	assert_true(msg_hello_read(receive(fds), &m));
	return users_add(&users, BYTES("=joe"), bytes_of(home), BYTES("joe")) ? 0 : -1;
}

static int
tear_down(void **state)
{
	close(queue);
	agent_free(agent);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		return -1;
	users_finish(&users);
	users = (struct users){ 0 };
	return remove_home(state);
}

static void
put(const char *name, const char *content, mode_t mode)
{
	char path[PATH_TEXT];
	int  fd;

	path_at(path, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
make(const char *name)
{
	char path[PATH_TEXT];

	path_at(path, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
make_maildir(void)
{
	make("box");
	make("box/tmp");
	make("box/cur");
	make("box/new");
}

static void
expect_content(const char *below, const char *content)
{
	char       path[PATH_TEXT];
	struct buf b;

	path_at(path, below);
	buf_init(&b, 1 << 20);
	assert_int_equal(file_read(path, &b, NULL), 0);
	assert_string_equal(buf_string(&b), content);
	buf_finish(&b);
}

static struct id
id_of(uint8_t number)
{
	return id_make(born_ms, (const uint8_t[ID_RANDOM]){ number });
}

/* Takes the body. */
static void
send_body(uint8_t number, int body, uint64_t size_bytes,
    const char *reverse_path, const char *dash, const char *ext)
{
	struct id          id = id_of(number);
	char               local[256], address[512];
	struct msg_deliver m = {
		.token = number,
		.id = id_bytes(&id),
		.recipient = 1,
		.user = BYTES("=joe"),
		.is_qmail = 1,
		.local = bytes_of(local),
		.dash = bytes_of(dash),
		.extension = bytes_of(ext),
		.reverse_path = bytes_of(reverse_path),
		.colour = COLOUR_GREEN,
		.size = size_bytes,
	};
	struct buf b;

	snprintf(local, sizeof local, "joe%s%s", dash, ext);
	snprintf(address, sizeof address, "%s@x.example", ext[0] ? ext : "joe");
	m.local = bytes_of(local);
	m.address = bytes_of(address);
	buf_init(&b, FRAME_MAX);
	msg_deliver_add(&b, &m);
	assert_true(peer_send_blocking(queue, buf_bytes(&b), &body, 1));
	buf_finish(&b);
	close(body);
}

static void
send_message(uint8_t number, struct bytes message, const char *reverse_path,
    const char *dash, const char *ext)
{
	send_body(number, memfile_of("body", message), message.n, reverse_path,
	    dash, ext);
}

static struct answer
receive_answer(uint8_t number)
{
	struct answer a;
	struct id     id = id_of(number);
	int           fds[PEER_DESCRIPTORS];

	assert_true(msg_outcome_read(receive(fds), &a.m));
	assert_true(bytes_equal(a.m.id, id_bytes(&id)));
	a.forward = a.m.forward_id.n > 0 ? fds[0] : -1;
	return a;
}

static void
expect(const struct answer *a, enum outcome_kind kind, struct status status,
    const char *text)
{
	if (!bytes_equal(a->m.text, bytes_of(text)))
		print_error("%.*s\n", BYTES_ARG(a->m.text));
	assert_true(bytes_equal(a->m.text, bytes_of(text)));
	assert_int_equal(a->m.kind, kind);
	assert_int_equal(a->m.class, status.class);
	assert_int_equal(a->m.subject, status.subject);
	assert_int_equal(a->m.detail, status.detail);
}

static struct answer
deliver(const char *dash, const char *ext)
{
	static uint8_t number;

	send_message(++number, BYTES(MESSAGE), "ann@far.example", dash, ext);
	return receive_answer(number);
}

static void
expect_delivered(const char *ext, const char *text)
{
	struct answer a = deliver("-", ext);

	expect(&a, OUTCOME_DELIVERED, STATUS(2, 0, 0), text);
	assert_int_equal(a.forward, -1);
}

/* --- the lines --- */

static void
test_default(void **state)
{
	struct answer a;

	(void)state;
	a = deliver("", "");
	expect(&a, OUTCOME_DELIVERED, STATUS(2, 0, 0), "delivered");
	put(".qmail", "", 0600);
	a = deliver("", "");
	expect(&a, OUTCOME_DELIVERED, STATUS(2, 0, 0), "delivered");
	assert_int_equal(count("Maildir/new"), 2);
	a = deliver("-", "none");
	expect(&a, OUTCOME_FAILED, STATUS(5, 1, 1), "no mailbox here by that name");
	put(".qmail-default", "", 0600);
	a = deliver("-", "none");
	expect(&a, OUTCOME_DELIVERED, STATUS(2, 0, 0), "delivered");
	assert_int_equal(count("Maildir/new"), 3);
}

static void
test_each_kind(void **state)
{
	char line[4 * PATH_TEXT];

	(void)state;
	make_maildir();
	put(".qmail-a", "# a comment\n./Mailbox\n./box/\n|cat >message\n", 0600);
	expect_delivered("a",
	    "delivered as .qmail-a says: files 2, programs 1, forwards 0");
	assert_int_equal(count("box/new"), 1);
	expect_content("message", MESSAGE);
	/* whole paths are good when they lie beneath the home */
	snprintf(line, sizeof line, "%s/Mailbox2\n%s/box/\n%s/Maildir/\n", home,
	    home, home);
	put(".qmail-b", line, 0600);
	expect_delivered("b",
	    "delivered as .qmail-b says: files 3, programs 0, forwards 0");
	assert_int_equal(count("box/new"), 2);
	assert_int_equal(count("Maildir/new"), 1);
	/* comments alone throw it away */
	put(".qmail-c", "#\n", 0600);
	expect_delivered("c", "thrown away: .qmail-c has only comments");
	assert_int_equal(count("Maildir/new"), 1);
}

static void
test_programs(void **state)
{
	static const struct {
		const char       *lines;
		enum outcome_kind kind;
		struct status     status;
		const char       *text;
		bool              goes_on;
	} rows[] = {
		{ "|exit 0\n|echo x >x\n", OUTCOME_DELIVERED, { 2, 0, 0 },
		    "delivered as .qmail-p says: files 0, programs 2, forwards 0",
		    true },
		{ "|exit 99\n|echo x >x\n", OUTCOME_DELIVERED, { 2, 0, 0 },
		    "delivered as .qmail-p says: files 0, programs 1, forwards 0",
		    false },
		{ "|echo nobody likes this; exit 100\n|echo x >x\n",
		    OUTCOME_FAILED, { 5, 3, 0 }, "nobody likes this", false },
		{ "|exit 111\n|echo x >x\n", OUTCOME_DEFERRED, { 4, 3, 0 },
		    "the program exited 111", false },
		/* nothing is done when something later is not understood */
		{ "|echo x >x\nnot an address\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 2: is no address", false },
		{ "|echo x >x\n+list\n./Mailbox\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 3: is not allowed there", false },
		{ "\n|echo x >x\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 1: is blank", false },
		{ "/dev/null\n|echo x >x\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 1: lies outside of the home", false },
		{ "./../x/\n|echo x >x\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 1: the Maildir: lies outside of the home",
		    false },
		{ "./nowhere/\n|echo x >x\n", OUTCOME_DEFERRED, { 4, 3, 5 },
		    ".qmail-p, line 1: the Maildir: No such file or directory",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct answer a;
		char          path[PATH_TEXT];

		path_at(path, "x");
		unlink(path);
		put(".qmail-p", rows[i].lines, 0600);
		a = deliver("-", "p");
		expect(&a, rows[i].kind, rows[i].status, rows[i].text);
		assert_int_equal(access(path, F_OK) == 0, rows[i].goes_on);
		assert_int_equal(a.forward, -1);
	}
}

static void
test_environment(void **state)
{
	(void)state;
	put(".qmail-list-default",
	    "|echo \"$LOCAL/$HOST/$EXT/$EXT2/$DEFAULT/$USER/$SENDER/$NEWSENDER\" >env; "
	    "echo \"$RECIPIENT/$HOME\" >>env; pwd >>env\n", 0600);
	expect_delivered("list-Sub",
	    "delivered as .qmail-list-default says: files 0, programs 1, "
	    "forwards 0");
	{
		char text[4 * PATH_TEXT];

		snprintf(text, sizeof text,
		    "joe-list-Sub/x.example/list-Sub/Sub/Sub/joe/ann@far.example/"
		    "ann@far.example\njoe-list-Sub@x.example/%s\n%s\n",
		    home, home);
		expect_content("env", text);
	}
}

static void
expect_forward(struct answer *a, const char *sender, const char *message,
    const char *const *targets)
{
	struct frame_reader r = frame_reader_of(a->m.targets);
	struct buf          b;
	uint32_t            n = 0;

	assert_int_not_equal(a->forward, -1);
	assert_true(bytes_equal(a->m.forward_path, bytes_of(sender)));
	for (; targets[n] != NULL; n++)
		assert_true(bytes_equal(frame_bytes(&r), bytes_of(targets[n])));
	assert_true(frame_end(&r));
	assert_int_equal(a->m.n, n);
	buf_init(&b, 1 << 16);
	assert_int_equal(memfile_read(a->forward, 0, &b), 0);
	assert_string_equal(buf_string(&b), message);
	assert_int_equal(a->m.forward_size, b.len);
	buf_finish(&b);
	close(a->forward);
}

/* One message to all of them, after the rest. */
static void
test_forwards(void **state)
{
	static const char *const targets[] = { "bob@y.example",
		"eve@z.example", "carl@mx.example.org", NULL };
	static const char *const first[] = { "bob@y.example", NULL };
	struct answer a;

	(void)state;
	put(".qmail-f", "&Bob@Y.example\n|echo x >x\neve@z.example\ncarl\n", 0600);
	a = deliver("-", "f");
	expect(&a, OUTCOME_DELIVERED, STATUS(2, 0, 0),
	    "delivered as .qmail-f says: files 0, programs 1, forwards 3");
	expect_forward(&a, "ann@far.example",
	    "Delivered-To: joe-f@x.example\n" MESSAGE, targets);
	/* only those before a program that says so */
	put(".qmail-f", "&bob@y.example\n|exit 99\neve@z.example\n", 0600);
	a = deliver("-", "f");
	expect_forward(&a, "ann@far.example",
	    "Delivered-To: joe-f@x.example\n" MESSAGE, first);
	/* none when something fails */
	put(".qmail-f", "&bob@y.example\n|exit 100\n", 0600);
	a = deliver("-", "f");
	expect(&a, OUTCOME_FAILED, STATUS(5, 3, 0), "the program exited 100");
	assert_int_equal(a.forward, -1);
	/* a list, its owner, and one for each recipient */
	put(".qmail-f", "bob@y.example\n", 0700);
	put(".qmail-f-owner", "", 0600);
	a = deliver("-", "f");
	expect_forward(&a, "joe-f-owner@x.example",
	    "Delivered-To: joe-f@x.example\n" MESSAGE, first);
	put(".qmail-f-owner-default", "", 0600);
	a = deliver("-", "f");
	expect_forward(&a, "joe-f-owner-@x.example-@[]",
	    "Delivered-To: joe-f@x.example\n" MESSAGE, first);
	send_message(200, BYTES(MESSAGE), "", "-", "f");
	a = receive_answer(200);
	expect_forward(&a, "", "Delivered-To: joe-f@x.example\n" MESSAGE, first);
}

/* --- what is refused --- */

static void
test_loop(void **state)
{
	struct answer a;

	(void)state;
	put(".qmail-l", "|echo x >x\n", 0600);
	send_message(1, BYTES("Subject: a\nDelivered-To: joe-l@x.example\n\nb\n"),
	    "ann@far.example", "-", "l");
	a = receive_answer(1);
	expect(&a, OUTCOME_FAILED, STATUS(5, 4, 6),
	    "mail loop: it was delivered to this address before");
	assert_int_equal(count("."), 0);
	/* another's, or below the header section, is none */
	send_message(2, BYTES("Delivered-To: l@x.example\n\n"
	    "Delivered-To: joe-l@x.example\n"), "ann@far.example", "-", "l");
	a = receive_answer(2);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_int_equal(count("."), 1);
}

/* What a forward says must be known again when it comes back. */
static void
test_loop_of_any_name(void **state)
{
	static const char *const targets[] = { "bob@y.example", NULL };
	static const char *const names[] = { "j\xc3\xbcrgen", "a  b" };

	(void)state;
	put(".qmail-default", "&bob@y.example\n", 0600);
	for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct answer a = deliver("-", names[i]);
		char          content[256];

		snprintf(content, sizeof content,
		    "Delivered-To: joe-%s@x.example\n" MESSAGE, names[i]);
		expect_forward(&a, "ann@far.example", content, targets);
		send_message((uint8_t)(210 + i), bytes_of(content), "ann@far.example", "-",
		    names[i]);
		a = receive_answer((uint8_t)(210 + i));
		expect(&a, OUTCOME_FAILED, STATUS(5, 4, 6),
		    "mail loop: it was delivered to this address before");
	}
}

static void
test_distrust(void **state)
{
	struct answer a;

	(void)state;
	put(".qmail-d", "|echo x >x\n", 0660);
	a = deliver("-", "d");
	expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 5),
	    ".qmail-d: may be written by its group or others");
	put(".qmail-d", "|echo x >x\n", 0700);
	a = deliver("-", "d");
	expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 5),
	    ".qmail-d, line 1: is not allowed there");
	put(".qmail-d", "|echo x >x\n", 0600);
	assert_int_equal(chmod(home, 0770), 0);
	a = deliver("-", "d");
	expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 5),
	    "the home folder may be written by its group or others");
	assert_int_equal(count("."), 0);
}

/* What can be seen before, is: nothing is done again and again because of it. */
static void
test_outside(void **state)
{
	static const char *const lines[] = { "/dev/null", "/etc/", "/" };
	struct answer a;
	char          content[64];

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		snprintf(content, sizeof content, "|echo x >x\n%s\n", lines[i]);
		put(".qmail-o", content, 0600);
		a = deliver("-", "o");
		expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 5),
		    ".qmail-o, line 2: lies outside of the home");
		assert_int_equal(count("."), 0);
	}
}

/* --- in time --- */

/* One whose program runs does not hold up the next one. */
static void
test_beside(void **state)
{
	struct answer a;

	(void)state;
	put(".qmail-slow", "|while ! test -e go; do sleep 0.05; done\n", 0600);
	send_message(1, BYTES(MESSAGE), "ann@far.example", "-", "slow");
	send_message(2, BYTES(MESSAGE), "ann@far.example", "", "");
	a = receive_answer(2);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_true(agent_is_busy(agent));
	put("go", "", 0600);
	a = receive_answer(1);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_false(agent_is_busy(agent));
}

/* An mbox waits for its lock, beside all else. */
static void
test_lock(void **state)
{
	struct answer a;
	char          path[PATH_TEXT];
	int           reader;

	(void)state;
	put("Mailbox", "", 0600);
	put(".qmail-m", "./Mailbox\n", 0600);
	path_at(path, "Mailbox");
	reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(reader, LOCK_EX), 0);
	send_message(1, BYTES(MESSAGE), "ann@far.example", "-", "m");
	send_message(2, BYTES(MESSAGE), "ann@far.example", "", "");
	a = receive_answer(2);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_true(agent_is_busy(agent));
	expect_content("Mailbox", "");
	close(reader);
	a = receive_answer(1);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_false(agent_is_busy(agent));
}

static void
send_finished(uint8_t number)
{
	struct id           id = id_of(number);
	struct msg_finished m = { id_bytes(&id), 1 };
	struct buf          b;

	buf_init(&b, FRAME_MAX);
	msg_finished_add(&b, &m);
	assert_true(peer_send_blocking(queue, buf_bytes(&b), NULL, 0));
	buf_finish(&b);
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

/* In a later attempt a Maildir's line finds what an earlier one delivered, read or not. */
static void
test_again(void **state)
{
	struct answer a;
	char          name[NAME_MAX + 1], from[2 * PATH_TEXT], to[2 * PATH_TEXT];

	(void)state;
	born_ms -= 60 * 1000;
	make_maildir();
	put(".qmail-r", "./box/\n./Maildir/\n|exit 111\n", 0600);
	send_message(1, BYTES(MESSAGE), "ann@far.example", "-", "r");
	a = receive_answer(1);
	assert_int_equal(a.m.kind, OUTCOME_DEFERRED);
	send_finished(1);
	assert_int_equal(count_files("box/new", name), 1);
	snprintf(from, sizeof from, "%s/box/new/%s", home, name);
	snprintf(to, sizeof to, "%s/box/cur/%s:2,S", home, name);
	assert_int_equal(rename(from, to), 0);
	put(".qmail-r", "./box/\n./Maildir/\n", 0600);
	send_message(1, BYTES(MESSAGE), "ann@far.example", "-", "r");
	a = receive_answer(1);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	assert_int_equal(count("box/new"), 0);
	assert_int_equal(count("box/cur"), 1);
	assert_int_equal(count("Maildir/new"), 1);
}

/* The queue says that it is done already: the program ends, and nothing is said. */
static void
test_given_up(void **state)
{
	(void)state;
	put(".qmail-slow", "|sleep 60\n", 0600);
	send_message(1, BYTES(MESSAGE), "ann@far.example", "-", "slow");
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_true(agent_is_busy(agent));
	send_finished(1);
	assert_false(agent_is_busy(agent));
	assert_int_equal(agent_kept(agent), 0);
}

/* Many messages for a large file: those that would take too much memory come later. */
static void
test_large_files(void **state)
{
	enum { N = 100 };
	static char   content[1000 * 1000];
	struct answer a;
	unsigned      n_deferred = 0;
	int           fds[PEER_DESCRIPTORS];

	(void)state;
	memset(content, '#', sizeof content - 1);
	memcpy(content, "|while ! test -e go; do sleep 0.50; done\n", 41);
	put(".qmail-large", content, 0600);
	for (uint8_t i = 0; i < N; i++) {
		send_message(i, BYTES(MESSAGE), "ann@far.example", "-", "large");
		for (int turn = 0; turn < 4; turn++)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_true(msg_outcome_read(receive(fds), &a.m));
	expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 0),
	    ".qmail-large: too large for so many messages at once");
	put("go", "", 0600);
	for (int i = 1; i < N; i++) {
		assert_true(msg_outcome_read(receive(fds), &a.m));
		n_deferred += a.m.kind == OUTCOME_DEFERRED;
	}
	assert_true(n_deferred < N - 30);
	send_message(N, BYTES(MESSAGE), "ann@far.example", "-", "large");
	a = receive_answer(N);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
}

static struct answer
forward_large(uint8_t number)
{
	enum { LARGE = 140 * 1024 * 1024 };
	int body = memfile_new("body"); /* a hole: only the forward needs memory */

	assert_int_equal(pwrite(body, "\n", 1, 0), 1);
	assert_int_equal(ftruncate(body, LARGE), 0);
	assert_int_equal(memfile_seal(body), 0);
	send_body(number, body, LARGE, "ann@far.example", "-", "f");
	return receive_answer(number);
}

/* Until the queue has stored them they lie in memory. */
static void
test_large_forwards(void **state)
{
	struct answer a;

	(void)state;
	put(".qmail-f", "|echo x >>x\n&bob@y.example\n", 0600);
	a = forward_large(1);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	close(a.forward);
	a = forward_large(2);
	expect(&a, OUTCOME_DEFERRED, STATUS(4, 3, 0),
	    ".qmail-f: too much is being forwarded at once");
	expect_content("x", "x\n");
	send_finished(1);
	a = forward_large(3);
	assert_int_equal(a.m.kind, OUTCOME_DELIVERED);
	close(a.forward);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(test_default),
		IN_HOME(test_each_kind),
		IN_HOME(test_programs),
		IN_HOME(test_environment),
		IN_HOME(test_forwards),
		IN_HOME(test_loop),
		IN_HOME(test_loop_of_any_name),
		IN_HOME(test_distrust),
		IN_HOME(test_outside),
		IN_HOME(test_beside),
		IN_HOME(test_given_up),
		IN_HOME(test_lock),
		IN_HOME(test_again),
		IN_HOME(test_large_files),
		IN_HOME(test_large_forwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
