/*
 * What smtpd and the queue hear about a user who was added a moment ago. The clock is the
 * real one: a look at the files is old after 50 ms, and long before a second is over.
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

enum { WAIT_MS = 5000, OLD_US = 60 * 1000 };

static struct bytes  domains[] = { BYTES_INIT("example.org") };
static struct config config;
static char          root[64], etc[80], passwd[96];
static uv_loop_t     loop;
static struct office office;
static int           ours;

static int
set_up(void **state)
{
	struct buf error;

	(void)state;
	strcpy(root, "/tmp/ampel-asker-XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(etc, sizeof etc, "%s/etc", root);
	snprintf(passwd, sizeof passwd, "%s/passwd", etc);
	config = (struct config){
		.hostname = BYTES("mx.example.org"),
		.domains = { domains, 1 },
		.root = bytes_of(root),
		.users = USERS_FILE,
	};
	buf_init(&error, 4096);
	office = (struct office){ .loop = &loop, .config = &config,
		.tables = tables_open(&config, &error) };
	buf_finish(&error);
	return uv_loop_init(&loop) != 0 || office.tables == NULL ||
	        !quota_init(&office.quota, 1)
	    ? -1
	    : mkdir(etc, 0700);
}

static int
tear_down(void **state)
{
	(void)state;
	close(ours);
	uv_run(&loop, UV_RUN_DEFAULT); /* the asker sees the end and goes */
	tables_close(office.tables);
	quota_finish(&office.quota);
	unlink(passwd);
	return uv_loop_close(&loop) == 0 && rmdir(etc) == 0 && rmdir(root) == 0
	    ? 0
	    : -1;
}

static void
begin(enum peer_role role)
{
	int pair[2];

	assert_int_equal(peer_pair(pair), 0);
	assert_true(asker_open(&office, role, pair[0]));
	ours = pair[1];
}

static void
add_jo(void)
{
	assert_int_equal(file_replace(passwd,
	    BYTES("jo:x:2000:2000::/home/jo:\n"), 0600), 0);
}

/* Send the frame; the answer is in buffer. */
static struct bytes
ask(const struct buf *frame, char *buffer)
{
	int          fds[PEER_DESCRIPTORS];
	struct bytes answer;

	assert_true(peer_send_blocking(ours, buf_bytes(frame), NULL, 0));
	uv_run(&loop, UV_RUN_ONCE);
	assert_true(
	    peer_receive_blocking(ours, buffer, &answer, fds, WAIT_MS));
	return answer;
}

static int
ask_recipient_for(const char *user)
{
	static char              buffer[PEER_FRAME_MAX];
	struct msg_ask_recipient m = { 7, BYTES("jo@example.org"), bytes_of(user) };
	struct msg_recipient     answer;
	struct buf               frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_recipient_add(&frame, &m);
	assert_true(msg_recipient_read(ask(&frame, buffer), &answer));
	buf_finish(&frame);
	assert_int_equal(answer.q, 7);
	return answer.answer;
}

static int
ask_recipient(void)
{
	return ask_recipient_for("");
}

static bool
ask_sender(const char *user, const char *address)
{
	static char           buffer[PEER_FRAME_MAX];
	struct msg_ask_sender m = { 9, bytes_of(user), bytes_of(address) };
	struct msg_sender     answer;
	struct buf            frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_sender_add(&frame, &m);
	assert_true(msg_sender_read(ask(&frame, buffer), &answer));
	buf_finish(&frame);
	assert_int_equal(answer.q, 9);
	return answer.is_own;
}

/* What the account of that uid is called. */
static void
ask_account(uint32_t uid, char *name, size_t size)
{
	static char            buffer[PEER_FRAME_MAX];
	struct msg_ask_account m = { 10, uid };
	struct msg_account     answer;
	struct buf             frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_account_add(&frame, &m);
	assert_true(msg_account_read(ask(&frame, buffer), &answer));
	buf_finish(&frame);
	assert_int_equal(answer.q, 10);
	assert_true(bytes_to_string(answer.name, name, size));
}

static int
ask_route(void)
{
	static char          buffer[PEER_FRAME_MAX];
	struct msg_ask_route m = { 8, BYTES("jo@example.org") };
	struct msg_route     answer;
	struct buf           frame;

	buf_init(&frame, FRAME_MAX);
	msg_ask_route_add(&frame, &m);
	assert_true(msg_route_read(ask(&frame, buffer), &answer));
	buf_finish(&frame);
	assert_int_equal(answer.q, 8);
	return answer.kind;
}

static void
test_recipient_just_added(void **state)
{
	(void)state;
	begin(ROLE_SMTPD);
	assert_int_equal(ask_recipient(), RECIPIENT_UNKNOWN);
	add_jo();
	usleep(OLD_US);
	assert_int_equal(ask_recipient(), RECIPIENT_OK);
}

static void
test_route_just_added(void **state)
{
	(void)state;
	begin(ROLE_QUEUE);
	assert_int_equal(ask_route(), ROUTE_UNKNOWN_USER);
	add_jo();
	usleep(OLD_US);
	assert_int_equal(ask_route(), ROUTE_USER);
}

static void
test_daily_limit(void **state)
{
	(void)state;
	config.daily_recipients = 2;
	begin(ROLE_SMTPD);
	/* who does not exist does not count, nor does mail from strangers */
	assert_int_equal(ask_recipient_for("sam"), RECIPIENT_UNKNOWN);
	add_jo();
	usleep(OLD_US);
	assert_int_equal(ask_recipient_for("sam"), RECIPIENT_OK);
	assert_int_equal(ask_recipient_for("sam"), RECIPIENT_OK);
	assert_int_equal(ask_recipient_for("sam"), RECIPIENT_LIMIT);
	assert_int_equal(ask_recipient_for("kim"), RECIPIENT_OK);
	assert_int_equal(ask_recipient(), RECIPIENT_OK);
}

static void
test_sender(void **state)
{
	(void)state;
	add_jo();
	begin(ROLE_SMTPD);
	usleep(OLD_US);
	assert_true(ask_sender("jo", "jo@example.org"));
	assert_false(ask_sender("kim", "jo@example.org"));
	assert_false(ask_sender("jo", "jo@example.com"));
	assert_false(ask_sender("jo", "no address"));
}

static void
smtpd_hears_of_accounts(void **state)
{
	char name[64];

	(void)state;
	begin(ROLE_SMTPD);
	ask_account(0, name, sizeof name);
	assert_string_equal(name, "root");
	ask_account(UINT32_MAX - 1, name, sizeof name);
	assert_string_equal(name, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_daily_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sender, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    smtpd_hears_of_accounts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_recipient_just_added, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_route_just_added, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
