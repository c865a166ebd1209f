/*
 * A worker of port 25 that has been taken over: ampel-smtpd, linked so that its input
 * comes here first. A line that begins with PUPPET is done as told, everything else is
 * SMTP as ever. Nothing of this is in the real program.
 *
 *     PUPPET w OFFSET HEX       write bytes into the puppet's memory
 *     PUPPET r OFFSET N         299 and that many bytes of it in hexadecimal
 *     PUPPET s NUMBER A B ...   a system call with up to six arguments, each a number
 *                               or @OFFSET, an address in that memory; 299 RESULT ERRNO
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/smtp_server.h"

enum { MEMORY = 64 * 1024, LINE_MAX_BYTES = 8192, ARGUMENTS = 6 };

static unsigned char memory[MEMORY];

void __real_smtp_server_feed(struct smtp_server *s, struct bytes input);
void __wrap_smtp_server_feed(struct smtp_server *s, struct bytes input);

static long
number_of(const char *word)
{
	if (word[0] == '@')
		return (long)(memory + strtoul(word + 1, NULL, 0) % MEMORY);
	return (long)strtoull(word, NULL, 0);
}

static void
write_bytes(size_t at, const char *hex)
{
	unsigned byte;

	for (; at < MEMORY && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		memory[at++] = (unsigned char)byte;
}

static void
read_bytes(struct smtp_server *s, size_t at, size_t n)
{
	buf_add_string(&s->out, "299 ");
	for (; n > 0 && at < MEMORY; n--)
		buf_addf(&s->out, "%02x", memory[at++]);
	buf_add_string(&s->out, "\r\n");
}

static void
call(struct smtp_server *s, long number, const long *a)
{
	long result;

	errno = 0;
	result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	buf_addf(&s->out, "299 %ld %d\r\n", result, errno);
}

static void
obey(struct smtp_server *s, char *line)
{
	char *words[ARGUMENTS + 3] = { NULL };
	long  arguments[ARGUMENTS] = { 0 };
	int   n = 0;

	for (char *w = strtok(line, " \r\n"); w && n < ARGUMENTS + 3;
	     w = strtok(NULL, " \r\n"))
		words[n++] = w;
	for (int i = 3; i < n; i++)
		arguments[i - 3] = number_of(words[i]);
	if (n == 4 && words[1][0] == 'w') {
		write_bytes(strtoul(words[2], NULL, 0), words[3]);
		buf_add_string(&s->out, "299 ok\r\n");
	} else if (n == 4 && words[1][0] == 'r') {
		read_bytes(s, strtoul(words[2], NULL, 0), strtoul(words[3], NULL, 0));
	} else if (n >= 3 && words[1][0] == 's') {
		call(s, strtol(words[2], NULL, 0), arguments);
	} else {
		buf_add_string(&s->out, "299 what?\r\n");
	}
}

void
__wrap_smtp_server_feed(struct smtp_server *s, struct bytes input)
{
	char line[LINE_MAX_BYTES];

	if (!bytes_start(input, BYTES("PUPPET ")) ||
	    !bytes_to_string(input, line, sizeof line)) {
		__real_smtp_server_feed(s, input);
		return;
	}
	obey(s, line);
}
