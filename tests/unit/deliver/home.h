/* A home in a folder of its own, and what is in its Maildir. */
#ifndef AMPEL_TESTS_DELIVER_HOME_H
#define AMPEL_TESTS_DELIVER_HOME_H

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_TEXT = 512 };

static char home[PATH_TEXT];

static int
make_home(void **state)
{
	(void)state;
	strcpy(home, "/tmp/ampel-deliver-XXXXXX");
	return mkdtemp(home) ? 0 : -1;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int
remove_home(void **state)
{
	(void)state;
	return nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
path_at(char out[PATH_TEXT], const char *below)
{
	assert_true(snprintf(out, PATH_TEXT, "%s/%s", home, below) < PATH_TEXT);
}

/* The number of files in a folder of the home; the name of the last one. */
static size_t
count_files(const char *below, char name[NAME_MAX + 1])
{
	char           path[PATH_TEXT];
	DIR           *dir;
	struct dirent *entry;
	size_t         n = 0;

	path_at(path, below);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			strcpy(name, entry->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

__attribute__((unused)) static size_t
count(const char *below)
{
	char name[NAME_MAX + 1];

	return count_files(below, name);
}

#endif
