/*
 * Recipients who exist only if an account says so. The accounts come from a file of assignments,
 * what they say from the test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/peer.h"
#include "lookup/asker.h"
#include "lookup/extensions.h"

enum { WAIT_MS = 5000, NOTHING_MS = 50 };

static struct bytes  domains[] = { BYTES_INIT("example.org") };
static struct config config;
static char          root[64], etc[80], passwd[96], assign[96];
static uv_loop_t     loop;
static struct office office;
static int           smtpd, queue, account; /* our ends; -1: none */
static char          wanted[DIRECTORY_USER_MAX + 1];

static void
on_want(struct bytes user)
{
	assert_true(bytes_to_string(user, wanted, sizeof wanted));
}

static int
make_files(void)
{
	strcpy(root, "/tmp/ampel-recipients-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(etc, sizeof etc, "%s/etc", root);
	snprintf(passwd, sizeof passwd, "%s/passwd", etc);
	snprintf(assign, sizeof assign, "%s/assign", etc);
	if (mkdir(etc, 0700) != 0 ||
	    file_replace(passwd, BYTES("jo:x:2000:2000::/home/jo:\n"), 0600) != 0)
		return -1;
	return file_replace(assign,
	    BYTES("=joe:joe:2001:2001:/home/joe:::\n"
	          "+joe-:joe:2001:2001:/home/joe:-::\n"
	          "+:alias:2002:2002:/home/alias:-::\n"
	          ".\n"), 0600);
}

/* Of that role; the asker's end. */
static int
begin(enum peer_role role)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	assert_true(asker_open(&office, role, pair[0]));
	return pair[1];
}

