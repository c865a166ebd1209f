#include "tools/spamc_complain.h"

#include <stdarg.h>
#include <stdio.h>

int
spamc_complain(int code, const char *format, ...)
{
	va_list args;

	fputs("ampel-spamc: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}
