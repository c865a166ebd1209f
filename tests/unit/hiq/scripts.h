/* Filter programs of one line, written to a folder that lives as long as the test. */
#ifndef AMPEL_TESTS_HIQ_SCRIPTS_H
#define AMPEL_TESTS_HIQ_SCRIPTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/memfile.h"
#include "mail/config.h"

enum { SCRIPTS_MAX = 256, SCRIPT_PATH = 80 };

static char   scripts_folder[] = "/tmp/ampel-test-XXXXXX";
static char   script_paths[SCRIPTS_MAX][SCRIPT_PATH];
static size_t n_scripts;

static int
scripts_begin(void **state)
{
	(void)state;
	return mkdtemp(scripts_folder) ? 0 : -1;
}

static int
scripts_end(void **state)
{
	char command[SCRIPT_PATH];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", scripts_folder);
	return system(command);
}

/* The path of a program that does that. A '@' in the text is the folder. */
static inline const char *
script(const char *text)
{
	char *path = script_paths[n_scripts];
	FILE *f;

	assert_true(n_scripts < SCRIPTS_MAX);
	snprintf(path, SCRIPT_PATH, "%s/%zu", scripts_folder, n_scripts++);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\n", f);
	for (; *text; text++)
		if (*text == '@')
			fputs(scripts_folder, f);
		else
			fputc(*text, f);
	fputc('\n', f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
	return path;
}

static const struct bytes script_listeners[] = { BYTES_INIT("smtp") };

/* With the codes that a configuration has by default. */
static inline struct config_filter
script_filter(const char *name, enum filter_kind kind, const char *text)
{
	struct config_filter f = {
		.name = bytes_of(name),
		.kind = kind,
		.program = bytes_of(script(text)),
		.timeout_ms = 20 * 1000,
		.max_size = UINT64_MAX,
		.listeners = { script_listeners, 1 },
	};

	memset(f.code_colour, COLOUR_ERROR, sizeof f.code_colour);
	f.code_colour[0] = COLOUR_GREEN;
	f.code_colour[1] = COLOUR_RED;
	return f;
}

/* A sealed message, and what stands in one. */
static inline int
message_of(const char *text)
{
	int fd = memfile_of("test", bytes_of(text));

	assert_int_not_equal(fd, -1);
	return fd;
}

static inline char *
content_of(int fd)
{
	static char text[64 * 1024];
	ssize_t     n = pread(fd, text, sizeof text - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

#endif
