/*
 * checkpassword(8), cr.yp.to/checkpwd: reads name and password from a descriptor, and if
 * they are right becomes that user and runs a program. Says nothing but its exit code.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/number.h"
#include "io/password.h"
#include "proto/checkpassword.h"
#include "tools/become_user.h"
#include "tools/user.h"

enum { DEFAULT_UNIT = 3, UNIT_MAX = 1024 * 1024 };

/* One byte more than is allowed: then there is too much. */
struct input {
	char   text[CHECKPASSWORD_MAX + 1];
	size_t n;
};

/* The descriptor. False: the environment names none. */
static bool
find_unit(int *fd)
{
	const char *unit = getenv("CHECKPASSWORD_UNIT");
	uint64_t    number = DEFAULT_UNIT;

	if (unit && !number_parse(bytes_of(unit), UNIT_MAX, &number))
		return false;
	*fd = (int)number;
	return true;
}

/* To the end, not by stdio, whose buffer would keep it. False with errno: it cannot be read. */
static bool
read_input(int fd, struct input *input)
{
	while (input->n < sizeof input->text) {
		ssize_t got = read(
		    fd, input->text + input->n, sizeof input->text - input->n);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		input->n += (size_t)got;
	}
	return true;
}

/* Whoever it is, a hash is computed, and the time for it is the same. */
static int
check(struct user *user, const struct checkpassword *asked)
{
	enum password_result result;

	if (!user_find(user, asked->name))
		return CHECKPASSWORD_TROUBLE;
	result = password_check(bytes_of(user->hash), asked->password);
	if (result == PASSWORD_TROUBLE)
		return CHECKPASSWORD_TROUBLE;
	return result == PASSWORD_FITS && user->may_enter
	    ? CHECKPASSWORD_OK
	    : CHECKPASSWORD_REFUSED;
}

static int
check_input(struct user *user)
{
	struct input         input = { .n = 0 };
	struct checkpassword asked;
	int                  fd, code;

	if (!find_unit(&fd))
		return CHECKPASSWORD_MISUSED;
	if (!read_input(fd, &input))
		code = errno == EBADF ? CHECKPASSWORD_MISUSED : CHECKPASSWORD_TROUBLE;
	else if (checkpassword_parse((struct bytes){ input.text, input.n }, &asked))
		code = check(user, &asked);
	else
		code = CHECKPASSWORD_MISUSED;
	close(fd);
	explicit_bzero(&input, sizeof input);
	explicit_bzero(user->hash, sizeof user->hash);
	return code;
}

int
main(int argc, char **argv)
{
	struct user user = { .name = "" };
	int         code;

	prctl(PR_SET_DUMPABLE, 0);
	if (argc < 2)
		return CHECKPASSWORD_MISUSED;
	code = check_input(&user);
	if (code != CHECKPASSWORD_OK || strcmp(argv[1], "-") == 0)
		return code;
	if (become_user(&user))
		execvp(argv[1], argv + 1);
	return CHECKPASSWORD_TROUBLE;
}
