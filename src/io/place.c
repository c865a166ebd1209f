#include "io/place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
place_self(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size);

	if (n <= 0 || (size_t)n >= size)
		return false;
	out[n] = '\0';
	return true;
}

bool
place_beside(const char *path, char *out, size_t size)
{
	char  self[PATH_MAX];
	char *slash;
	int   n;

	if (!place_self(self, sizeof self))
		return false;
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	n = snprintf(out, size, "%s/%s", self, path);
	return n > 0 && (size_t)n < size;
}