static int
set_up(void **state)
{
	struct buf error;

	(void)state;
	account = -1;
	wanted[0] = '\0';
	if (make_files() != 0 || uv_loop_init(&loop) != 0)
		return -1;
	config = (struct config){
		.hostname = BYTES("mx.example.org"),
		.domains = { domains, 1 },
		.root = bytes_of(root),
		.users = USERS_FILE,
		.assign = bytes_of(assign),
		.dot_qmail = true,
	};
	buf_init(&error, 4096);
	office = (struct office){ .loop = &loop, .config = &config,
		.tables = tables_open(&config, &error),
		.extensions = extensions_new(&loop, 1, on_want) };
	buf_finish(&error);
	if (office.tables == NULL || office.extensions == NULL ||
	    !quota_init(&office.quota, 1))
		return -1;
	smtpd = begin(ROLE_SMTPD);
	queue = begin(ROLE_QUEUE);
	return 0;
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void
close_end(int *end)
{
	if (*end != -1)
		close(*end);
	*end = -1;
	turn();
}

static int
tear_down(void **state)
{
	(void)state;
	close_end(&smtpd);
	close_end(&queue);
	close_end(&account);
	extensions_free(office.extensions);
	uv_run(&loop, UV_RUN_DEFAULT);
	tables_close(office.tables);
	quota_finish(&office.quota);
	unlink(passwd);
	unlink(assign);
	return uv_loop_close(&loop) == 0 && office.waiting == NULL &&
	        rmdir(etc) == 0 && rmdir(root) == 0
	    ? 0
	    : -1;
}

/* --- smtpd and queue --- */

static void
ask_recipient_for(uint64_t q, const char *address, const char *user)
{
	struct msg_ask_recipient m = { q, bytes_of(address), bytes_of(user) };
	struct buf               frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_recipient_add(&frame, &m);
	assert_true(peer_send_blocking(smtpd, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
	turn();
}

static void
ask_recipient(uint64_t q, const char *address)
{
	ask_recipient_for(q, address, "");
}

static void
ask_route(uint64_t q, const char *address)
{
	struct buf frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_route_add(&frame, &(struct msg_ask_route){ q, bytes_of(address) });
	assert_true(peer_send_blocking(queue, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
	turn();
}

/* The next frame at that end, in buffer. */
static struct bytes
receive(int end, char *buffer)
{
	struct bytes frame = { NULL, 0 };
	int          fds[PEER_DESCRIPTORS];

	assert_true(peer_receive_blocking(end, buffer, &frame, fds, WAIT_MS));
	return frame;
}

static void
assert_nothing_comes(int end)
{
	static char  buffer[PEER_FRAME_MAX];
	struct bytes frame;
	int          fds[PEER_DESCRIPTORS];

	assert_false(peer_receive_blocking(end, buffer, &frame, fds, NOTHING_MS));
}

static void
assert_recipient(uint64_t q, enum recipient_answer answer)
{
	static char          buffer[PEER_FRAME_MAX];
	struct msg_recipient m;

	assert_true(msg_recipient_read(receive(smtpd, buffer), &m));
	assert_int_equal(m.q, q);
	assert_int_equal(m.answer, answer);
}

/* Views live until the next one. */
static struct msg_route
receive_route(uint64_t q)
{
	static char      buffer[PEER_FRAME_MAX];
	struct msg_route m;

	assert_true(msg_route_read(receive(queue, buffer), &m));
	assert_int_equal(m.q, q);
	return m;
}

static bool
is(struct bytes b, const char *text)
{
	return bytes_equal(b, bytes_of(text));
}

/* --- the account --- */

static void
start_account(const char *user)
{
	struct msg_deliver_for m = { bytes_of(user), WANT_READY, 1, BYTES("") };
	int                    pair[2];

	assert_string_equal(wanted, user);
	assert_int_equal(peer_pair(pair), 0);
	account = pair[0];
	extensions_add_process(office.extensions, 1, pair[1]);
	extensions_deliver_for(office.extensions, &m);
	turn();
}

static void
account_says(const char *extension, enum extension_answer answer)
{
	static char              buffer[PEER_FRAME_MAX];
	struct msg_ask_extension m;
	struct msg_extension     said = { .answer = (uint8_t)answer };
	struct buf               frame;

	assert_true(msg_ask_extension_read(receive(account, buffer), &m));
	assert_true(is(m.user, wanted));
	assert_true(is(m.dash, "-"));
	assert_true(is(m.extension, extension));
	said.q = m.q;
	buf_init(&frame, FRAME_MAX);
	msg_extension_add(&frame, &said);
	assert_true(peer_send_blocking(account, buf_bytes(&frame), NULL, 0));
	buf_finish(&frame);
	turn();
}

/* --- tests --- */

static void
smtpd_hears_it_when_the_account_has_said_it(void **state)
{
	(void)state;
	ask_recipient(1, "joe-list@example.org");
	ask_recipient(2, "joe-none@example.org");
	/* nobody waits for them */
	ask_recipient(3, "joe@example.org");
	assert_recipient(3, RECIPIENT_OK);
	ask_recipient(4, "joe@example.com");
	assert_recipient(4, RECIPIENT_NOT_OURS);
	start_account("+joe-");
	account_says("list", EXTENSION_YES);
	assert_recipient(1, RECIPIENT_OK);
	account_says("none", EXTENSION_NO);
	assert_recipient(2, RECIPIENT_UNKNOWN);
	/* it is known for a while */
	ask_recipient(5, "joe-none@example.org");
	assert_recipient(5, RECIPIENT_UNKNOWN);
	ask_recipient(6, "joe-list@example.org");
	assert_recipient(6, RECIPIENT_OK);
}

static void
smtpd_is_told_to_try_later(void **state)
{
	(void)state;
	ask_recipient(1, "joe-list@example.org");
	start_account("+joe-");
	account_says("list", EXTENSION_TRY_LATER);
	assert_recipient(1, RECIPIENT_TRY_LATER);
	for (uint64_t i = 0; i <= EXTENSIONS_OPEN_ACCOUNT_MAX; i++)
		ask_recipient(2 + i, "joe-list@example.org");
	assert_recipient(2 + EXTENSIONS_OPEN_ACCOUNT_MAX, RECIPIENT_TRY_LATER);
}

/* Its questions are dropped with it; those of the others are not. */
static void
who_has_asked_may_go(void **state)
{
	int first = smtpd;

	(void)state;
	ask_recipient(1, "joe-list@example.org");
	smtpd = begin(ROLE_SMTPD);
	ask_recipient(2, "joe-list@example.org");
	close_end(&first);
	assert_int_equal(extensions_open(office.extensions), 1);
	start_account("+joe-");
	account_says("list", EXTENSION_YES);
	assert_recipient(2, RECIPIENT_OK);
}

/* Once for each that is taken, whenever it is answered. */
static void
the_daily_limit_counts_once(void **state)
{
	(void)state;
	config.daily_recipients = 2;
	ask_recipient_for(1, "joe-none@example.org", "sam");
	start_account("+joe-");
	account_says("none", EXTENSION_NO);
	assert_recipient(1, RECIPIENT_UNKNOWN);
	ask_recipient_for(2, "joe-later@example.org", "sam");
	account_says("later", EXTENSION_TRY_LATER);
	assert_recipient(2, RECIPIENT_TRY_LATER);
	ask_recipient_for(3, "joe-list@example.org", "sam");
	account_says("list", EXTENSION_YES);
	assert_recipient(3, RECIPIENT_OK);
	ask_recipient_for(4, "joe-list@example.org", "sam");
	assert_recipient(4, RECIPIENT_OK);
	ask_recipient_for(5, "joe-list@example.org", "sam");
	assert_recipient(5, RECIPIENT_LIMIT);
}

static void
queue_is_told_without_asking(void **state)
{
	struct msg_route m;

	(void)state;
	ask_route(1, "Joe-List@example.org");
	m = receive_route(1);
	assert_int_equal(m.kind, ROUTE_USER);
	assert_true(is(m.user, "+joe-"));
	assert_true(is(m.extension, "List"));
	assert_true(is(m.local, "Joe-List"));
	assert_true(is(m.dash, "-"));
	assert_int_equal(m.is_qmail, 1);
	assert_string_equal(wanted, "");
}

static void
postmaster_leads_to_the_account_that_wants_him(void **state)
{
	struct msg_route m;

	(void)state;
	ask_route(1, "Postmaster@example.org");
	ask_route(2, "abuse@example.org");
	assert_nothing_comes(queue);
	start_account("+");
	account_says("Postmaster", EXTENSION_YES);
	m = receive_route(1);
	assert_int_equal(m.kind, ROUTE_USER);
	assert_true(is(m.user, "+"));
	assert_true(is(m.extension, "Postmaster"));
	/* nobody is root here: then he is the first user */
	account_says("abuse", EXTENSION_NO);
	m = receive_route(2);
	assert_int_equal(m.kind, ROUTE_USER);
	assert_true(is(m.user, "jo"));
	assert_int_equal(m.is_qmail, 0);
	ask_recipient(3, "abuse@example.org");
	assert_recipient(3, RECIPIENT_OK);
}

/* Unanswered, it becomes "try later" in the queue. */
static void
postmaster_is_not_guessed(void **state)
{
	(void)state;
	ask_route(1, "postmaster@example.org");
	start_account("+");
	account_says("postmaster", EXTENSION_TRY_LATER);
	assert_nothing_comes(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(smtpd_hears_it_when_the_account_has_said_it),
		TEST(smtpd_is_told_to_try_later),
		TEST(who_has_asked_may_go),
		TEST(the_daily_limit_counts_once),
		TEST(queue_is_told_without_asking),
		TEST(postmaster_leads_to_the_account_that_wants_him),
		TEST(postmaster_is_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
