/*
 * What the real tcprules and tcprulescheck say of rules and clients is what we say, of the cdb
 * that tcprules made and of the text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "proto/tcprules.h"

enum { MEMORY = 1024 * 1024 };

static const char *const texts[] = {
	"",
	":deny\n",
	"10.:allow,N=\"1\"\n",
	"joe@127.0.0.1:allow,N=\"first\"\n18.23.0.32:allow,N=\"second\"\n"
	":allow,N=\"third\"\n127.:allow,N=\"fourth\"\n",
	"joe@127.0.0.1:deny,N=\"1\"\njoe@=a.b.example:allow,N=\"2\"\n"
	"127.0.0.1:allow,N=\"3\"\n=a.b.example:deny,N=\"4\"\n"
	"127.0.0.:allow,N=\"5\"\n127.0.:deny,N=\"6\"\n127.:allow,N=\"7\"\n"
	"=.b.example:allow,N=\"8\"\n=.example:deny,N=\"9\"\n=:allow,N=\"10\"\n"
	":deny,N=\"11\"\n",
	"=:allow,N=\"named\"\n=.example:allow,N=\"example\"\n10.2-3.:deny,N=\"range\"\n",
	"1.2.3.37-53:deny,N=\"a\"\n1.2.3.40:allow,N=\"b\"\n1.2.3.:allow,N=\"c\"\n"
	"1.2-4.:allow,N=\"d\"\n",
	"1.2.3.40:allow,N=\"b\"\n1.2.3.37-53:deny,N=\"a\"\n",
	"127.0.0.1:allow,N=/a\"b/,N=\"c=d\"\n",
};

static const struct {
	const char *address, *name, *info;
} clients[] = {
	{ "127.0.0.1", "", "" },
	{ "127.0.0.1", "", "joe" },
	{ "127.0.0.1", "", "bill" },
	{ "127.0.0.1", "a.b.example", "" },
	{ "127.0.0.2", "a.b.example", "joe" },
	{ "127.0.0.2", "a.b.example", "bill" },
	{ "127.0.1.1", "b.example", "" },
	{ "127.1.1.1", "b.example", "" },
	{ "18.23.0.32", "", "" },
	{ "10.119.75.38", "", "" },
	{ "10.2.75.38", "", "" },
	{ "10.3.7.8", "x.example", "" },
	{ "10.4.7.8", "x.example", "" },
	{ "192.0.2.1", "a.b.example", "" },
	{ "192.0.2.1", "c.example", "" },
	{ "192.0.2.1", "example", "" },
	{ "192.0.2.1", "org", "" },
	{ "1.2.3.36", "", "" },
	{ "1.2.3.37", "", "" },
	{ "1.2.3.40", "", "" },
	{ "1.2.3.53", "", "" },
	{ "1.2.3.54", "", "" },
	{ "1.4.3.54", "", "" },
	{ "1.5.3.54", "", "" },
};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static char folder[] = "/tmp/ampel-tcprules-XXXXXX";

static void
read_file(const char *path, struct buf *b)
{
	FILE  *file = fopen(path, "r");
	char   chunk[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
		buf_add(b, chunk, n);
	fclose(file);
	assert_false(b->failed);
}

static void
compile(const char *text, struct buf *cdb)
{
	FILE *tcprules = popen("tcprules rules.cdb rules.tmp", "w");

	assert_non_null(tcprules);
	assert_true(fputs(text, tcprules) >= 0);
	assert_int_equal(pclose(tcprules), 0);
	read_file("rules.cdb", cdb);
}

static void
set(const char *name, const char *value)
{
	if (value[0] == '\0')
		unsetenv(name);
	else
		setenv(name, value, 1);
}

/* "allow N", in which N is the last value of it: of what tcprulescheck prints. */
static void
add_theirs(struct buf *b, size_t client)
{
	static const char variable[] = "set environment variable N=";
	FILE             *check;
	char              line[256], value[256] = "";
	bool              denied = false;

	set("TCPREMOTEIP", clients[client].address);
	set("TCPREMOTEHOST", clients[client].name);
	set("TCPREMOTEINFO", clients[client].info);
	check = popen("tcprulescheck rules.cdb", "r");
	assert_non_null(check);
	while (fgets(line, sizeof line, check)) {
		line[strcspn(line, "\n")] = '\0';
		denied |= strcmp(line, "deny connection") == 0;
		if (strncmp(line, variable, sizeof variable - 1) == 0)
			strcpy(value, line + sizeof variable - 1);
	}
	assert_int_equal(pclose(check), 0);
	/* of who is denied it prints no variables */
	buf_addf(b, "%s %s", denied ? "deny" : "allow", denied ? "" : value);
}

static void
add_ours(struct buf *b, struct bytes content, size_t client)
{
	const struct tcprules_client c = {
		.address = bytes_of(clients[client].address),
		.name = bytes_of(clients[client].name),
		.info = bytes_of(clients[client].info),
	};
	struct arena           arena;
	struct mistakes        mistakes = { .n = 0 };
	struct tcprules        rules;
	struct tcprules_answer answer;
	struct bytes           value = BYTES("");

	arena_init(&arena, MEMORY);
	tcprules_read(&rules, content, &arena, &mistakes);
	assert_false(mistakes_any(&mistakes));
	tcprules_find(&rules, &c, &answer);
	if (answer.allowed)
		tcprules_variable(&answer, BYTES("N"), &value);
	buf_addf(b, "%s %.*s", answer.allowed ? "allow" : "deny", BYTES_ARG(value));
	arena_finish(&arena);
}

static void
compare(const char *text, struct bytes cdb, size_t client)
{
	struct buf theirs, of_cdb, of_text;

	buf_init(&theirs, MEMORY);
	buf_init(&of_cdb, MEMORY);
	buf_init(&of_text, MEMORY);
	add_theirs(&theirs, client);
	add_ours(&of_cdb, cdb, client);
	add_ours(&of_text, bytes_of(text), client);
	if (!bytes_equal(buf_bytes(&theirs), buf_bytes(&of_cdb)) ||
	    !bytes_equal(buf_bytes(&theirs), buf_bytes(&of_text)))
		fail_msg("%s\n%s: tcprules \"%s\", cdb \"%s\", text \"%s\"", text,
		    clients[client].address, buf_string(&theirs),
		    buf_string(&of_cdb), buf_string(&of_text));
	buf_finish(&theirs);
	buf_finish(&of_cdb);
	buf_finish(&of_text);
}

static void
test_as_tcprules(void **state)
{
	(void)state;
	if (system("command -v tcprules tcprulescheck > which") != 0)
		skip();
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf cdb;

		buf_init(&cdb, MEMORY);
		compile(texts[i], &cdb);
		assert_true(constant_db_is(buf_bytes(&cdb)));
		for (size_t c = 0; c < COUNT(clients); c++)
			compare(texts[i], buf_bytes(&cdb), c);
		buf_finish(&cdb);
	}
}

static int
enter_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink("which");
	unlink("rules.cdb");
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_tcprules),
	};

	return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
