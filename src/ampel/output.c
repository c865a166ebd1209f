#include "ampel/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/printable.h"

enum { LINE_MAX_BYTES = 8 * 1024 };

void
output_json(struct buf *b, struct bytes text)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '"' || c == '\\')
			buf_add_char(b, '\\');
		if (byte_is_print(c))
			buf_add_char(b, c);
		else
			buf_addf(b, "\\u%04x", (unsigned char)c);
	}
	buf_add_char(b, '"');
}

static const char *
colour(bool good)
{
	if (!isatty(STDOUT_FILENO) || getenv("NO_COLOR"))
		return "";
	return good ? "\033[32m" : "\033[31m";
}

void
output_service(bool json, struct bytes name, bool is_status, bool ok,
    struct bytes state, struct bytes text)
{
	struct buf line;
	const char *start = colour(ok);

	buf_init(&line, LINE_MAX_BYTES);
	if (json) {
		buf_add_string(&line, "{\"service\":");
		output_json(&line, name);
		buf_addf(&line, ",\"ok\":%s,\"state\":", ok ? "true" : "false");
		output_json(&line, state);
		buf_add_string(&line, ",\"text\":");
		output_json(&line, text);
		buf_add_char(&line, '}');
	} else {
		struct bytes shown = is_status ? state
		    : ok                       ? BYTES("ok")
		                               : BYTES("FAILED");

		buf_addf(&line, "%-16.*s %s%-9.*s%s ", BYTES_ARG(name), start,
		    BYTES_ARG(shown), start[0] ? "\033[0m" : "");
		printable_add(&line, text, 512);
	}
	puts(buf_string(&line));
	buf_finish(&line);
}

int
output_complain(int code, const char *what, const char *why)
{
	fprintf(stderr, "ampel: %s: %s\n", what, why);
	return code;
}

int
output_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}
