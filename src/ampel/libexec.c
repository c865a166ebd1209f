#include "ampel/libexec.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
libexec_self(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size);

	if (n <= 0 || (size_t)n >= size)
		return false;
	out[n] = '\0';
	return true;
}

bool
libexec_path(const char *program, char *out, size_t size)
{
	char  self[2048];
	char *slash;
	int   n;

	if (!libexec_self(self, sizeof self))
		return false;
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	n = snprintf(out, size, "%s/../libexec/ampel/%s", self, program);
	return n > 0 && (size_t)n < size;
}
